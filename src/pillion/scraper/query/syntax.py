"""What a query is made of (promql/parser/ast.go). `start` is where it begins; durations are milliseconds."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

if TYPE_CHECKING:
    from pillion.scraper.labels import Matcher


class Type(StrEnum):
    """Of a value, named as messages name it (DocumentedType)."""

    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"


class Edge(StrEnum):
    """`@ start()`, `@ end()`: of the query's range."""

    START = "start"
    END = "end"


class Cardinality(StrEnum):
    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    """group_left."""
    ONE_TO_MANY = "one-to-many"
    """group_right."""


class Number(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    value: float
    is_duration: bool = False
    """Written as `5m`; the value is in seconds."""


class Text(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    value: str


class Selector(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    name: str = ""
    """Before the braces."""
    matchers: tuple[Matcher, ...] = ()
    """With that of the name, last."""
    offset: int = 0
    at: int | None = None
    """Milliseconds since the epoch."""
    at_edge: Edge | None = None


class RangeSelector(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    selector: Selector
    range: int


class Subquery(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    expr: Expr
    range: int
    step: int
    """0: the default."""
    offset: int = 0
    at: int | None = None
    at_edge: Edge | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    function: str
    args: tuple[Expr, ...]


class Aggregation(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    op: str
    expr: Expr
    param: Expr | None = None
    grouping: tuple[str, ...] = ()
    without: bool = False


class Matching(msgspec.Struct, frozen=True, kw_only=True):
    """How elements of two vectors find each other."""

    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    labels: tuple[str, ...] = ()
    on: bool = False
    """These labels only; else all but these."""
    include: tuple[str, ...] = ()
    """Taken over from the "one" side."""


class Binary(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    op_start: int
    op: str
    left: Expr
    right: Expr
    returns_bool: bool = False
    matching: Matching = Matching()


class Unary(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Minus; a plus is gone after reading."""

    start: int
    op: str
    expr: Expr


class Paren(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    start: int
    expr: Expr


Expr: TypeAlias = (
    Number | Text | Selector | RangeSelector | Subquery | Call | Aggregation | Binary | Unary | Paren
)

COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">="))
SET_OPERATORS = frozenset(("and", "or", "unless"))


def without_parens(expr: Expr) -> Expr:
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr


def children(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Number() | Text() | Selector():
            return ()
        case RangeSelector():
            return (expr.selector,)
        case Call():
            return expr.args
        case Binary():
            return (expr.left, expr.right)
        case Aggregation():
            return (expr.expr,) if expr.param is None else (expr.param, expr.expr)
        case Subquery() | Unary() | Paren():
            return (expr.expr,)
        case _:
            assert_never(expr)
