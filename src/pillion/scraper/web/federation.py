"""/federate: the newest sample of each series that somebody asks for, as a page (web/federate.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.http.server import Response
from pillion.scraper.exposition import Format, WrittenFamily, WrittenSample, choose_format, write_page
from pillion.scraper.samples import ABSENT, Metadata

if TYPE_CHECKING:
    from pillion.scraper.labels import Labels
    from pillion.scraper.web.parameters import Parameters
    from pillion.scraper.web.view import View

_NAME = "__name__"
_NO_LIMIT = 2**63
"""It is one sample of each series, and there are no more than the window has."""
_OFFERED = (Format.TEXT_1, Format.TEXT_0, Format.OPENMETRICS_1, Format.OPENMETRICS_0)


def federate(view: View, asked: Parameters, accept: str, now: int) -> Response:
    """Types are not told, as with Prometheus: the receiver's own scrape of them would be of another target."""
    external = {"instance": "", **view.configuration.global_config.external_labels}
    found: dict[str, dict[Labels, WrittenSample]] = {}
    for matchers in asked.matchers():
        for series in view.window.instants(matchers, (now,), view.flags.lookback_delta, _NO_LIMIT):
            name = next((value for key, value in series.labels if key == _NAME), "")
            if series.times[0] == ABSENT or not name:
                continue
            labels = tuple(sorted({**external, **dict(series.labels)}.items()))
            family = found.setdefault(name, {})
            family[series.labels] = WrittenSample(labels=labels, value=series.values[0], time=series.times[0])
    families = [
        WrittenFamily(
            metadata=Metadata(name=name, type="unknown"),
            samples=tuple(family[labels] for labels in sorted(family)),
        )
        for name, family in sorted(found.items())
    ]
    choice = choose_format(accept, _OFFERED)
    return Response(type=choice.content_type, body=write_page(families, choice.format, choice.escaping))
