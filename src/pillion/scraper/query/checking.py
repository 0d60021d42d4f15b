"""Whether the types of a query's parts fit (promql/parser/parse.go, checkAST), in its order and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, assert_never

from pillion.scraper.query.failure import ParseError
from pillion.scraper.query.signatures import FUNCTIONS
from pillion.scraper.query.syntax import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregation,
    Binary,
    Call,
    Cardinality,
    Expr,
    Number,
    Paren,
    RangeSelector,
    Selector,
    Subquery,
    Text,
    Type,
    Unary,
)
from pillion.units import quote

if TYPE_CHECKING:
    from pillion.scraper.query.syntax import Matching

_VALUES = (Type.SCALAR, Type.VECTOR)
SHORT_TYPES = {Type.SCALAR: "scalar", Type.VECTOR: "vector", Type.MATRIX: "matrix", Type.STRING: "string"}
_NAME = "__name__"


def type_of(expr: Expr) -> Type:
    match expr:
        case Number():
            return Type.SCALAR
        case Text():
            return Type.STRING
        case Selector() | Aggregation():
            return Type.VECTOR
        case RangeSelector() | Subquery():
            return Type.MATRIX
        case Call():
            return FUNCTIONS[expr.function].result
        case Binary():
            both = (type_of(expr.left), type_of(expr.right))
            return Type.SCALAR if both == (Type.SCALAR, Type.SCALAR) else Type.VECTOR
        case Unary() | Paren():
            return type_of(expr.expr)
        case _:
            assert_never(expr)


def check(query: str, expr: Expr) -> None:
    """Raises ParseError."""
    _Checker(query).visit(expr)


class _Checker:
    def __init__(self, query: str) -> None:
        self._query = query

    def _fail(self, position: int, text: str) -> NoReturn:
        raise ParseError(self._query, position, text)

    def visit(self, expr: Expr) -> Type:
        match expr:
            case Aggregation():
                self._aggregation(expr)
            case Binary():
                self._binary(expr)
            case Call():
                self._call(expr)
            case Paren():
                self.visit(expr.expr)
            case Unary():
                if (found := self.visit(expr.expr)) not in _VALUES:
                    text = "unary expression only allowed on expressions of type scalar or instant vector"
                    self._fail(expr.start, f"{text}, got {quote(found)}")
            case Subquery():
                if (found := self.visit(expr.expr)) is not Type.VECTOR:
                    text = f"subquery is only allowed on instant vector, got {SHORT_TYPES[found]} instead"
                    self._fail(expr.start, text)
            case RangeSelector():
                self.visit(expr.selector)
            case Selector():
                self._selector(expr)
            case Number() | Text():
                pass
            case _:
                assert_never(expr)
        return type_of(expr)

    def _expect(self, expr: Expr, wanted: Type, context: str) -> None:
        found = self.visit(expr)
        if found is not wanted:
            self._fail(expr.start, f"expected type {wanted} in {context}, got {found}")

    def _aggregation(self, expr: Aggregation) -> None:
        self._expect(expr.expr, Type.VECTOR, "aggregation expression")
        if expr.param is not None:
            wanted = Type.STRING if expr.op == "count_values" else Type.SCALAR
            self._expect(expr.param, wanted, "aggregation parameter")

    def _binary(self, expr: Binary) -> None:
        left, right = self.visit(expr.left), self.visit(expr.right)
        is_comparison = expr.op in COMPARISONS
        if expr.returns_bool and not is_comparison:
            self._fail(expr.op_start, "bool modifier can only be used on comparison operators")
        if is_comparison and not expr.returns_bool and left is right is Type.SCALAR:
            self._fail(expr.op_start, "comparisons between scalars must use BOOL modifier")
        matching = expr.matching
        for label in matching.labels:
            if matching.on and label in matching.include:
                text = f"label {quote(label)} must not occur in ON and GROUP clause at once"
                self._fail(expr.op_start, text)
        for side, found in ((expr.left, left), (expr.right, right)):
            if found not in _VALUES:
                text = "binary expression must contain only scalar and instant vector types"
                self._fail(side.start, text)
        self._matching(expr, matching, has_scalar=Type.SCALAR in (left, right))

    def _matching(self, expr: Binary, matching: Matching, *, has_scalar: bool) -> None:
        is_set = expr.op in SET_OPERATORS
        if has_scalar:
            if matching.labels:
                self._fail(expr.start, "vector matching only allowed between instant vectors")
            if is_set:
                text = f"set operator {quote(expr.op)} not allowed in binary scalar expression"
                self._fail(expr.start, text)
        elif is_set and matching.cardinality is not Cardinality.ONE_TO_ONE:
            self._fail(expr.start, f"no grouping allowed for {quote(expr.op)} operation")

    def _call(self, expr: Call) -> None:
        signature = FUNCTIONS[expr.function]
        wanted, given = len(signature.args), len(expr.args)
        name = quote(expr.function)
        if not signature.optional:
            if given != wanted:
                self._fail(expr.start, f"expected {wanted} argument(s) in call to {name}, got {given}")
        elif given < wanted - 1:
            self._fail(
                expr.start, f"expected at least {wanted - 1} argument(s) in call to {name}, got {given}"
            )
        elif 0 < signature.optional < given - (wanted - 1):
            most = wanted - 1 + signature.optional
            self._fail(expr.start, f"expected at most {most} argument(s) in call to {name}, got {given}")
        for number, argument in enumerate(expr.args):
            expected = signature.args[min(number, wanted - 1)]
            found = self.visit(argument)
            if found is not expected:
                text = f"expected type {expected} in call to function {name}, got {found}"
                self._fail(argument.start, text)

    def _selector(self, expr: Selector) -> None:
        if expr.name:
            for matcher in expr.matchers[:-1]:
                if matcher.name == _NAME:
                    text = f"metric name must not be set twice: {quote(expr.name)} or {quote(matcher.value)}"
                    self._fail(expr.start, text)
        elif all(matcher.matches("") for matcher in expr.matchers):
            self._fail(expr.start, "vector selector must contain at least one non-empty matcher")
