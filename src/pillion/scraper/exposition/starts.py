"""Start timestamps: which `_created` line tells since when a counter, summary or histogram counts.

OpenMetrics 1.0 writes them as series of their own. Prometheus ingests them as such, unless a feature
(`created-timestamp-zero-ingestion`, `st-storage`) makes start timestamps of them (OpenMetricsParser.StartTimestamp).
"""

from __future__ import annotations

from array import array
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pillion.scraper.exposition.entries import NAME, metric_name
from pillion.scraper.exposition.numbers import milliseconds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillion.scraper.labels import Labels

_Item = TypeVar("_Item")
_CREATED = "_created"
_DISTINGUISHING = {"counter": None, "summary": "quantile", "histogram": "le"}
"""The types that have a start, and the label in which series with one `_created` line differ."""


class Run(NamedTuple):
    """The samples between two lines of metadata, and what the lines before them said last."""

    begins: int
    family: str
    type: str


class StartPlan:
    """Which series of a page are left, and where the starts of those are. As good as long as its series stay."""

    __slots__ = ("_kept", "_sources")

    def __init__(self, labels: Sequence[Labels], runs: Sequence[Run]) -> None:
        kept = bytearray(b"\1" * len(labels))
        sources = array("q", [-1]) * len(labels)
        ends = [run.begins for run in runs[1:]] + [len(labels)]
        for run, end in zip(runs, ends, strict=True):
            if run.type in _DISTINGUISHING:
                _find_sources(labels, run, end, kept, sources)
        self._kept = bytes(kept)
        self._sources = array("q", compress(sources, kept))

    def select(self, items: Sequence[_Item]) -> tuple[_Item, ...]:
        return tuple(compress(items, self._kept))

    def values(self, values: array[float]) -> array[float]:
        return array("d", compress(values, self._kept))

    def times(self, times: array[int]) -> array[int]:
        return array("q", compress(times, self._kept))

    def index(self, index: int) -> int | None:
        """Of a series among those that are left."""
        return self._kept.count(1, 0, index) if self._kept[index] else None

    def starts(self, values: Sequence[float]) -> array[int] | None:
        """Of the series that are left, in milliseconds, 0 = unknown; of the values of all. None: the page has none."""
        if max(self._sources, default=-1) < 0:
            return None
        return array("q", [_start(values[source]) if source >= 0 else 0 for source in self._sources])


def _start(seconds: float) -> int:
    return max(milliseconds_of(seconds), 0)


def _find_sources(labels: Sequence[Labels], run: Run, end: int, kept: bytearray, sources: array[int]) -> None:
    """The line may come after the series, not before: Prometheus looks ahead, to the next `_created` and no further,
    and remembers the last that fitted."""
    following: list[int] = [-1] * (end - run.begins)
    created = -1
    for index in range(end - 1, run.begins - 1, -1):
        following[index - run.begins] = created
        if metric_name(labels[index]).endswith(_CREATED):
            kept[index] = 0
            created = index
    remembered, source = None, -1
    for index in range(run.begins, end):
        if not kept[index]:
            continue
        identity = _identity(labels[index], metric_name(labels[index])[: len(run.family)], run.type)
        if identity != remembered:
            remembered, source = identity, following[index - run.begins]
            if source < 0 or identity != _identity(
                labels[source], metric_name(labels[source]).removesuffix(_CREATED), run.type
            ):
                remembered, source = None, -1
        sources[index] = source


def _identity(labels: Labels, name: str, family_type: str) -> tuple[str, Labels]:
    left_out = (NAME, _DISTINGUISHING[family_type])
    return name, tuple(pair for pair in labels if pair[0] not in left_out)
