"""Samples that come with times of their own: which are taken, and when their series end. Pure.

They are rare (federation, cAdvisor, gateways), so here each sample is looked at. A batch has no gaps: when some samples
are refused, it is one of fewer series.
"""

from __future__ import annotations

from array import array
from enum import Enum, auto
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.exposition.page import NO_TIME
from pillion.scraper.samples import Batch, SeriesSet
from pillion.scraper.scraping.plan import VALUE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillion.scraper.labels import Labels
    from pillion.scraper.scraping.plan import Plan

MAX_AHEAD = 600_000
"""Milliseconds by which a sample may be ahead of the clock (maxAheadTime)."""


class TimedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page's columns, in its own order."""

    values: bytes
    times: array[int]
    starts: array[int] | None
    time: int
    """Of samples that have none; milliseconds, as `now` is."""
    now: int


class Refused(msgspec.Struct, kw_only=True):
    """How many samples were not taken, and why."""

    out_of_order: int = 0
    duplicates: int = 0
    """Same time, another value."""
    out_of_bounds: int = 0


class Taken(msgspec.Struct, kw_only=True):
    batches: list[Batch]
    tracked: SeriesSet
    """Those that get a marker when they are missing next time."""
    refused: Refused


class _Verdict(Enum):
    TAKEN = auto()
    SAME = auto()
    """What was there already: nothing is wrong, and nothing new."""
    OUT_OF_ORDER = auto()
    DUPLICATE = auto()
    OUT_OF_BOUNDS = auto()


_Sample = tuple[int, bytes]
"""Time and value."""


class TimedSamples:
    """Of one target: remembers each series' last sample."""

    __slots__ = ("_last", "_of", "_subsets", "_tracks")

    def __init__(self, *, tracks_staleness: bool) -> None:
        self._tracks = tracks_staleness
        self._last: dict[Labels, _Sample] = {}
        self._of: SeriesSet | None = None
        self._subsets: dict[tuple[int, ...], SeriesSet] = {}

    @property
    def is_empty(self) -> bool:
        return not self._last

    def last_time(self, labels: Labels) -> int | None:
        last = self._last.get(labels)
        return None if last is None else last[0]

    def begin(self, series: SeriesSet, time: int, values: bytes) -> None:
        """What was taken before pages had times."""
        self._last = {labels: (time, _value(values, place)) for place, labels in enumerate(series.labels)}

    def forget_before(self, time: int) -> None:
        """Forget all, if later samples cannot be older than what was taken."""
        if all(last < time for last, _ in self._last.values()):
            self._last, self._of, self._subsets = {}, None, {}

    def take(self, plan: Plan, page: TimedPage) -> Taken:
        if self._of is not plan.series:
            self._of, self._subsets = plan.series, {}
        refused = Refused()
        places = range(len(plan.series)) if plan.selection is None else plan.selection.places
        before = self._last
        # Of series that are no longer there, only what a sample or a marker of now would be too old for.
        self._last = {labels: last for labels, last in before.items() if last[0] >= page.time}
        taken, tracked = [], []
        for index, place in enumerate(places):
            labels = plan.series.labels[index]
            sample = _sample(page, place)
            verdict = _judge(sample, before.get(labels), page.now)
            _count(refused, verdict)
            self._last[labels] = sample if verdict is _Verdict.TAKEN else before.get(labels, (NO_TIME, b""))
            if verdict is _Verdict.TAKEN:
                taken.append((place, index))
            has_no_time = page.times[place] == NO_TIME
            if verdict in (_Verdict.TAKEN, _Verdict.SAME) and (has_no_time or self._tracks):
                tracked.append(index)
        layers = [taken, *self._further(plan, page, refused)]
        return Taken(
            batches=[self._batch(plan, page, layer) for layer in layers if layer],
            tracked=self._subset(plan.series, tracked),
            refused=refused,
        )

    def _further(self, plan: Plan, page: TimedPage, refused: Refused) -> list[list[tuple[int, int]]]:
        """Samples of series that the page has more than once, each later than the one before: a series is in a batch
        once only."""
        layers: list[list[tuple[int, int]]] = []
        depths: dict[int, int] = {}
        for place, index in plan.repeats:
            labels = plan.series.labels[index]
            if page.times[place] == NO_TIME:
                refused.duplicates += 1
                continue
            sample = _sample(page, place)
            verdict = _judge(sample, self._last.get(labels), page.now)
            _count(refused, verdict)
            if verdict is not _Verdict.TAKEN:
                continue
            self._last[labels] = sample
            depth = depths[index] = depths.get(index, 0) + 1
            if depth > len(layers):
                layers.append([])
            layers[depth - 1].append((place, index))
        for layer in layers:
            layer.sort(key=lambda sample: sample[1])  # a batch has its series in the order of the set
        return layers

    def _batch(self, plan: Plan, page: TimedPage, samples: Sequence[tuple[int, int]]) -> Batch:
        """`samples` are (place on the page, place in the plan's series)."""
        return Batch(
            series=self._subset(plan.series, [index for _, index in samples]),
            time=page.time,
            values=b"".join([_value(page.values, place) for place, _ in samples]),
            times=array("q", [_time(page, place) for place, _ in samples]),
            starts=None if page.starts is None else array("q", [page.starts[place] for place, _ in samples]),
        )

    def _subset(self, series: SeriesSet, indices: Sequence[int]) -> SeriesSet:
        """The same object for the same series as long as the plan is the same."""
        if len(indices) == len(series):
            return series
        key = tuple(indices)
        found = self._subsets.get(key)
        if found is None:
            if len(self._subsets) > 4:  # as many as there are kinds; pages may vary for ever
                self._subsets.clear()
            found = self._subsets[key] = SeriesSet(
                tuple(series.labels[index] for index in indices),
                tuple(series.metadata[index] for index in indices),
            )
        return found


def _value(values: bytes, place: int) -> bytes:
    return values[place * VALUE_BYTES : (place + 1) * VALUE_BYTES]


def _time(page: TimedPage, place: int) -> int:
    own = page.times[place]
    return page.time if own == NO_TIME else own


def _sample(page: TimedPage, place: int) -> _Sample:
    return _time(page, place), _value(page.values, place)


def _judge(sample: _Sample, last: _Sample | None, now: int) -> _Verdict:
    time, value = sample
    if time > now + MAX_AHEAD:
        return _Verdict.OUT_OF_BOUNDS
    if last is None or time > last[0]:
        return _Verdict.TAKEN
    if time < last[0]:
        return _Verdict.OUT_OF_ORDER
    return _Verdict.SAME if value == last[1] else _Verdict.DUPLICATE


def _count(refused: Refused, verdict: _Verdict) -> None:
    match verdict:
        case _Verdict.OUT_OF_ORDER:
            refused.out_of_order += 1
        case _Verdict.DUPLICATE:
            refused.duplicates += 1
        case _Verdict.OUT_OF_BOUNDS:
            refused.out_of_bounds += 1
        case _Verdict.TAKEN | _Verdict.SAME:
            pass
