"""What the careful parsers of both formats share: tokens to labels, errors with their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

from pillion.scraper.exposition.gotext import quote_bytes
from pillion.scraper.exposition.lexing import Grammar, Lexer, Token
from pillion.scraper.exposition.numbers import parse_float
from pillion.scraper.exposition.page import ExpositionError

if TYPE_CHECKING:
    from pillion.scraper.exposition.entries import Entry

Pairs = list[tuple[bytes, bytes]]


class CarefulParser(Protocol):
    """One page, from entry to entry; each exactly as Prometheus' parser of the format takes it."""

    def next(self) -> Entry | None:
        """None: the page is over. Raises ExpositionError."""

    def fail(self, why: str) -> NoReturn:
        """Raises ExpositionError, with the line of the entry that was given last."""

    @property
    def position(self) -> int:
        """Where the next entry begins, in the bytes given."""


class EntryParser:
    """`_begun` is where the entry begins, blanks before it included; `_metric` its metric's name, once it is known."""

    def __init__(self, body: bytes, grammar: Grammar) -> None:
        self._lexer = Lexer(body, grammar)
        self._begun = 0
        self._metric: bytes | None = None

    @property
    def position(self) -> int:
        return self._lexer.end

    def _next(self) -> Token:
        return self._lexer.next()

    def _name_after(self, token: Token) -> bytes:
        """Of TYPE, HELP or UNIT; without its quotes, but with their escapes."""
        found = self._next()
        if found is not Token.METRIC_NAME:
            self._unexpected(f"expected metric name after {token}", found)
        text = self._lexer.text
        return text[1:-1] if len(text) > 1 and text.startswith(b'"') and text.endswith(b'"') else text

    def _set_name(self, quoted: bytes) -> None:
        if self._metric is not None:
            self.fail(f"metric name already set while parsing: {self._seen()}")
        self._metric = quoted[1:-1]

    def _named(self) -> bytes:
        if self._metric is None:
            self.fail(f"metric name not set while parsing: {self._seen()}")
        return self._metric

    def _value_of(self, token: Token) -> bytes:
        """The label value after a name; `token` is what followed the name."""
        if token is not Token.EQUAL:
            self._unexpected("expected equal", token)
        found = self._next()
        if found is not Token.LABEL_VALUE:
            self._unexpected("expected label value", found)
        text = self._lexer.text
        try:
            text.decode()
        except UnicodeDecodeError:
            self.fail(f"invalid UTF-8 label value: {quote_bytes(text)}")
        return text[1:-1]

    def _float(self, text: bytes) -> float:
        try:
            return parse_float(text)
        except ValueError as error:
            self.fail(f"{error} while parsing: {self._seen()}")

    def _seen(self) -> str:
        return quote_bytes(self._lexer.body[self._begun : self._lexer.end])

    def _unexpected(self, expected: str, found: Token) -> NoReturn:
        """The token with one byte more, as it is that byte which may be wrong (textparse, parseError)."""
        body, end = self._lexer.body, self._lexer.end + 1
        shown = quote_bytes(body[self._lexer.start : end])
        seen = quote_bytes(body[self._begun : end])
        self.fail(f'{expected}, got {shown} ("{found}") while parsing: {seen}')

    def fail(self, why: str) -> NoReturn:
        line = self._lexer.body.count(b"\n", 0, self._begun) + 1
        raise ExpositionError(f"line {line}: {why}")


def unquoted(text: bytes) -> bytes:
    return text[1:-1] if text.startswith(b'"') else text
