"""The Prometheus text format, 0.0.4 and 1.0.0, entry by entry (model/textparse/promlex.l, promparse.go).

One grammar for both: a name in quotes is taken in 0.0.4 too. Blanks may be nearly everywhere; lines end in LF only.
"""

from __future__ import annotations

from types import MappingProxyType

from pillion.scraper.exposition.entries import Entry, Meta, Sample, unescape_help
from pillion.scraper.exposition.gotext import quote_bytes
from pillion.scraper.exposition.lexing import Grammar, State, Token, rule, word_rule
from pillion.scraper.exposition.numbers import parse_milliseconds
from pillion.scraper.exposition.parsing import EntryParser, Pairs, unquoted

_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = rb"[a-zA-Z_][a-zA-Z0-9_]*"
_QUOTED = rb'"(?:[^"\\\0]|\\[^\n\0])*"'
_QUOTED_REACH = rb'(?:"(?:[^"\\\0]|\\[^\n\0])*(?:"|\\)?)?'
_VALUE = rb'"\0*(?:[^"\\\0]\0*|\\\0*[^\n\0]\0*)*"\0*'
_VALUE_REACH = rb'(?:"\0*(?:[^"\\\0]\0*|\\\0*[^\n\0]\0*)*(?:"\0*|\\\0*)?)?'

_BLANKS = rule(rb"[ \t]+", Token.WHITESPACE)
_BLANKS_AND_NULS = rule(rb"(?:[ \t]\0*)+", Token.WHITESPACE)
GRAMMAR = Grammar(
    has_comments=True,
    rules=MappingProxyType(
        {
            State.START: (
                rule(rb"\0", Token.END),
                rule(rb"\n", Token.LINEBREAK, State.START),
                _BLANKS,
                rule(rb"#[ \t]+", None, State.COMMENT),
                rule(rb"#", Token.COMMENT),
                rule(_NAME, Token.METRIC_NAME, State.VALUE),
                rule(rb"\{", Token.BRACE_OPEN, State.LABELS),
            ),
            State.COMMENT: (
                _BLANKS_AND_NULS,
                word_rule(b"HELP", rb"(?:[ \t]\0*)+", Token.HELP, State.META_NAME),
                word_rule(b"TYPE", rb"(?:[ \t]\0*)+", Token.TYPE, State.META_NAME),
            ),
            State.META_NAME: (
                _BLANKS,
                rule(_QUOTED, Token.METRIC_NAME, State.META_TEXT, reaches=_QUOTED_REACH),
                rule(_NAME, Token.METRIC_NAME, State.META_TEXT),
            ),
            State.META_TEXT: (
                _BLANKS_AND_NULS,
                rule(rb"(?:[^\n\0]\0*)*", Token.TEXT, State.START),
            ),
            State.LABELS: (
                _BLANKS,
                rule(_LABEL, Token.LABEL_NAME),
                rule(_QUOTED, Token.QUOTED, State.LABELS, reaches=_QUOTED_REACH),
                rule(rb"\}", Token.BRACE_CLOSE, State.VALUE),
                rule(rb"=", Token.EQUAL, State.LABEL_VALUE),
                rule(rb",", Token.COMMA),
            ),
            State.LABEL_VALUE: (
                _BLANKS_AND_NULS,
                rule(_VALUE, Token.LABEL_VALUE, State.LABELS, reaches=_VALUE_REACH),
            ),
            State.VALUE: (
                _BLANKS,
                rule(rb"\{", Token.BRACE_OPEN, State.LABELS),
                rule(rb"[^{ \t\n\0]+", Token.VALUE, State.TIMESTAMP),
            ),
            State.TIMESTAMP: (
                _BLANKS,
                rule(rb"[0-9]+", Token.TIMESTAMP),
                rule(rb"\n", Token.LINEBREAK, State.START),
            ),
        }
    ),
)

