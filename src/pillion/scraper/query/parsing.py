"""From words to a syntax tree (promql/parser/generated_parser.y), with its messages. The first fault ends it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.configuration.values import parse_duration
from pillion.scraper.labels import Matcher, MatchType, RegexpError
from pillion.scraper.query import tokens as kinds
from pillion.scraper.query.checking import check
from pillion.scraper.query.failure import ParseError
from pillion.scraper.query.signatures import EXPERIMENTAL, FUNCTIONS
from pillion.scraper.query.syntax import (
    Aggregation,
    Binary,
    Call,
    Cardinality,
    Edge,
    Expr,
    Matching,
    Number,
    Paren,
    RangeSelector,
    Selector,
    Subquery,
    Text,
    Unary,
)
from pillion.scraper.query.tokens import DURATION, END, IDENTIFIER, METRIC_IDENTIFIER, NUMBER, STRING, Token
from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = "__name__"
_PRECEDENCE = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
_SIGN_PRECEDENCE = 5
"""A sign binds as `*` does: -1^2 is -1."""
_MATCH_TYPES = {type_.value: type_ for type_ in MatchType}
_WITH_PARAMETER = frozenset(("topk", "bottomk", "count_values", "quantile"))
_EXPERIMENTAL_AGGREGATORS = frozenset(("limitk", "limit_ratio"))
_METRIC_WORDS = kinds.AGGREGATORS | frozenset(
    ["by", "offset", "without", "start", "end", "and", "or", "unless"]
)
"""Those that may be a metric's name."""
_LABEL_WORDS = kinds.AGGREGATORS | kinds.KEYWORDS | kinds.WORD_OPERATORS
_AFTER_METRIC = frozenset(_PRECEDENCE) | {END, "{", "[", ")", ",", "@", "offset", "=", "]", ":"}
_DEEPEST = 200
"""Nested expressions: as deep as Python's own stack allows with room to spare."""


def parse(query: str) -> Expr:
    """Raises ParseError."""
    parser = _Parser(query)
    if parser.here.kind == END:
        raise ParseError("", 0, "no expression found in input")
    expr = parser.expression(0)
    if parser.here.kind != END:
        raise parser.unexpected()
    check(query, expr)
    return expr


def parse_selector(query: str) -> tuple[Matcher, ...]:
    """A series selector alone, as in `match[]` (ParseMetricSelector). Raises ParseError."""
    parser = _Parser(query)
    selector = parser.selector()
    if parser.here.kind != END:
        raise parser.unexpected()
    return selector.matchers


