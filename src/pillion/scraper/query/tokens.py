"""PromQL's words (promql/parser/lex.go). Words are made one by one: what is wrong first is complained about first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.query.failure import ParseError
from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTIFIER = "identifier"
METRIC_IDENTIFIER = "metric identifier"
STRING = "string"
NUMBER = "number"
DURATION = "duration"
END = "end of input"
_DESCRIBED = frozenset({IDENTIFIER, METRIC_IDENTIFIER, STRING, NUMBER, DURATION})

AGGREGATORS = frozenset(
    [
        "avg",
        "bottomk",
        "count",
        "count_values",
        "group",
        "limit_ratio",
        "limitk",
        "max",
        "min",
        "quantile",
        "stddev",
        "stdvar",
        "sum",
        "topk",
    ]
)
KEYWORDS = frozenset(
    [
        "anchored",
        "bool",
        "by",
        "group_left",
        "group_right",
        "ignoring",
        "offset",
        "on",
        "smoothed",
        "without",
        "start",
        "end",
    ]
)
WORD_OPERATORS = frozenset(["and", "or", "unless", "atan2"])
SIGN_OPERATORS = frozenset(["+", "-", "*", "/", "%", "^", "==", "!=", "=~", "!~", "<", "<=", ">", ">=", "@"])
_WORDS = AGGREGATORS | KEYWORDS | WORD_OPERATORS

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)+")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NUMBER = re.compile(
    r"(?:0[xX]_?[0-9a-fA-F](?:_?[0-9a-fA-F])*"
    r"|(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?)"
    r"(?![a-zA-Z0-9_.])"
)
_DURATION = re.compile(r"[0-9]+[smhdwy]s?(?:[0-9]+[smhdw]s?)*(?![a-zA-Z0-9_])")
_BAD_NUMBER = re.compile(
    r"(?:0[xX][0-9a-fA-F_]*|[0-9._]*(?:[eE][+-]?[0-9_]*)?)(?:[smhdwy]s?(?:[0-9]+[smhdw]s?)*[a-zA-Z0-9_]?)?"
)
"""As far as Prometheus reads before it gives up."""
_STRING = re.compile(r"""(?P<quote>["'])(?P<body>(?:[^\\\n]|\\.)*?)(?P=quote)""", re.DOTALL)
_RAW = re.compile(r"`[^`]*`")
_SIGNS = ("==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "^", ",", "@", "(", ")", "{", "[", "]")
_ESCAPE = re.compile(
    r"\\(?:(?P<short>[abfnrtv\\'\"])|x(?P<hex>[0-9a-fA-F]{2})|(?P<oct>[0-7]{3})"
    r"|u(?P<four>[0-9a-fA-F]{4})|U(?P<eight>[0-9a-fA-F]{8})|(?P<bad>.?))",
    re.DOTALL,
)
_SHORT = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


class Token(msgspec.Struct, frozen=True):
    kind: str
    """One of the kinds above, or the word or sign itself, in lower case."""
    text: str
    """As written; of a string, what it means."""
    start: int
    end: int

    def __str__(self) -> str:
        """As messages name it (Item.desc)."""
        if self.kind == END:
            return END
        shown = _in_quotes(self.text)
        if self.kind in _DESCRIBED:
            return f"{self.kind} {shown}"
        if self.kind in KEYWORDS:
            return f"<{self.text}>"
        if self.kind in WORD_OPERATORS | SIGN_OPERATORS:
            return f"<op:{self.text}>"
        if self.kind in AGGREGATORS:
            return f"<aggr:{self.text}>"
        return shown


def _in_quotes(text: str) -> str:
    return quote(text) if len(text) <= 10 else f"{quote(text[:10])}..."


class Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._in_brackets = False
        self._is_after_bracket = False

    def tokens(self) -> Iterator[Token]:
        """Ends with one of kind END. Raises ParseError."""
        while True:
            self._skip()
            token = self._next()
            self._at = token.end
            self._is_after_bracket = token.kind == "["
            if token.kind == ")" and self._depth < 0:
                raise self._error("unexpected right parenthesis ')'")
            yield token
            if token.kind == END:
                return
            if token.kind == "{":
                yield from self._braces()

    def _skip(self) -> None:
        if blank := _BLANK.match(self._text, self._at):
            self._at = blank.end()

    def _error(self, reason: str) -> ParseError:
        return ParseError(self._text, self._at, reason)

    def _token(self, kind: str, end: int, text: str | None = None) -> Token:
        return Token(kind, self._text[self._at : end] if text is None else text, self._at, end)

    def _next(self) -> Token:
        text, at = self._text, self._at
        if at == len(text):
            if self._depth:
                raise self._error("unclosed left parenthesis")
            if self._is_after_bracket:
                raise self._error("unexpected end of input in duration expression")
            if self._in_brackets:
                raise self._error("unclosed left bracket")
            return Token(END, "", at, at)
        character = text[at]
        following = text[at + 1 : at + 2]
        if "0" <= character <= "9" or (character == "." and following.isdigit()):
            return self._number()
        if character in "\"'`" and not self._is_after_bracket:
            return self._string()
        if self._in_brackets:
            return self._bracketed(character)
        if word := _NAME.match(text, at):
            return self._word(word.group(), word.end())
        return self._sign(character)

    def _bracketed(self, character: str) -> Token:
        if character == ":":
            return self._token(":", self._at + 1)
        shown = quote_rune(character)
        if character.isalpha() or character == "_":
            raise self._error(
                f"unexpected character in duration expression: {shown}"
                if self._is_after_bracket
                else f"unexpected character: {shown}, expected ':'"
            )
        return self._sign(character)

    def _sign(self, character: str) -> Token:
        text, at = self._text, self._at
        for sign in _SIGNS:
            if text.startswith(sign, at):
                self._count(sign)
                return self._token(sign, at + len(sign))
        following = quote_rune(text[at + 1 : at + 2])
        if character == "!":
            raise self._error(f"unexpected character after '!': {following}")
        if character == "=":
            if text.startswith("=~", at):
                raise self._error(f"unexpected character after '=': {following}")
            return self._token("=", at + 1)
        raise self._error(f"unexpected character: {quote_rune(character)}")

    def _count(self, sign: str) -> None:
        if sign == "(":
            self._depth += 1
        elif sign == ")":
            self._depth -= 1
        elif sign == "[":
            if self._in_brackets:
                raise self._error("unexpected left bracket '['")
            self._in_brackets = True
        elif sign == "]":
            if not self._in_brackets:
                raise self._error("unexpected right bracket ']'")
            self._in_brackets = False

    def _word(self, word: str, end: int) -> Token:
        lowered = word.lower()
        if lowered in ("inf", "nan"):
            return self._token(NUMBER, end)
        if lowered in _WORDS:
            return self._token(lowered, end)
        return self._token(METRIC_IDENTIFIER if ":" in word else IDENTIFIER, end)

    def _number(self) -> Token:
        if found := _NUMBER.match(self._text, self._at):
            return self._token(NUMBER, found.end())
        if found := _DURATION.match(self._text, self._at):
            return self._token(DURATION, found.end())
        bad = _BAD_NUMBER.match(self._text, self._at)
        assert bad is not None
        raise self._error(f"bad number or duration syntax: {quote(bad.group())}")

    def _string(self) -> Token:
        mark = self._text[self._at]
        if mark == "`":
            raw = _RAW.match(self._text, self._at)
            if raw is None:
                raise self._error("unterminated raw string")
            return self._token(STRING, raw.end(), raw.group()[1:-1])
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise self._error("unterminated quoted string")
        return self._token(STRING, found.end(), self._unescaped(found["body"], mark))

    def _unescaped(self, body: str, mark: str) -> str:
        """strutil.Unquote. `\\xff` is a byte; only those that make UTF-8 can be in a Python string."""
        if "\\" not in body:
            return body

        def meaning(escape: re.Match[str]) -> str:
            if short := escape["short"]:
                if short in "\"'" and short != mark:
                    raise self._error(f"unknown escape sequence U+{ord(short):04X} '{short}'")
                return _SHORT[short]
            if escape["bad"] is not None:
                bad = escape["bad"]
                if not bad:
                    raise self._error("escape sequence not terminated")
                raise self._error(f"unknown escape sequence U+{ord(bad):04X} '{bad}'")
            digits = escape["hex"] or escape["four"] or escape["eight"]
            code = int(digits, 16) if digits else int(escape["oct"], 8)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (escape["oct"] and code > 0xFF):
                raise self._error("escape sequence is an invalid Unicode code point")
            return chr(code) if code < 0x80 or not (escape["hex"] or escape["oct"]) else chr(0xDC00 + code)

        text = _ESCAPE.sub(meaning, body)
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _braces(self) -> Iterator[Token]:
        """Inside of a selector, where keywords are names."""
        text = self._text
        while True:
            self._skip()
            if self._at == len(text):
                raise self._error("unexpected end of input inside braces")
            token = self._brace_token(text[self._at])
            self._at = token.end
            yield token
            if token.kind == "}":
                return

    def _brace_token(self, character: str) -> Token:
        if label := _LABEL.match(self._text, self._at):
            return self._token(IDENTIFIER, label.end())
        if character in "\"'`":
            return self._string()
        pair = self._text[self._at : self._at + 2]
        if pair in ("=~", "!~", "!="):
            return self._token(pair, self._at + 2)
        if character in "=,}":
            return self._token(character, self._at + 1)
        if character == "!":
            raise self._error(f"unexpected character after '!' inside braces: {quote_rune(pair[1:])}")
        if character == "{":
            raise self._error("unexpected left brace '{'")
        raise self._error(f"unexpected character inside braces: {quote_rune(character)}")


def quote_rune(character: str) -> str:
    """Go's `%q` of a character; there is none at the end of the input."""
    if not character:
        return "'�'"
    inner = quote(character)[1:-1]
    return "'\\''" if character == "'" else "'\"'" if character == '"' else f"'{inner}'"
