"""A syntax tree as text again: on one line, or indented where that would be too long.

promql/parser/printer.go and prettier.go, as of Prometheus 3 (which has a blank before the parentheses of `by`, `on` and
their like, and sorts matchers; 2.42 does neither).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from pillion.scraper.configuration.values import format_duration
from pillion.scraper.labels import ValidationScheme, is_label_name
from pillion.scraper.query.gofloats import format_float
from pillion.scraper.query.syntax import (
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
    Unary,
)
from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillion.scraper.labels import Matcher

_WIDTH = 100
"""Characters above which an expression is divided (maxCharactersPerLine)."""
_INDENT = "  "
_NAME = "__name__"


def format_expr(expr: Expr) -> str:
    """On one line."""
    match expr:
        case Number():
            return _number(expr)
        case Text():
            return quote(expr.value)
        case Selector():
            return _selector(expr) + _time(expr)
        case RangeSelector():
            return f"{_selector(expr.selector)}[{format_duration(expr.range)}]{_time(expr.selector)}"
        case Subquery():
            return format_expr(expr.expr) + _window(expr)
        case Call():
            return f"{expr.function}({', '.join(map(format_expr, expr.args))})"
        case Aggregation():
            param = "" if expr.param is None else f"{format_expr(expr.param)}, "
            return f"{_operation(expr)}({param}{format_expr(expr.expr)})"
        case Binary():
            return f"{format_expr(expr.left)} {_operator(expr)} {format_expr(expr.right)}"
        case Unary():
            return expr.op + format_expr(expr.expr)
        case Paren():
            return f"({format_expr(expr.expr)})"
        case _:
            assert_never(expr)


def format_pretty(expr: Expr, level: int = 0) -> str:
    """Each part that is longer than a line on lines of its own."""
    indent = _INDENT * level
    line = format_expr(expr)
    match expr:
        case Unary():
            return indent + expr.op + format_pretty(expr.expr, level).strip()
        case _ if len(line) <= _WIDTH:
            return indent + line
        case Aggregation():
            param = "" if expr.param is None else f"{format_pretty(expr.param, level + 1)},\n"
            inner = format_pretty(expr.expr, level + 1)
            return f"{indent}{_operation(expr)}(\n{param}{inner}\n{indent})"
        case Binary():
            left, right = format_pretty(expr.left, level + 1), format_pretty(expr.right, level + 1)
            return f"{left}\n{indent}{_operator(expr)}\n{right}"
        case Call():
            inner = ",\n".join(format_pretty(each, level + 1) for each in expr.args)
            return f"{indent}{expr.function}(\n{inner}\n{indent})"
        case Subquery():
            return format_pretty(expr.expr, level) + _window(expr)
        case Paren():
            return f"{indent}(\n{format_pretty(expr.expr, level + 1)}\n{indent})"
        case Number() | Text() | Selector() | RangeSelector():
            return indent + line
        case _:
            assert_never(expr)


def _number(expr: Number) -> str:
    if not expr.is_duration:
        return format_float(expr.value)
    sign = "-" if expr.value < 0 else ""
    return sign + format_duration(round(abs(expr.value) * 1000))


def _selector(expr: Selector) -> str:
    """Without offset and time."""
    shown = sorted(
        _matcher(each) for each in expr.matchers if not (expr.name and _is_name_of(each, expr.name))
    )
    return expr.name + (f"{{{','.join(shown)}}}" if shown else "")


def _is_name_of(matcher: Matcher, name: str) -> bool:
    return matcher.name == _NAME and matcher.type == "=" and matcher.value == name


def _matcher(matcher: Matcher) -> str:
    return f"{_label(matcher.name)}{matcher.type}{quote(matcher.value)}"


def _time(expr: Selector | Subquery) -> str:
    text = ""
    if expr.at is not None:
        text += f" @ {expr.at / 1000:.3f}"
    elif expr.at_edge is not None:
        text += f" @ {expr.at_edge}()"
    if expr.offset:
        text += f" offset {'-' if expr.offset < 0 else ''}{format_duration(abs(expr.offset))}"
    return text


def _window(expr: Subquery) -> str:
    step = format_duration(expr.step) if expr.step else ""
    return f"[{format_duration(expr.range)}:{step}]{_time(expr)}"


def _operation(expr: Aggregation) -> str:
    if expr.without:
        return f"{expr.op} without {_labels(expr.grouping)} "
    return f"{expr.op} by {_labels(expr.grouping)} " if expr.grouping else expr.op


def _operator(expr: Binary) -> str:
    text = expr.op + (" bool" if expr.returns_bool else "")
    matching = expr.matching
    is_grouped = matching.cardinality is not Cardinality.ONE_TO_ONE
    if matching.labels or matching.on or is_grouped:
        text += f" {'on' if matching.on else 'ignoring'} {_labels(matching.labels)}"
    if is_grouped:
        side = "left" if matching.cardinality is Cardinality.MANY_TO_ONE else "right"
        text += f" group_{side} {_labels(matching.include)}"
    return text


def _labels(names: Iterable[str]) -> str:
    return f"({', '.join(map(_label, names))})"


def _label(name: str) -> str:
    return name if is_label_name(name, ValidationScheme.LEGACY) else quote(name)
