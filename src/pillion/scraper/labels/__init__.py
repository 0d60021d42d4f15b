"""Labels, matchers and relabelling. Pure."""

from pillion.scraper.labels.labels import Labels, labels_of
from pillion.scraper.labels.matchers import Matcher, MatchType
from pillion.scraper.labels.names import ValidationScheme, is_label_name, is_metric_name
from pillion.scraper.labels.regexes import Regexp, regexp
from pillion.scraper.labels.relabel import Action, RelabelConfig
from pillion.scraper.labels.relabelling import Relabelling
from pillion.scraper.labels.retranslation import RegexpError

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
    "is_label_name",
    "is_metric_name",
    "labels_of",
    "regexp",
]
