"""The series that every scrape adds by itself: `up` and what it cost. Pure (scrape/scrape.go, report)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.labels import labels_of
from pillion.scraper.samples import STALE, Batch, Metadata, SeriesSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillion.scraper.labels import Labels


def _gauge(name: str, help_text: str, unit: str) -> Metadata:
    return Metadata(name=name, type="gauge", help=help_text, unit=unit)


_ALWAYS = (
    _gauge("up", "Health of the scrape target. 1: it answered, 0: the scrape failed.", "targets"),
    _gauge("scrape_duration_seconds", "How long the last scrape took.", "seconds"),
    _gauge("scrape_samples_scraped", "Samples on the last page.", "samples"),
    _gauge("scrape_samples_post_metric_relabeling", "Those left after metric relabelling.", "samples"),
    _gauge("scrape_series_added", "Series that were not on the page before.", "series"),
)
_EXTRA = (
    _gauge("scrape_timeout_seconds", "The target's scrape timeout.", "seconds"),
    _gauge("scrape_sample_limit", "The target's sample limit; 0: none.", "samples"),
    _gauge("scrape_body_size_bytes", "Bytes of the last page, unpacked; -1: more than allowed.", "bytes"),
)


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What is reported of one scrape."""

    is_up: bool
    duration: float
    """Seconds."""
    scraped: int = 0
    added: int = 0
    series_added: int = 0
    body_size: int = 0
    """0: the scrape failed, -1: because of body_size_limit."""


class Report:
    """For one target. `extra`: the three further series of the feature extra-scrape-metrics."""

    def __init__(self, target: Labels, *, timeout: float, sample_limit: int, extra: bool) -> None:
        """`target` are its public labels, `timeout` is in seconds."""
        self._timeout = timeout
        self._sample_limit = sample_limit
        self._metadata = (*_ALWAYS, *_EXTRA) if extra else _ALWAYS
        self.labels = tuple(labels_of({**dict(target), "__name__": each.name}) for each in self._metadata)
        self._series = SeriesSet(self.labels, self._metadata)
        self._reduced: tuple[frozenset[Labels], SeriesSet] | None = None

    def batch(self, findings: Findings, time: int, shadowed: frozenset[Labels] = frozenset()) -> Batch:
        """`shadowed`: series that the page has itself. They came first, so the report's are left out."""
        values = [
            1.0 if findings.is_up else 0.0,
            findings.duration,
            float(findings.scraped),
            float(findings.added),
            float(findings.series_added),
        ]
        if len(self._metadata) > len(values):
            values += [self._timeout, float(self._sample_limit), float(findings.body_size)]
        if not shadowed:
            return Batch(series=self._series, time=time, values=struct.pack(f"<{len(values)}d", *values))
        kept = [value for value, labels in zip(values, self.labels, strict=True) if labels not in shadowed]
        return Batch(series=self._without(shadowed), time=time, values=struct.pack(f"<{len(kept)}d", *kept))

    def end(self, time: int, alive: Iterable[Labels] = ()) -> Batch:
        """Staleness markers; not for series that somebody else writes by now."""
        gone = frozenset(alive)
        series = self._without(gone) if gone else self._series
        return Batch(series=series, time=time, values=STALE * len(series))

    def _without(self, shadowed: frozenset[Labels]) -> SeriesSet:
        if self._reduced is None or self._reduced[0] != shadowed:
            kept = [index for index, labels in enumerate(self.labels) if labels not in shadowed]
            self._reduced = (
                shadowed,
                SeriesSet(
                    tuple(self.labels[index] for index in kept),
                    tuple(self._metadata[index] for index in kept),
                ),
            )
        return self._reduced[1]
