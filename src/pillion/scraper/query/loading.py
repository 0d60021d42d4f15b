"""What a query's selectors need of the window, read before anything is evaluated."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, assert_never

import msgspec

from pillion.scraper.query.failure import ExecutionError
from pillion.scraper.query.syntax import (
    Aggregation,
    Binary,
    Call,
    Edge,
    Expr,
    Number,
    Paren,
    RangeSelector,
    Selector,
    Subquery,
    Text,
    Unary,
)
from pillion.scraper.query.values import Range
from pillion.scraper.samples import ABSENT, TooManySamplesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pillion.scraper.query.values import Vector
    from pillion.scraper.samples import InstantSeries, RangeSeries, Window

LOOKBACK = 300_000
"""Milliseconds for which a sample counts when no newer one comes."""
MAX_SAMPLES = 1_000_000
"""That a query may have in memory at once: 16 MB, and a quarter of a second to read them."""
TOO_MANY = "query processing would load too many samples into memory in query execution"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    lookback: int = LOOKBACK
    max_samples: int = MAX_SAMPLES
    subquery_step: int = 60_000
    """Milliseconds, of subqueries that name no step: the evaluation interval of rules."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds; an instant has the same start and end."""

    start: int
    end: int
    step: int = 1

    @property
    def instants(self) -> range:
        return range(self.start, self.end + 1, self.step)


class _Instants(msgspec.Struct, frozen=True):
    places: dict[int, int]
    series: list[InstantSeries]


class Loaded:
    """Samples of all selectors of one query."""

    def __init__(self, expr: Expr, window: Window, period: Period, limits: Limits) -> None:
        """Raises ExecutionError."""
        self._window = window
        self._period = period
        self._limits = limits
        self._budget = limits.max_samples
        self._instants: dict[int, _Instants] = {}
        self._ranges: dict[int, list[RangeSeries]] = {}
        try:
            self._load(expr, period.instants)
        except TooManySamplesError:
            raise ExecutionError(TOO_MANY) from None

    def vector(self, selector: Selector, now: int) -> Vector:
        """The newest sample of each series."""
        loaded = self._instants[id(selector)]
        place = loaded.places[self.moment(selector, now)]
        return [
            (series.labels, series.values[place]) for series in loaded.series if series.times[place] != ABSENT
        ]

    def sample_times(self, selector: Selector, now: int) -> Vector:
        """The same with the samples' own times, in seconds."""
        loaded = self._instants[id(selector)]
        place = loaded.places[self.moment(selector, now)]
        return [
            (series.labels, series.times[place] / 1000)
            for series in loaded.series
            if series.times[place] != ABSENT
        ]

    def ranges(self, selector: RangeSelector, now: int) -> Iterable[Range]:
        """The samples of each series that has some: after the start, until the end."""
        end = self.moment(selector.selector, now)
        start = end - selector.range
        for series in self._ranges[id(selector)]:
            first = bisect_right(series.times, start)
            last = bisect_right(series.times, end, first)
            if first < last:
                yield Range(series.labels, series.times[first:last], series.values[first:last])

    def moment(self, target: Selector | Subquery, now: int) -> int:
        """When it is asked about, with its `@` and offset."""
        match target.at_edge:
            case Edge.START:
                now = self._period.start
            case Edge.END:
                now = self._period.end
            case None if target.at is not None:
                now = target.at
            case None:
                pass
        return now - target.offset

    def subquery_instants(self, subquery: Subquery, now: int) -> range:
        """Multiples of the step, wherever the query begins."""
        step = subquery.step or self._limits.subquery_step
        end = self.moment(subquery, now)
        first = ((end - subquery.range) // step + 1) * step
        return range(first, end + 1, step)

    def _load(self, expr: Expr, instants: Sequence[int]) -> None:
        match expr:
            case Selector():
                self._load_instants(expr, instants)
            case RangeSelector():
                self._load_range(expr, instants)
            case Subquery():
                inner = {at for now in instants for at in self.subquery_instants(expr, now)}
                if len(inner) > self._budget:
                    raise TooManySamplesError
                self._load(expr.expr, sorted(inner))
            case Call():
                for argument in expr.args:
                    self._load(argument, instants)
            case Aggregation():
                self._load(expr.expr, instants)
                if expr.param is not None:
                    self._load(expr.param, instants)
            case Binary():
                self._load(expr.left, instants)
                self._load(expr.right, instants)
            case Unary() | Paren():
                self._load(expr.expr, instants)
            case Number() | Text():
                pass
            case _:
                assert_never(expr)

    def _load_instants(self, selector: Selector, instants: Sequence[int]) -> None:
        moments = sorted({self.moment(selector, now) for now in instants})
        series = self._window.instants(selector.matchers, moments, self._limits.lookback, self._budget)
        self._budget -= len(series) * len(moments)
        self._instants[id(selector)] = _Instants({at: place for place, at in enumerate(moments)}, series)

    def _load_range(self, selector: RangeSelector, instants: Sequence[int]) -> None:
        if not instants:
            self._ranges[id(selector)] = []
            return
        moments = [self.moment(selector.selector, now) for now in (instants[0], instants[-1])]
        matchers = selector.selector.matchers
        series = self._window.ranges(matchers, min(moments) - selector.range, max(moments), self._budget)
        self._budget -= sum(len(each.times) for each in series)
        self._ranges[id(selector)] = series