class _Parser:
    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = kinds.Lexer(query).tokens()
        self._depth = 0
        self.here = next(self._tokens)
        """What comes next."""

    def unexpected(self, context: str = "", expected: str = "") -> ParseError:
        text = f"unexpected {self.here}"
        if context:
            text += f" in {context}"
        if expected:
            text += f", expected {expected}"
        return ParseError(self._query, self.here.start, text)

    def _fault(self, position: int, text: str) -> ParseError:
        return ParseError(self._query, position, text)

    def _take(self) -> Token:
        token = self.here
        if token.kind != END:
            self.here = next(self._tokens)
        return token

    def _expect(self, kind: str, context: str = "", expected: str = "") -> Token:
        if self.here.kind != kind:
            raise self.unexpected(context, expected)
        return self._take()

    def _took(self, kind: str) -> bool:
        if self.here.kind != kind:
            return False
        self._take()
        return True

    def expression(self, lowest: int) -> Expr:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._fault(
                self.here.start, f"expressions nested deeper than {_DEEPEST} are not supported here"
            )
        left = self._operand()
        while (precedence := _PRECEDENCE.get(self.here.kind, -1)) >= max(lowest, 1):
            op = self._take()
            returns_bool, matching = self._modifiers()
            right = self.expression(precedence if op.kind == "^" else precedence + 1)
            left = Binary(
                start=left.start,
                op_start=op.start,
                op=op.kind,
                left=left,
                right=right,
                returns_bool=returns_bool,
                matching=matching,
            )
        self._depth -= 1
        return left

    def _modifiers(self) -> tuple[bool, Matching]:
        returns_bool = self._took("bool")
        if self.here.kind not in ("on", "ignoring"):
            return returns_bool, Matching()
        is_on = self._take().kind == "on"
        labels = self._labels()
        cardinality = Cardinality.ONE_TO_ONE
        include: tuple[str, ...] = ()
        if self.here.kind in ("group_left", "group_right"):
            is_left = self._take().kind == "group_left"
            cardinality = Cardinality.MANY_TO_ONE if is_left else Cardinality.ONE_TO_MANY
            if self.here.kind == "(":
                include = self._labels()
        return returns_bool, Matching(cardinality=cardinality, labels=labels, on=is_on, include=include)

    def _labels(self) -> tuple[str, ...]:
        self._expect("(", "grouping opts", '"("')
        found: list[str] = []
        while not self._took(")"):
            token = self.here
            if token.kind not in (IDENTIFIER, STRING) and token.kind not in _LABEL_WORDS:
                raise self.unexpected("grouping opts", "label")
            found.append(self._take().text)
            if self.here.kind == ")":
                continue
            self._expect(",", "grouping opts", '"," or ")"')
        return tuple(found)

    def _operand(self) -> Expr:
        if self.here.kind not in ("+", "-"):
            return self._with_suffixes(self._primary())
        sign = self._take()
        expr = self.expression(_SIGN_PRECEDENCE + 1)
        if isinstance(expr, Number):
            value = -expr.value if sign.kind == "-" else expr.value
            return msgspec.structs.replace(expr, start=sign.start, value=value)
        return Unary(start=sign.start, op=sign.kind, expr=expr)

    def _primary(self) -> Expr:
        token = self.here
        match token.kind:
            case "(":
                self._take()
                expr = self.expression(0)
                self._expect(")")
                return Paren(start=token.start, expr=expr)
            case kinds.NUMBER:
                return Number(start=token.start, value=self._number(self._take()))
            case kinds.DURATION:
                seconds = self._milliseconds(self._take()) / 1000
                return Number(start=token.start, value=seconds, is_duration=True)
            case kinds.STRING:
                self._take()
                return Text(start=token.start, value=token.text)
            case kinds.IDENTIFIER:
                self._take()
                return self._call(token) if self.here.kind == "(" else self._selector_named(token)
            case kind if kind in kinds.AGGREGATORS:
                self._take()
                if self.here.kind in ("(", "by", "without"):
                    return self._aggregation(token)
                if self.here.kind not in _AFTER_METRIC:
                    raise self.unexpected("aggregation")
                return self._selector_named(token)
            case _:
                return self.selector()

    def selector(self) -> Selector:
        token = self.here
        if token.kind in (IDENTIFIER, METRIC_IDENTIFIER) or token.kind in _METRIC_WORDS:
            return self._selector_named(self._take())
        if token.kind != "{":
            raise self.unexpected()
        return Selector(start=token.start, matchers=self._matchers())

    def _selector_named(self, name: Token) -> Selector:
        matchers = self._matchers() if self.here.kind == "{" else ()
        own = Matcher(MatchType.EQUAL, _NAME, name.text)
        return Selector(start=name.start, name=name.text, matchers=(*matchers, own))

    def _matchers(self) -> tuple[Matcher, ...]:
        self._expect("{")
        found: list[Matcher] = []
        while not self._took("}"):
            found.append(self._matcher())
            if self.here.kind not in (",", "}"):
                raise self.unexpected("label matching", '"," or "}"')
            self._took(",")
        return tuple(found)

    def _matcher(self) -> Matcher:
        label = self.here
        if label.kind not in (IDENTIFIER, STRING):
            raise self.unexpected("label matching", 'identifier or "}"')
        self._take()
        if self.here.kind not in _MATCH_TYPES:
            if label.kind == STRING and self.here.kind in (",", "}"):
                return Matcher(MatchType.EQUAL, _NAME, label.text)
            raise self.unexpected("label matching", "label matching operator")
        type_ = _MATCH_TYPES[self._take().kind]
        value = self._expect(STRING, "label matching", "string")
        try:
            return Matcher(type_, label.text, value.text)
        except RegexpError as error:
            raise self._fault(label.start, str(error)) from None

    def _arguments(self) -> tuple[Expr, ...]:
        self._expect("(")
        found: list[Expr] = []
        while not self._took(")"):
            found.append(self.expression(0))
            if self.here.kind == ")":
                continue
            comma = self._expect(",")
            if self.here.kind == ")":
                raise self._fault(comma.start, "trailing commas not allowed in function call args")
        return tuple(found)

    def _call(self, name: Token) -> Call:
        args = self._arguments()
        if name.text in EXPERIMENTAL:
            raise self._fault(name.start, f"function {quote(name.text)} is not enabled")
        if name.text not in FUNCTIONS:
            raise self._fault(name.start, f"unknown function with name {quote(name.text)}")
        return Call(start=name.start, function=name.text, args=args)

    def _aggregation(self, op: Token) -> Aggregation:
        grouping: tuple[str, ...] = ()
        modifier = ""
        if self.here.kind in ("by", "without"):
            modifier, grouping = self._take().kind, self._labels()
            if self.here.kind != "(":
                raise self.unexpected("aggregation")
        args = self._arguments()
        if not modifier and self.here.kind in ("by", "without"):
            modifier, grouping = self._take().kind, self._labels()
        return self._aggregation_of(op, args, grouping, modifier)

    def _aggregation_of(
        self, op: Token, args: Sequence[Expr], grouping: tuple[str, ...], modifier: str
    ) -> Aggregation:
        if not args:
            raise self._fault(op.start, "no arguments for aggregate expression provided")
        if op.kind in _EXPERIMENTAL_AGGREGATORS:
            flag = "--enable-feature=promql-experimental-functions"
            raise self._fault(op.start, f"{op.kind}() is experimental and must be enabled with {flag}")
        wanted = 2 if op.kind in _WITH_PARAMETER else 1
        if len(args) != wanted:
            text = "wrong number of arguments for aggregate expression provided"
            raise self._fault(op.start, f"{text}, expected {wanted}, got {len(args)}")
        return Aggregation(
            start=op.start,
            op=op.kind,
            expr=args[-1],
            param=args[0] if wanted == 2 else None,
            grouping=grouping,
            without=modifier == "without",
        )

    def _with_suffixes(self, expr: Expr) -> Expr:
        while True:
            match self.here.kind:
                case "[":
                    expr = self._brackets(expr)
                case "offset":
                    expr = self._offset(expr)
                case "@":
                    expr = self._at(expr)
                case _:
                    return expr

    def _brackets(self, expr: Expr) -> Expr:
        bracket = self._take()
        if self.here.kind not in (DURATION, NUMBER):
            raise self.unexpected("subquery or range selector", "number, duration, step(), or range()")
        range_ = self._positive(self._take())
        if self._took(":"):
            step = self._positive(self._take()) if self.here.kind in (DURATION, NUMBER) else 0
            self._expect(
                "]", "subquery selector", '"]"' if step else 'number, duration, step(), range(), or "]"'
            )
            return Subquery(start=expr.start, expr=expr, range=range_, step=step)
        self._expect("]", "subquery or range", '":" or "]"')
        if not isinstance(expr, Selector):
            raise self._fault(bracket.start, "ranges only allowed for vector selectors")
        if expr.offset:
            raise self._fault(bracket.start, "no offset modifiers allowed before range")
        if expr.at is not None or expr.at_edge is not None:
            raise self._fault(bracket.start, "no @ modifiers allowed before range")
        return RangeSelector(start=expr.start, selector=expr, range=range_)

    def _positive(self, token: Token) -> int:
        milliseconds = self._milliseconds(token)
        if milliseconds <= 0:
            raise self._fault(token.start, "duration must be greater than 0")
        return milliseconds

    def _milliseconds(self, token: Token) -> int:
        if token.kind == NUMBER:
            seconds = self._number(token)
            if not -9.2e9 < seconds < 9.2e9:
                raise self._fault(token.start, "duration out of range")
            return round(seconds * 1000)
        try:
            return parse_duration(token.text)
        except ValueError as error:
            raise self._fault(token.start, str(error)) from None

    def _number(self, token: Token) -> float:
        text = token.text.lower().replace("_", "")
        if text.startswith("0x"):
            return float(int(text, 16))
        if len(text) > 1 and text[0] == "0" and set(text) <= set("01234567"):
            return float(int(text, 8))  # as Go's ParseInt with base 0
        return float(text)

    def _offset(self, expr: Expr) -> Expr:
        self._take()
        sign = 1
        if self.here.kind in ("-", "+"):
            sign = -1 if self._take().kind == "-" else 1
        if self.here.kind not in (DURATION, NUMBER):
            raise self.unexpected("offset", "number, duration, step(), or range()")
        offset = sign * self._milliseconds(self._take())
        target = _selected(expr)
        if target is None:
            what = "an instant vector selector or range vector selector or a subquery"
            raise self._fault(expr.start, f"offset modifier must be preceded by {what}")
        if target.offset:
            raise self._fault(expr.start, "offset may not be set multiple times")
        return _replaced(expr, msgspec.structs.replace(target, offset=offset))

    def _at(self, expr: Expr) -> Expr:
        self._take()
        edge: Edge | None = None
        time: int | None = None
        if self.here.kind in ("start", "end"):
            edge = Edge(self._take().kind)
            self._expect("(")
            self._expect(")")
        else:
            time = self._timestamp(expr)
        target = _selected(expr)
        if target is None:
            what = "an instant vector selector or range vector selector or a subquery"
            raise self._fault(expr.start, f"@ modifier must be preceded by {what}")
        if target.at is not None or target.at_edge is not None:
            raise self._fault(expr.start, "@ <timestamp> may not be set multiple times")
        return _replaced(expr, msgspec.structs.replace(target, at=time, at_edge=edge))

    def _timestamp(self, expr: Expr) -> int:
        sign = 1
        if self.here.kind in ("-", "+"):
            sign = -1 if self._take().kind == "-" else 1
        if self.here.kind not in (NUMBER, DURATION):
            raise self.unexpected("@", "timestamp")
        token = self._take()
        seconds = sign * (self._number(token) if token.kind == NUMBER else self._milliseconds(token) / 1000)
        if not math.isfinite(seconds) or abs(seconds) >= 2.0**63:
            raise self._fault(expr.start, f"timestamp out of bounds for @ modifier: {_fixed(seconds)}")
        return round(seconds * 1000)


def _selected(expr: Expr) -> Selector | Subquery | None:
    """What an offset or a time belongs to."""
    match expr:
        case Selector() | Subquery():
            return expr
        case RangeSelector(selector=selector):
            return selector
        case _:
            return None


def _replaced(expr: Expr, target: Selector | Subquery) -> Expr:
    if isinstance(expr, RangeSelector):
        assert isinstance(target, Selector)
        return msgspec.structs.replace(expr, selector=target)
    return target


def _fixed(value: float) -> str:
    """Go's `%f`."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else f"{value:f}"
