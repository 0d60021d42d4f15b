"""OpenMetrics 0.0.1 and 1.0.0, entry by entry (model/textparse/openmetricslex.l, openmetricsparse.go).

One space between two things, no empty line, no comment, and `# EOF` at the end.
"""

from __future__ import annotations

import math
from types import MappingProxyType

from pillion.scraper.exposition.entries import Entry, ExemplarText, Meta, Sample, exemplar_labels, unescape
from pillion.scraper.exposition.gotext import quote_bytes
from pillion.scraper.exposition.lexing import Grammar, State, Token, rule, word_rule
from pillion.scraper.exposition.numbers import milliseconds_of
from pillion.scraper.exposition.parsing import EntryParser, Pairs, unquoted

_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = rb"[a-zA-Z_][a-zA-Z0-9_]*"
_QUOTED = rb'"(?:[^"\\\0]|\\[^\n\0])*"'
_QUOTED_REACH = rb'(?:"(?:[^"\\\0]|\\[^\n\0])*(?:"|\\)?)?'
_ONE_LINE = rb'"(?:[^"\\\n\0]|\\[^\n\0])*"'
_ONE_LINE_REACH = rb'(?:"(?:[^"\\\n\0]|\\[^\n\0])*(?:"|\\)?)?'
_VALUE = rb'"\0*(?:[^"\\\n\0]\0*|\\\0*[^\n\0]\0*)*"\0*'
_VALUE_REACH = rb'(?:"\0*(?:[^"\\\n\0]\0*|\\\0*[^\n\0]\0*)*(?:"\0*|\\\0*)?)?'
_WORD, _WORD_REACH = rb" [^ \n\0]+", rb"(?: [^ \n\0]*)?"

GRAMMAR = Grammar(
    has_comments=False,
    rules=MappingProxyType(
        {
            State.START: (
                rule(rb"# ", None, State.COMMENT, reaches=rb"(?:# ?)?"),
                rule(_NAME, Token.METRIC_NAME, State.VALUE),
                rule(rb"\{", Token.BRACE_OPEN, State.LABELS),
            ),
            State.COMMENT: (
                word_rule(b"HELP", rb" \0*", Token.HELP, State.META_NAME),
                word_rule(b"TYPE", rb" \0*", Token.TYPE, State.META_NAME),
                word_rule(b"UNIT", rb" \0*", Token.UNIT, State.META_NAME),
                word_rule(b"EOF", rb"(?:\n\0*)?", Token.END_WORD, State.START),
            ),
            State.META_NAME: (
                rule(_QUOTED, Token.METRIC_NAME, State.META_TEXT, reaches=_QUOTED_REACH),
                rule(_NAME, Token.METRIC_NAME, State.META_TEXT),
            ),
            State.META_TEXT: (
                rule(
                    rb" \0*(?:[^\n\0]\0*)*\n\0*",
                    Token.TEXT,
                    State.START,
                    reaches=rb"(?: \0*(?:[^\n\0]\0*)*(?:\n\0*)?)?",
                ),
            ),
            State.LABELS: (
                rule(_LABEL, Token.LABEL_NAME),
                rule(_QUOTED, Token.QUOTED, State.LABELS, reaches=_QUOTED_REACH),
                rule(rb"\}", Token.BRACE_CLOSE, State.VALUE),
                rule(rb"=", Token.EQUAL, State.LABEL_VALUE),
                rule(rb",", Token.COMMA),
            ),
            State.LABEL_VALUE: (rule(_VALUE, Token.LABEL_VALUE, State.LABELS, reaches=_VALUE_REACH),),
            State.VALUE: (
                rule(rb"\{", Token.BRACE_OPEN, State.LABELS),
                rule(_WORD, Token.VALUE, State.TIMESTAMP, reaches=_WORD_REACH),
            ),
            State.TIMESTAMP: (
                rule(_WORD, Token.TIMESTAMP, reaches=_WORD_REACH),
                rule(rb"\n", Token.LINEBREAK, State.START),
                rule(rb" # \{", Token.COMMENT, State.EXEMPLAR, reaches=rb"(?: (?:#(?: \{?)?)?)?"),
            ),
            State.EXEMPLAR: (
                rule(_LABEL, Token.LABEL_NAME),
                rule(_ONE_LINE, Token.QUOTED, State.EXEMPLAR, reaches=_ONE_LINE_REACH),
                rule(rb"\}", Token.BRACE_CLOSE, State.EXEMPLAR_VALUE),
                rule(rb"=", Token.EQUAL, State.EXEMPLAR_VALUE),
                rule(rb",", Token.COMMA),
            ),
            State.EXEMPLAR_VALUE: (
                rule(_ONE_LINE, Token.LABEL_VALUE, State.EXEMPLAR, reaches=_ONE_LINE_REACH),
                rule(_WORD, Token.VALUE, State.EXEMPLAR_TIMESTAMP, reaches=_WORD_REACH),
            ),
            State.EXEMPLAR_TIMESTAMP: (
                rule(_WORD, Token.TIMESTAMP, reaches=_WORD_REACH),
                rule(rb"\n", Token.LINEBREAK, State.START),
            ),
        }
    ),
)

