"""Functions of a range of samples: rates, and what was least, most or last in it (promql/functions.go)."""

from __future__ import annotations

import math
import operator
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.query import arithmetic

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

_NEAR = 1.1
"""A sample is expected this many average distances from the range's end; is there none, the series began or ended."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Of a range: milliseconds since the epoch. `now` is the evaluation's time, which offsets do not move."""

    start: int
    end: int
    now: int


def extrapolated_rate(
    times: Sequence[int], values: array[float], span: Span, *, is_counter: bool, is_rate: bool
) -> float | None:
    """rate, increase and delta (extrapolatedRate). None with fewer than two samples.

    As in Prometheus 3: a series that began in the range is not extended beyond the half of an average distance, nor
    below zero. 2.42 extends it as far as to zero, if that is nearer than 1.1 distances.
    """
    if len(values) < 2:
        return None
    result = values[-1] - values[0]
    if is_counter and not all(map(operator.le, values, values[1:])):
        for before, value in pairwise(values):
            if value < before:
                result += before
    sampled = (times[-1] - times[0]) / 1000
    average = sampled / (len(values) - 1)
    to_start = (times[0] - span.start) / 1000
    to_end = (span.end - times[-1]) / 1000
    if to_start >= average * _NEAR:
        to_start = average / 2
    if is_counter and result > 0 and values[0] >= 0:
        to_start = min(to_start, sampled * (values[0] / result))
    if to_end >= average * _NEAR:
        to_end = average / 2
    factor = arithmetic.divide(sampled + to_start + to_end, sampled)
    if is_rate:
        factor /= (span.end - span.start) / 1000
    return result * factor


def instant_rate(times: Sequence[int], values: array[float], *, is_counter: bool) -> float | None:
    """irate (per second) and idelta, of the last two samples."""
    if len(values) < 2:
        return None
    before, last = values[-2], values[-1]
    distance = times[-1] - times[-2]
    if distance == 0:
        return None
    if not is_counter:
        return last - before
    return (last if last < before else last - before) / (distance / 1000)


def regression(times: Sequence[int], values: array[float], intercept_time: int) -> tuple[float, float]:
    """Slope per second, and the value at that time (linearRegression)."""
    first = values[0]
    if all(value == first for value in values):
        return (math.nan, math.nan) if math.isinf(first) else (0.0, first)
    xs = [(time - intercept_time) / 1000 for time in times]
    count = len(xs)
    sum_x, sum_y = arithmetic.add_up(xs), arithmetic.add_up(values)
    sum_xy = arithmetic.add_up(map(operator.mul, xs, values))
    sum_xx = arithmetic.add_up(map(operator.mul, xs, xs))
    slope = arithmetic.divide(sum_xy - sum_x * sum_y / count, sum_xx - sum_x * sum_x / count)
    return slope, sum_y / count - slope * sum_x / count


def _deriv(times: Sequence[int], values: array[float], _: Span) -> float | None:
    return regression(times, values, times[0])[0] if len(values) > 1 else None


def predict(times: Sequence[int], values: array[float], span: Span, seconds: float) -> float | None:
    if len(values) < 2:
        return None
    slope, intercept = regression(times, values, span.now)
    return slope * seconds + intercept


def _changes(_: Sequence[int], values: array[float], __: Span) -> float:
    pairs = pairwise(values)
    return float(sum(1 for old, new in pairs if old != new and not (math.isnan(old) and math.isnan(new))))


def _resets(_: Sequence[int], values: array[float], __: Span) -> float:
    return float(sum(map(operator.lt, values[1:], values)))


def _of_values(function: Callable[[array[float]], float]) -> RangeFunction:
    return lambda _, values, __: function(values)


def _rate(*, is_counter: bool, is_rate: bool) -> RangeFunction:
    return lambda times, values, span: extrapolated_rate(
        times, values, span, is_counter=is_counter, is_rate=is_rate
    )


if TYPE_CHECKING:
    RangeFunction = Callable[[Sequence[int], array[float], Span], float | None]

RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "rate": _rate(is_counter=True, is_rate=True),
    "increase": _rate(is_counter=True, is_rate=False),
    "delta": _rate(is_counter=False, is_rate=False),
    "irate": lambda times, values, _: instant_rate(times, values, is_counter=True),
    "idelta": lambda times, values, _: instant_rate(times, values, is_counter=False),
    "deriv": _deriv,
    "changes": _changes,
    "resets": _resets,
    "avg_over_time": _of_values(arithmetic.mean),
    "count_over_time": _of_values(lambda values: float(len(values))),
    "last_over_time": _of_values(lambda values: values[-1]),
    "max_over_time": _of_values(arithmetic.greatest),
    "min_over_time": _of_values(arithmetic.least),
    "present_over_time": _of_values(lambda _: 1.0),
    "stddev_over_time": _of_values(lambda values: arithmetic.total(math.sqrt)(arithmetic.variance(values))),
    "stdvar_over_time": _of_values(arithmetic.variance),
    "sum_over_time": _of_values(arithmetic.add_up),
}
"""Each gets at least one sample; None: no result for this series."""
KEEPING_NAMES = frozenset(("last_over_time",))