_TYPES = {
    b"counter": "counter",
    b"gauge": "gauge",
    b"histogram": "histogram",
    b"summary": "summary",
    b"untyped": "unknown",
}


class TextParser(EntryParser):
    def __init__(self, body: bytes) -> None:
        super().__init__(body + b"\n", GRAMMAR)

    def next(self) -> Entry | None:
        while True:
            self._begun = self._lexer.end
            self._metric = None
            token = self._next()
            match token:
                case Token.END:
                    return None
                case Token.LINEBREAK:
                    continue
                case Token.HELP | Token.TYPE:
                    return self._meta(token)
                case Token.COMMENT:
                    self._linebreak("comment")
                case Token.BRACE_OPEN:
                    return self._sample(self._labels())
                case Token.METRIC_NAME:
                    return self._named_sample()
                case _:
                    self._unexpected("expected a valid start token", token)

    def _next(self) -> Token:
        while (token := self._lexer.next()) is Token.WHITESPACE:
            pass
        return token

    def _meta(self, token: Token) -> Meta:
        name = self._name_after(token)
        found = self._next()
        if found is not Token.TEXT:
            self.fail(f"expected text in {token}, got {found}")
        text = self._lexer.text[1:]
        if token is Token.TYPE:
            if text not in _TYPES:
                self.fail(f"invalid metric type {quote_bytes(text)}")
            meta = Meta(family=name.decode(errors="replace"), type=_TYPES[text])
        else:
            try:
                meta = Meta(family=name.decode(errors="replace"), help=unescape_help(text).decode())
            except UnicodeDecodeError:
                self.fail(f"help text {quote_bytes(text)} is not a valid utf8 string")
        self._linebreak("metadata")
        return meta

    def _linebreak(self, after: str) -> None:
        if (found := self._next()) is not Token.LINEBREAK:
            self._unexpected(f"linebreak expected after {after}", found)

    def _named_sample(self) -> Sample:
        # Blanks before it are in the name: Prometheus takes it from where the entry began, and has room for them since
        # names may be any UTF-8.
        self._metric = self._lexer.body[self._begun : self._lexer.end]
        series_end = self._lexer.end
        token = self._next()
        if token is Token.BRACE_OPEN:
            return self._sample(self._labels())
        return self._sample([], series_end=series_end, token=token)

    def _labels(self) -> Pairs:
        """Commas between them are optional, and one after the last is allowed."""
        pairs: Pairs = []
        token = self._next()
        while token is not Token.BRACE_CLOSE:
            if token not in (Token.LABEL_NAME, Token.QUOTED):
                self._unexpected("expected label name", token)
            was_quoted, name = token is Token.QUOTED, self._lexer.text
            token = self._next()
            if was_quoted and token in (Token.COMMA, Token.BRACE_CLOSE):
                self._set_name(name)
                if token is Token.BRACE_CLOSE:
                    break
                token = self._next()
                continue
            pairs.append((unquoted(name), self._value_of(token)))
            token = self._next()
            if token is Token.COMMA:
                token = self._next()
        return pairs

    def _sample(self, pairs: Pairs, *, series_end: int | None = None, token: Token | None = None) -> Sample:
        series = self._lexer.body[self._begun : self._lexer.end if series_end is None else series_end]
        if token is None:
            token = self._next()
        metric = self._named()
        if token is not Token.VALUE:
            self._unexpected("expected value after metric", token)
        value = self._float(self._lexer.text)
        time = None
        token = self._next()
        if token is Token.TIMESTAMP:
            try:
                time = parse_milliseconds(self._lexer.text)
            except ValueError as error:
                self.fail(f"{error} while parsing: {self._seen()}")
            if (token := self._next()) is not Token.LINEBREAK:
                self._unexpected("expected next entry after timestamp", token)
        elif token is not Token.LINEBREAK:
            self._unexpected("expected timestamp or new record", token)
        return Sample(series=series, pairs=((b"__name__", metric), *pairs), value=value, time=time)
