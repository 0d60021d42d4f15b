"""Operators between scalars and vectors, and which elements of two vectors belong together (promql/engine.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.scraper.labels import labels_of
from pillion.scraper.query.arithmetic import ARITHMETIC, COMPARISON
from pillion.scraper.query.failure import ExecutionError
from pillion.scraper.query.syntax import Cardinality
from pillion.scraper.query.values import excluding, format_labels, only, without_name

if TYPE_CHECKING:
    from pillion.scraper.labels import Labels
    from pillion.scraper.query.syntax import Binary
    from pillion.scraper.query.values import Vector

Signature = tuple[tuple[str, str], ...]


class BinaryOperation:
    """One operator of a query; remembers what labels become, since the same series come again at every step."""

    def __init__(self, expr: Binary) -> None:
        self._op = expr.op
        self._returns_bool = expr.returns_bool
        self._matching = expr.matching
        self._names = frozenset(expr.matching.labels)
        self._arithmetic = ARITHMETIC.get(expr.op)
        self._comparison = COMPARISON.get(expr.op)
        self._signatures: dict[Labels, Signature] = {}
        self._results: dict[tuple[Labels, Labels], Labels] = {}
        self._nameless: dict[Labels, Labels] = {}

    def of_scalars(self, left: float, right: float) -> float:
        if self._arithmetic is not None:
            return self._arithmetic(left, right)
        assert self._comparison is not None
        return float(self._comparison(left, right))

    def with_scalar(self, vector: Vector, scalar: float, *, scalar_is_left: bool) -> Vector:
        """A comparison keeps the elements of which it is true, as they are."""
        function = self._arithmetic or self._comparison
        assert function is not None
        pairs = [
            (element, function(scalar, element[1]) if scalar_is_left else function(element[1], scalar))
            for element in vector
        ]
        if self._comparison is not None and not self._returns_bool:
            return [element for element, holds in pairs if holds]
        return [(self._without_name(element[0]), float(result)) for element, result in pairs]

    def of_vectors(self, left: Vector, right: Vector) -> Vector:
        """Raises ExecutionError."""
        match self._op:
            case "and":
                known = {self._signature(labels) for labels, _ in right}
                return [element for element in left if self._signature(element[0]) in known]
            case "unless":
                known = {self._signature(labels) for labels, _ in right}
                return [element for element in left if self._signature(element[0]) not in known]
            case "or":
                known = {self._signature(labels) for labels, _ in left}
                return [*left, *(element for element in right if self._signature(element[0]) not in known)]
            case _:
                return self._matched(left, right)

    def _matched(self, left: Vector, right: Vector) -> Vector:
        cardinality = self._matching.cardinality
        is_swapped = cardinality is Cardinality.ONE_TO_MANY
        many, one = (right, left) if is_swapped else (left, right)
        partners = self._partners(one)
        taken: set[object] = set()
        found: Vector = []
        for labels, value in many:
            signature = self._signature(labels)
            partner = partners.get(signature)
            if partner is None:
                continue
            result = self._value(partner[1], value) if is_swapped else self._value(value, partner[1])
            if result is None:
                continue
            metric = self._result_labels(labels, partner[0])
            key: object = signature if cardinality is Cardinality.ONE_TO_ONE else (signature, metric)
            if key in taken:
                raise ExecutionError(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                    if cardinality is Cardinality.ONE_TO_ONE
                    else "multiple matches for labels: grouping labels must ensure unique matches"
                )
            taken.add(key)
            found.append((metric, result))
        return found

    def _partners(self, one: Vector) -> dict[Signature, tuple[Labels, float]]:
        found: dict[Signature, tuple[Labels, float]] = {}
        for element in one:
            signature = self._signature(element[0])
            other = found.setdefault(signature, element)
            if other is not element:
                side = "left" if self._matching.cardinality is Cardinality.ONE_TO_MANY else "right"
                raise ExecutionError(
                    f"found duplicate series for the match group {format_labels(signature)} on the {side} "
                    f"hand-side of the operation: [{format_labels(element[0])}, {format_labels(other[0])}];"
                    "many-to-many matching not allowed: matching labels must be unique on one side"
                )
        return found

    def _value(self, left: float, right: float) -> float | None:
        if self._arithmetic is not None:
            return self._arithmetic(left, right)
        assert self._comparison is not None
        holds = self._comparison(left, right)
        if self._returns_bool:
            return float(holds)
        return left if holds else None

    def _signature(self, labels: Labels) -> Signature:
        signature = self._signatures.get(labels)
        if signature is None:
            cut = only if self._matching.on else excluding
            signature = self._signatures[labels] = cut(labels, self._names)
        return signature

    def _result_labels(self, many: Labels, one: Labels) -> Labels:
        key = (many, one)
        found = self._results.get(key)
        if found is None:
            found = self._results[key] = self._make_result_labels(many, one)
        return found

    def _make_result_labels(self, many: Labels, one: Labels) -> Labels:
        matching = self._matching
        drops_name = self._arithmetic is not None or self._returns_bool
        labels = without_name(many) if drops_name else many
        if matching.cardinality is Cardinality.ONE_TO_ONE:
            if matching.on:
                return only(labels, self._names)
            return tuple(pair for pair in labels if pair[0] not in self._names)
        if not matching.include:
            return labels
        changed, other = dict(labels), dict(one)
        for name in matching.include:
            changed[name] = other.get(name, "")
        return labels_of(changed)

    def _without_name(self, labels: Labels) -> Labels:
        found = self._nameless.get(labels)
        if found is None:
            found = self._nameless[labels] = without_name(labels)
        return found
