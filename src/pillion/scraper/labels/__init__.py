"""Labels, matchers and relabelling. Pure."""

from pillion.re2 import RegexpError
from pillion.scraper.labels.labels import Labels, as_text, labels_of
from pillion.scraper.labels.matchers import Matcher, MatchType
from pillion.scraper.labels.names import ValidationScheme, is_label_name, is_metric_name
from pillion.scraper.labels.regexes import Regexp, regexp
from pillion.scraper.labels.relabel import Action, RelabelConfig
from pillion.scraper.labels.relabelling import Relabelling

__all__ = [
    "Action",
    "Labels",
    "MatchType",
    "Matcher",
    "Regexp",
    "RegexpError",
    "RelabelConfig",
    "Relabelling",
    "ValidationScheme",
    "as_text",
    "is_label_name",
    "is_metric_name",
    "labels_of",
    "regexp",
]