_TYPES = frozenset(
    {"counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"}
)
_NO_END = "data does not end with # EOF"


class OpenMetricsParser(EntryParser):
    def __init__(self, body: bytes) -> None:
        super().__init__(body, GRAMMAR)

    def next(self) -> Entry | None:
        self._begun = self._lexer.end
        self._metric = None
        token = self._next()
        match token:
            case Token.END_WORD:
                if self._next() is Token.END:
                    return None
                return self.fail("unexpected data after # EOF")
            case Token.END:
                return self.fail(_NO_END)
            case Token.HELP | Token.TYPE | Token.UNIT:
                return self._meta(token)
            case Token.BRACE_OPEN:
                pairs = self._labels()
                return self._sample(pairs, self._lexer.end, self._next())
            case Token.METRIC_NAME:
                return self._named_sample()
            case _:
                return self._unexpected("expected a valid start token", token)

    def _meta(self, token: Token) -> Meta:
        name = self._name_after(token)
        if self._next() is not Token.TEXT:
            self.fail(f"expected text in {token}")
        text = self._lexer.text[1:-1]
        family = name.decode(errors="replace")
        match token:
            case Token.TYPE:
                if (named := text.decode(errors="replace")) not in _TYPES:
                    self.fail(f"invalid metric type {quote_bytes(text)}")
                return Meta(family=family, type=named)
            case Token.HELP:
                try:
                    return Meta(family=family, help=unescape(text).decode())
                except UnicodeDecodeError:
                    self.fail(f"help text {quote_bytes(text)} is not a valid utf8 string")
            case _:
                if text and not name.endswith(b"_" + text):
                    self.fail(f"unit {quote_bytes(text)} not a suffix of metric {quote_bytes(name)}")
                return Meta(family=family, unit=text.decode(errors="replace"))

    def _named_sample(self) -> Sample:
        self._metric = self._lexer.text
        series_end = self._lexer.end
        pairs: Pairs = []
        token = self._next()
        if token is Token.BRACE_OPEN:
            pairs = self._labels()
            series_end = self._lexer.end
            token = self._next()
        return self._sample(pairs, series_end, token)

    def _labels(self, *, of_exemplar: bool = False) -> Pairs:
        pairs: Pairs = []
        token = self._next()
        while token is not Token.BRACE_CLOSE:
            if token not in (Token.LABEL_NAME, Token.QUOTED):
                self._unexpected("expected label name", token)
            was_quoted, name = token is Token.QUOTED, self._lexer.text
            token = self._next()
            if token in (Token.COMMA, Token.BRACE_CLOSE) and (was_quoted or of_exemplar):
                if of_exemplar:
                    self._unexpected("expected label name", token)
                self._set_name(name)
                if token is Token.BRACE_CLOSE:
                    break
                token = self._next()
                continue
            pairs.append((unquoted(name), self._value_of(token)))
            token = self._next()
            if token is Token.COMMA:
                token = self._next()
            elif token is not Token.BRACE_CLOSE:
                self._unexpected("expected comma or brace close", token)
        return pairs

    def _sample(self, pairs: Pairs, series_end: int, token: Token) -> Sample:
        series = self._lexer.body[self._begun : series_end]
        metric = self._named()
        value = self._word(token, "metric")
        time, exemplar = None, None
        token = self._next()
        if token is Token.TIMESTAMP:
            time = self._time("timestamp")
            token = self._next()
            if token not in (Token.LINEBREAK, Token.COMMENT):
                self._unexpected("expected next entry after timestamp", token)
        if token is Token.END:
            self.fail(_NO_END)
        if token is Token.COMMENT:
            exemplar = self._exemplar()
        elif token is not Token.LINEBREAK:
            # Prometheus takes the sample and stumbles over the rest of the line as if it were a new entry.
            self._begun = self._lexer.end
            self._unexpected("expected a valid start token", self._next())
        return Sample(
            series=series, pairs=((b"__name__", metric), *pairs), value=value, time=time, exemplar=exemplar
        )

    def _exemplar(self) -> ExemplarText | None:
        pairs = self._labels(of_exemplar=True)
        value = self._word(self._next(), "exemplar labels")
        time = None
        token = self._next()
        if token is Token.END:
            self.fail(_NO_END)
        if token is Token.TIMESTAMP:
            time = self._time("exemplar timestamp")
            if (token := self._next()) is not Token.LINEBREAK:
                self._unexpected("expected next entry after exemplar timestamp", token)
        elif token is not Token.LINEBREAK:
            self._unexpected("expected timestamp or comment", token)
        labels = exemplar_labels(tuple(pairs))
        return None if labels is None else ExemplarText(labels=labels, value=value, time=time)

    def _word(self, token: Token, after: str) -> float:
        if token is not Token.VALUE:
            self._unexpected(f"expected value after {after}", token)
        return self._float(self._lexer.text[1:])

    def _time(self, what: str) -> int:
        seconds = self._float(self._lexer.text[1:])
        if not math.isfinite(seconds):
            shown = "NaN" if math.isnan(seconds) else "+Inf" if seconds > 0 else "-Inf"
            self.fail(f"invalid {what} {shown}")
        return milliseconds_of(seconds)
