"""Aggregations over the elements of a vector (promql/engine.go, aggregation)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pillion.scraper.labels import ValidationScheme, is_label_name, labels_of
from pillion.scraper.query import arithmetic
from pillion.scraper.query.failure import ExecutionError
from pillion.scraper.query.gofloats import format_float
from pillion.scraper.query.values import excluding, only
from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pillion.scraper.labels import Labels
    from pillion.scraper.query.syntax import Aggregation
    from pillion.scraper.query.values import Vector

_SIMPLE: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": arithmetic.add_up,
    "avg": arithmetic.mean,
    "min": arithmetic.least,
    "max": arithmetic.greatest,
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "stddev": lambda values: arithmetic.total(math.sqrt)(arithmetic.variance(values)),
    "stdvar": arithmetic.variance,
}


class Grouping:
    """Which group a series belongs to; remembers it, since the same series come again at every step."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._names = frozenset(aggregation.grouping)
        self._without = aggregation.without
        self._known: dict[Labels, Labels] = {}

    def of(self, labels: Labels) -> Labels:
        group = self._known.get(labels)
        if group is None:
            cut = excluding if self._without else only
            group = self._known[labels] = cut(labels, self._names)
        return group

    def groups(self, vector: Vector) -> dict[Labels, Vector]:
        found: dict[Labels, Vector] = {}
        for element in vector:
            found.setdefault(self.of(element[0]), []).append(element)
        return found


def aggregate(op: str, param: float | str | None, vector: Vector, grouping: Grouping) -> Vector:
    """Raises ExecutionError."""
    if op == "count_values":
        assert isinstance(param, str)
        return _count_values(param, vector, grouping)
    groups = grouping.groups(vector)
    if op in _SIMPLE:
        function = _SIMPLE[op]
        return [(labels, function([value for _, value in members])) for labels, members in groups.items()]
    assert isinstance(param, float)
    if op == "quantile":
        return [
            (labels, arithmetic.quantile(param, (value for _, value in members)))
            for labels, members in groups.items()
        ]
    return _extremes(op, param, groups)


def _extremes(op: str, param: float, groups: dict[Labels, Vector]) -> Vector:
    """topk and bottomk: elements with all their labels, the first one the most extreme; NaN comes last."""
    if math.isnan(param):
        raise ExecutionError("Parameter value is NaN")
    if not -(2.0**63) < param < 2.0**63:
        flow = "overflows" if param > 0 else "underflows"
        raise ExecutionError(f"Scalar value {format_float(param)} {flow} int64")
    count = int(param)
    if count < 1:
        return []
    direction = -1 if op == "topk" else 1
    found: Vector = []
    for members in groups.values():
        ordered = sorted(members, key=lambda element: (math.isnan(element[1]), direction * element[1]))
        found += ordered[:count]
    return found


def _count_values(label: str, vector: Vector, grouping: Grouping) -> Vector:
    if not is_label_name(label, ValidationScheme.UTF8):
        raise ExecutionError(f"invalid label name {quote(label)}")
    counts: dict[Labels, int] = {}
    for labels, value in vector:
        group = labels_of({**dict(grouping.of(labels)), label: format_float(value)})
        counts[group] = counts.get(group, 0) + 1
    return [(labels, float(count)) for labels, count in counts.items()]
