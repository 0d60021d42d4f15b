"""/api/v1/query, query_range and query_exemplars (web/api/v1/api.go)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson

from pillion.scraper.query import (
    Evaluation,
    ExecutionError,
    Expr,
    Limits,
    ParseError,
    Period,
    Range,
    Type,
    Value,
    format_pretty,
    format_sample,
    format_time,
    parse,
    type_of,
)
from pillion.scraper.query.loading import TOO_MANY
from pillion.scraper.query.syntax import RangeSelector, Selector, children
from pillion.scraper.web.answers import ApiError, Kind, raw_success, success
from pillion.scraper.web.parameters import MAX_TIME, MIN_TIME, Parameters, invalid
from pillion.scraper.web.syntaxtree import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pillion.clock import Clock
    from pillion.http.server import Response
    from pillion.scraper.labels import Labels, Matcher
    from pillion.scraper.web.view import View

_MOST_POINTS = 11_000
_BREATH_SECONDS = 0.01
"""After which a long query lets scrapes go on."""
_TRUNCATED = "results truncated due to limit"


class Queries:
    def __init__(self, view: View, clock: Clock) -> None:
        self._view = view
        self._clock = clock

    async def instant(self, asked: Parameters) -> Response:
        limit = asked.limit()
        now = asked.time("time", self._now())
        deadline = self._deadline(asked)
        expr = _parsed(asked)
        found_type = type_of(expr)
        evaluation = self._evaluation(expr, Period(start=now, end=now))
        try:
            if found_type is Type.MATRIX:
                body, total = _matrix_json(evaluation.matrix(), limit)
                return _result("matrix", body, truncated=total > limit)
            [(_, value)] = [step async for step in self._steps(evaluation, deadline)]
        except ExecutionError as error:
            raise ApiError(Kind.EXECUTION, str(error)) from None
        if isinstance(value, list):
            body = b",".join(
                b'{"metric":%b,"value":%b}' % (_labels_json(labels), _point(now, number))
                for labels, number in value[:limit]
            )
            return _result("vector", body, truncated=len(value) > limit)
        if isinstance(value, str):
            return _result("string", b"%b,%b" % (format_time(now).encode(), orjson.dumps(value)))
        return _result("scalar", _point(now, value)[1:-1])

    async def range(self, asked: Parameters) -> Response:
        limit = asked.limit()
        start, end = asked.needed_time("start"), asked.needed_time("end")
        if end < start:
            raise invalid("end", "end timestamp must not be before start time")
        step = asked.duration("step")
        if step <= 0:
            raise invalid(
                "step",
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            )
        if (end - start) // step > _MOST_POINTS:
            raise ApiError(
                Kind.BAD_DATA,
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)",
            )
        deadline = self._deadline(asked)
        expr = _parsed(asked)
        if (found_type := type_of(expr)) not in (Type.SCALAR, Type.VECTOR):
            text = f'invalid expression type "{found_type}" for range query, must be Scalar or instant Vector'
            raise invalid("query", text)
        try:
            evaluation = self._evaluation(expr, Period(start=start, end=end, step=step))
            series = await self._matrix(evaluation, deadline)
        except ExecutionError as error:
            raise ApiError(Kind.EXECUTION, str(error)) from None
        body, total = _matrix_json(series, limit)
        return _result("matrix", body, truncated=total > limit)

    def exemplars(self, asked: Parameters) -> Response:
        """Of all selectors in the query; those that were seen last are kept."""
        start = asked.time("start", MIN_TIME)
        end = asked.time("end", MAX_TIME)
        if end < start:
            raise invalid("end", "end timestamp must not be before start timestamp")
        found: dict[Labels, list[dict[str, object]]] = {}
        for matchers in _selections(_parsed(asked)):
            for seen in self._view.window.exemplars(matchers, start, end):
                entry = {
                    "labels": dict(seen.exemplar.labels),
                    "value": format_sample(seen.exemplar.value),
                    "timestamp": seen.time / 1000,
                }
                entries = found.setdefault(seen.series, [])
                if entry not in entries:
                    entries.append(entry)
        return success(
            [
                {"seriesLabels": dict(labels), "exemplars": entries}
                for labels, entries in sorted(found.items())
            ]
        )

    def formatted(self, asked: Parameters) -> Response:
        return success(format_pretty(_parsed(asked)))

    def parsed(self, asked: Parameters) -> Response:
        return success(tree_of(_parsed(asked)))

    def _now(self) -> int:
        return round(self._clock.now() * 1000)

    def _deadline(self, asked: Parameters) -> float:
        seconds = self._view.flags.query_timeout / 1000
        if asked.get("timeout"):
            seconds = min(seconds, asked.duration("timeout") / 1000)
        return self._clock.now() + seconds

    def _evaluation(self, expr: Expr, period: Period) -> Evaluation:
        flags = self._view.flags
        limits = Limits(
            lookback=flags.lookback_delta,
            max_samples=flags.query_max_samples,
            subquery_step=self._view.configuration.global_config.evaluation_interval,
        )
        try:
            return Evaluation(expr, self._view.window, period, limits)
        except ExecutionError as error:
            raise ApiError(Kind.EXECUTION, str(error)) from None

    async def _steps(self, evaluation: Evaluation, deadline: float) -> AsyncSteps:
        breath = self._clock.now()
        for step in evaluation.steps():
            yield step
            now = self._clock.now()
            if now > deadline:
                raise ApiError(Kind.TIMEOUT, "query timed out in expression evaluation")
            if now - breath > _BREATH_SECONDS:
                await asyncio.sleep(0)
                breath = self._clock.now()

    async def _matrix(self, evaluation: Evaluation, deadline: float) -> list[Range]:
        found: dict[Labels, Range] = {}
        points = 0
        async for now, value in self._steps(evaluation, deadline):
            elements = value if isinstance(value, list) else [((), float(value))]
            points += len(elements)
            if points > self._view.flags.query_max_samples:
                raise ExecutionError(TOO_MANY)
            for labels, number in elements:
                series = found.get(labels)
                if series is None:
                    series = found[labels] = Range.empty(labels)
                series.times.append(now)
                series.values.append(number)
        return [found[labels] for labels in sorted(found)]


if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    AsyncSteps = AsyncIterator[tuple[int, Value]]


def _parsed(asked: Parameters) -> Expr:
    try:
        return parse(asked.get("query"))
    except ParseError as error:
        raise invalid("query", error) from None


def _selections(expr: Expr) -> Iterator[tuple[Matcher, ...]]:
    if isinstance(expr, Selector):
        yield expr.matchers
    elif isinstance(expr, RangeSelector):
        yield expr.selector.matchers
    else:
        for child in children(expr):
            yield from _selections(child)


def _result(kind: str, body: bytes, *, truncated: bool = False) -> Response:
    data = b'{"resultType":"%b","result":[%b]}' % (kind.encode(), body)
    return raw_success(data, [_TRUNCATED] if truncated else [])


def _labels_json(labels: Labels) -> bytes:
    return orjson.dumps(dict(labels))


def _point(time: int, value: float) -> bytes:
    return f'[{format_time(time)},"{format_sample(value)}"]'.encode()


def _matrix_json(series: Iterable[Range], limit: int) -> tuple[bytes, int]:
    """And how many series there are."""
    series = list(series)
    parts = []
    for each in series[:limit]:
        points = b",".join(map(_point, each.times, each.values))
        parts.append(b'{"metric":%b,"values":[%b]}' % (_labels_json(each.labels), points))
    return b",".join(parts), len(series)
