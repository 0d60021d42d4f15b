"""A query's syntax tree as Prometheus' pages ask for it: /api/v1/parse_query (web/api/v1/translate_ast.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from pillion.scraper.query import Type, format_float, type_of
from pillion.scraper.query.checking import SHORT_TYPES
from pillion.scraper.query.signatures import FUNCTIONS
from pillion.scraper.query.syntax import (
    SET_OPERATORS,
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
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillion.scraper.labels import Matcher


def tree_of(expr: Expr) -> dict[str, Any]:
    match expr:
        case Number():
            return {"type": "numberLiteral", "val": format_float(expr.value)}
        case Text():
            return {"type": "stringLiteral", "val": expr.value}
        case Selector():
            return {"type": "vectorSelector", **_selector(expr)}
        case RangeSelector():
            return {"type": "matrixSelector", "range": expr.range, **_selector(expr.selector)}
        case Subquery():
            found = {"type": "subquery", "expr": tree_of(expr.expr), "range": expr.range, "step": expr.step}
            return {**found, **_time(expr), "alignEvalTime": False}
        case Call():
            return {"type": "call", "func": _function(expr.function), "args": [*map(tree_of, expr.args)]}
        case Aggregation():
            return {
                "type": "aggregation",
                "op": expr.op,
                "expr": tree_of(expr.expr),
                "param": None if expr.param is None else tree_of(expr.param),
                "grouping": expr.grouping,
                "without": expr.without,
            }
        case Binary():
            return {
                "type": "binaryExpr",
                "op": expr.op,
                "lhs": tree_of(expr.left),
                "rhs": tree_of(expr.right),
                "matching": _matching(expr),
                "bool": expr.returns_bool,
            }
        case Unary():
            return {"type": "unaryExpr", "op": expr.op, "expr": tree_of(expr.expr)}
        case Paren():
            return {"type": "parenExpr", "expr": tree_of(expr.expr)}
        case _:
            assert_never(expr)


def _selector(expr: Selector) -> dict[str, Any]:
    about = {"name": expr.name, "matchers": _matchers(expr.matchers)}
    return {**about, **_time(expr), "anchored": False, "smoothed": False}


def _time(expr: Selector | Subquery) -> dict[str, Any]:
    return {"offset": expr.offset, "timestamp": expr.at, "startOrEnd": expr.at_edge}


def _matchers(matchers: Iterable[Matcher]) -> list[dict[str, str]]:
    return [{"name": each.name, "value": each.value, "type": each.type} for each in matchers]


def _function(name: str) -> dict[str, Any]:
    signature = FUNCTIONS[name]
    return {
        "name": name,
        "argTypes": [SHORT_TYPES[each] for each in signature.args],
        "variadic": signature.optional,
        "returnType": SHORT_TYPES[signature.result],
    }


def _matching(expr: Binary) -> dict[str, Any] | None:
    if type_of(expr.left) is not Type.VECTOR or type_of(expr.right) is not Type.VECTOR:
        return None
    matching = expr.matching
    return {
        "card": "many-to-many" if expr.op in SET_OPERATORS else matching.cardinality,
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
        "fillValues": {"lhs": None, "rhs": None},
    }
