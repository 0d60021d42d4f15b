"""Works out a query at each instant of its period (promql/engine.go, evaluator). Pure: the window is read at the start.

One instant after the other, so that whoever evaluates can do something else in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from pillion.scraper.query import buckets, instantly, relabelled
from pillion.scraper.query.aggregation import Grouping, aggregate
from pillion.scraper.query.arithmetic import quantile
from pillion.scraper.query.binary import BinaryOperation
from pillion.scraper.query.failure import ExecutionError
from pillion.scraper.query.loading import Loaded
from pillion.scraper.query.overtime import KEEPING_NAMES, RANGE_FUNCTIONS, Span, predict
from pillion.scraper.query.syntax import (
    Aggregation,
    Binary,
    Call,
    Expr,
    Number,
    Paren,
    RangeSelector,
    Selector,
    Subquery,
    Text,
    Unary,
    without_parens,
)
from pillion.scraper.query.values import Range, without_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pillion.scraper.labels import Labels
    from pillion.scraper.query.loading import Limits, Period
    from pillion.scraper.query.overtime import RangeFunction
    from pillion.scraper.query.values import Value, Vector
    from pillion.scraper.samples import Window

_SAME_LABELS = "vector cannot contain metrics with the same labelset"


class Evaluation:
    def __init__(self, expr: Expr, window: Window, period: Period, limits: Limits) -> None:
        """Raises ExecutionError."""
        self._expr = expr
        self._period = period
        self._loaded = Loaded(expr, window, period, limits)
        self._operations: dict[int, BinaryOperation] = {}
        self._groupings: dict[int, Grouping] = {}
        self._nameless: dict[Labels, Labels] = {}
        self._subqueries: dict[int, dict[int, Vector]] = {}

    def steps(self) -> Iterator[tuple[int, Value]]:
        """Each instant with what the query gives there. Raises ExecutionError."""
        for now in self._period.instants:
            yield now, self._value(self._expr, now)

    def matrix(self) -> list[Range]:
        """What a range selector or subquery gives at the (only) instant."""
        return list(self._ranges(self._expr, self._period.end))

    def _value(self, expr: Expr, now: int) -> Value:
        match expr:
            case Number() | Text():
                return expr.value
            case Selector():
                return self._loaded.vector(expr, now)
            case Paren():
                return self._value(expr.expr, now)
            case Unary():
                return self._signed(expr, now)
            case Binary():
                return self._binary(expr, now)
            case Aggregation():
                return self._aggregated(expr, now)
            case Call():
                return self._called(expr, now)
            case RangeSelector() | Subquery():
                raise AssertionError("checked before: ranges are arguments of functions")
            case _:
                assert_never(expr)

    def _vector(self, expr: Expr, now: int) -> Vector:
        value = self._value(expr, now)
        assert isinstance(value, list)
        return value

    def _scalar(self, expr: Expr, now: int) -> float:
        value = self._value(expr, now)
        assert isinstance(value, float)
        return value

    def _text(self, expr: Expr) -> str:
        expr = without_parens(expr)
        assert isinstance(expr, Text)
        return expr.value

    def _drop_name(self, labels: Labels) -> Labels:
        found = self._nameless.get(labels)
        if found is None:
            found = self._nameless[labels] = without_name(labels)
        return found

    def _signed(self, expr: Unary, now: int) -> Value:
        value = self._value(expr.expr, now)
        if expr.op == "+":
            return value
        if isinstance(value, list):
            return _unique([(self._drop_name(labels), -each) for labels, each in value])
        assert isinstance(value, float)
        return -value

    def _binary(self, expr: Binary, now: int) -> Value:
        operation = self._operations.get(id(expr))
        if operation is None:
            operation = self._operations[id(expr)] = BinaryOperation(expr)
        left, right = self._value(expr.left, now), self._value(expr.right, now)
        if isinstance(left, list) and isinstance(right, list):
            return _unique(operation.of_vectors(left, right))
        if isinstance(left, list):
            assert isinstance(right, float)
            return _unique(operation.with_scalar(left, right, scalar_is_left=False))
        assert isinstance(left, float)
        if isinstance(right, list):
            return _unique(operation.with_scalar(right, left, scalar_is_left=True))
        assert isinstance(right, float)
        return operation.of_scalars(left, right)

    def _aggregated(self, expr: Aggregation, now: int) -> Vector:
        grouping = self._groupings.get(id(expr))
        if grouping is None:
            grouping = self._groupings[id(expr)] = Grouping(expr)
        param: float | str | None = None
        if expr.param is not None:
            param = self._text(expr.param) if expr.op == "count_values" else self._scalar(expr.param, now)
        return aggregate(expr.op, param, self._vector(expr.expr, now), grouping)

    def _called(self, expr: Call, now: int) -> Value:
        name = expr.function
        if name in RANGE_FUNCTIONS:
            return self._over_time(expr.args[0], now, RANGE_FUNCTIONS[name], keeps_name=name in KEEPING_NAMES)
        if name in instantly.VALUE_FUNCTIONS:
            return self._each(expr.args[0], now, instantly.VALUE_FUNCTIONS[name])
        if name in instantly.DATE_FUNCTIONS:
            function = instantly.DATE_FUNCTIONS[name]
            return self._each(expr.args[0], now, function) if expr.args else [((), function(now / 1000))]
        return self._special(expr, now)

    def _special(self, expr: Call, now: int) -> Value:  # noqa: C901 - a table of small functions
        args = expr.args
        match expr.function:
            case "time":
                return now / 1000
            case "pi":
                return math.pi
            case "vector":
                return [((), self._scalar(args[0], now))]
            case "scalar":
                vector = self._vector(args[0], now)
                return vector[0][1] if len(vector) == 1 else math.nan
            case "timestamp":
                return self._timestamps(args[0], now)
            case "sort" | "sort_desc":
                sign = 1 if expr.function == "sort" else -1
                return sorted(
                    self._vector(args[0], now),
                    key=lambda element: (math.isnan(element[1]), sign * element[1]),
                )
            case "absent":
                is_there = bool(self._vector(args[0], now))
                return [] if is_there else [(relabelled.labels_of_absent(without_parens(args[0])), 1.0)]
            case "absent_over_time":
                is_there = any(True for _ in self._ranges(args[0], now))
                return [] if is_there else [(relabelled.labels_of_absent(without_parens(args[0])), 1.0)]
            case "round":
                nearest = self._scalar(args[1], now) if len(args) > 1 else 1.0
                return self._each(args[0], now, lambda value: instantly.round_to(value, nearest))
            case "clamp" | "clamp_min" | "clamp_max":
                return self._clamped(expr, now)
            case "predict_linear":
                ahead = self._scalar(args[1], now)
                return self._over_time(
                    args[0], now, lambda times, values, span: predict(times, values, span, ahead)
                )
            case "quantile_over_time":
                share = self._scalar(args[0], now)
                return self._over_time(args[1], now, lambda _, values, __: quantile(share, values))
            case "histogram_quantile":
                share = self._scalar(args[0], now)
                return _unique(buckets.histogram_quantile(share, self._vector(args[1], now)))
            case "histogram_fraction":
                low, high = self._scalar(args[0], now), self._scalar(args[1], now)
                return _unique(buckets.histogram_fraction(low, high, self._vector(args[2], now)))
            case "label_replace":
                return _unique(relabelled.replace(self._vector(args[0], now), *map(self._text, args[1:])))
            case "label_join":
                target, separator, *sources = map(self._text, args[1:])
                return _unique(relabelled.join(self._vector(args[0], now), target, separator, sources))
            case _:  # histogram_count and the like: of native histograms, of which there are none here
                return []

    def _each(self, expr: Expr, now: int, function: Callable[[float], float]) -> Vector:
        return _unique(
            [(self._drop_name(labels), function(value)) for labels, value in self._vector(expr, now)]
        )

    def _clamped(self, expr: Call, now: int) -> Vector:
        bounds = [self._scalar(argument, now) for argument in expr.args[1:]]
        low, high = -math.inf, math.inf
        match expr.function:
            case "clamp_min":
                low = bounds[0]
            case "clamp_max":
                high = bounds[0]
            case _:
                low, high = bounds
        if low > high:
            return []
        return self._each(expr.args[0], now, lambda value: instantly.clamp(value, low, high))

    def _timestamps(self, expr: Expr, now: int) -> Vector:
        selector = without_parens(expr)
        if isinstance(selector, Selector):
            stamps = self._loaded.sample_times(selector, now)
        else:
            stamps = [(labels, now / 1000) for labels, _ in self._vector(expr, now)]
        return _unique([(self._drop_name(labels), stamp) for labels, stamp in stamps])

    def _over_time(
        self, expr: Expr, now: int, function: RangeFunction, *, keeps_name: bool = False
    ) -> Vector:
        target = without_parens(expr)
        assert isinstance(target, RangeSelector | Subquery)
        moved = target.selector if isinstance(target, RangeSelector) else target
        end = self._loaded.moment(moved, now)
        span = Span(start=end - target.range, end=end, now=now)
        found: Vector = []
        for series in self._ranges(target, now):
            value = function(series.times, series.values, span)
            if value is not None:
                found.append((series.labels if keeps_name else self._drop_name(series.labels), value))
        return _unique(found)

    def _ranges(self, expr: Expr, now: int) -> Iterable[Range]:
        target = without_parens(expr)
        if isinstance(target, RangeSelector):
            return self._loaded.ranges(target, now)
        assert isinstance(target, Subquery)
        return self._subquery(target, now)

    def _subquery(self, subquery: Subquery, now: int) -> Iterable[Range]:
        known = self._subqueries.setdefault(id(subquery), {})
        instants = self._loaded.subquery_instants(subquery, now)
        for past in [each for each in known if each < instants.start]:
            del known[past]
        found: dict[Labels, Range] = {}
        for at in instants:
            if at not in known:
                known[at] = self._vector(subquery.expr, at)
            for labels, value in known[at]:
                series = found.get(labels)
                if series is None:
                    series = found[labels] = Range.empty(labels)
                series.times.append(at)
                series.values.append(value)
        return [found[labels] for labels in sorted(found)]


def _unique(vector: Vector) -> Vector:
    """Raises ExecutionError if dropping a name or a label has made two elements the same."""
    if len({labels for labels, _ in vector}) < len(vector):
        raise ExecutionError(_SAME_LABELS)
    return vector
