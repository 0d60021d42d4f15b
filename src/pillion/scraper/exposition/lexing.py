"""Cuts a page into tokens, as the lexers of Prometheus do: they are automata that golex made, and never go back.

From its state, a lexer follows the rules as far as any of them goes on. Where it stops, a rule has either matched, or
the token is invalid, though a shorter text may have matched on the way; the messages show how far it came. So each
rule is two expressions: what it matches, and how far it may come.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Token(StrEnum):
    """The values are Prometheus' names; they are in messages."""

    INVALID = "INVALID"
    END = "EOF"
    LINEBREAK = "LINEBREAK"
    WHITESPACE = "WHITESPACE"
    HELP = "HELP"
    TYPE = "TYPE"
    UNIT = "UNIT"
    END_WORD = "EOFWORD"
    TEXT = "TEXT"
    COMMENT = "COMMENT"
    METRIC_NAME = "MNAME"
    QUOTED = "QSTRING"
    BRACE_OPEN = "BOPEN"
    BRACE_CLOSE = "BCLOSE"
    LABEL_NAME = "LNAME"
    LABEL_VALUE = "LVALUE"
    COMMA = "COMMA"
    EQUAL = "EQUAL"
    TIMESTAMP = "TIMESTAMP"
    VALUE = "VALUE"


class State(StrEnum):
    """Start conditions of the lexers."""

    START = "start"
    COMMENT = "comment"
    META_NAME = "name after HELP, TYPE or UNIT"
    META_TEXT = "text after it"
    LABELS = "labels"
    LABEL_VALUE = "label value"
    VALUE = "value"
    TIMESTAMP = "timestamp"
    EXEMPLAR = "exemplar"
    EXEMPLAR_VALUE = "exemplar's value"
    EXEMPLAR_TIMESTAMP = "exemplar's timestamp"


SWALLOWING = frozenset({State.LABEL_VALUE, State.META_TEXT, State.COMMENT})
"""In these, a NUL after another byte belongs to the token and decides nothing."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    matches: re.Pattern[bytes]
    reaches: re.Pattern[bytes]
    """The longest beginning of any text that matches; also the empty one."""
    token: Token | None
    """None: go on in `state`, the token is not complete."""
    state: State | None = None
    """The next one; None: stay."""


def rule(
    matches: bytes, token: Token | None, state: State | None = None, *, reaches: bytes | None = None
) -> Rule:
    """`reaches` is needed where the text can break off in the middle without a match."""
    return Rule(
        matches=re.compile(matches, re.DOTALL),
        reaches=re.compile(reaches if reaches is not None else b"(?:" + matches + b")?", re.DOTALL),
        token=token,
        state=state,
    )


def word_rule(word: bytes, end: bytes, token: Token, state: State) -> Rule:
    """A word, then `end`. NULs between its letters are swallowed."""
    letters = [re.escape(word[i : i + 1]) + rb"\0*" for i in range(len(word))]
    reaches = b"(?:" + end + b")?"
    for letter in reversed(letters):
        reaches = b"(?:" + letter + reaches + b")?"
    return rule(b"".join(letters) + end, token, state, reaches=reaches)


class Grammar(msgspec.Struct, frozen=True, kw_only=True):
    rules: Mapping[State, Sequence[Rule]]
    has_comments: bool
    """What begins like HELP or TYPE and is none is a comment."""


class Lexer:
    """`start` and `end` are the last token's place in `body`."""

    __slots__ = ("_grammar", "body", "end", "start", "state")

    def __init__(self, body: bytes, grammar: Grammar) -> None:
        self.body = body
        self._grammar = grammar
        self.state = State.START
        self.start = self.end = 0

    @property
    def text(self) -> bytes:
        return self.body[self.start : self.end]

    def next(self) -> Token:
        if self.end >= len(self.body):
            return Token.END
        self.start = self.end
        while True:
            reached, found = self._longest()
            self.end += reached
            if found is None:
                is_comment = self._grammar.has_comments and self.state is State.COMMENT
                return self._comment() if is_comment else Token.INVALID
            if found.state is not None:
                self.state = found.state
            if found.token is Token.COMMENT and found.state is None:
                return self._comment()
            if found.token is not None:
                return found.token

    def _longest(self) -> tuple[int, Rule | None]:
        """How far the rules of this state come, and the first that matches so much."""
        rules = self._grammar.rules.get(self.state, ())
        reached = 0
        for candidate in rules:
            if reach := candidate.reaches.match(self.body, self.end):
                reached = max(reached, reach.end() - self.end)
        for candidate in rules:
            match = candidate.matches.match(self.body, self.end)
            if match and match.end() - self.end == reached:
                return reached, candidate
        return reached, None

    def _comment(self) -> Token:
        """To the end of the line. A NUL ends the page, if it comes first or right after a `#` without a space."""
        line_end = self.body.find(b"\n", self.end)
        first = (
            self.body[self.end : self.end + 1]
            if self.state is State.COMMENT
            else self.body[self.end : line_end]
        )
        if b"\0" in first:
            self.end = self.body.index(b"\0", self.end)
            return Token.END
        self.end = line_end
        self.state = State.START
        return Token.COMMENT
