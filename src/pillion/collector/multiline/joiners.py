"""How lines become messages: one `Joiner` for each kind of rules, holding the message of one group of lines.

Source: Fluent Bit's src/multiline/flb_ml.c (`package_content`) and flb_ml_rule.c (`flb_ml_rule_process`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from pillion.collector.multiline.messages import Line, Message, Pending
from pillion.collector.parsers import RubyRegex

LIMIT = 2 << 20
"""Characters of a joined message (`multiline_buffer_limit`). Fluent Bit cuts what is beyond; here it goes on in another
message."""


class Joiner(Protocol):
    def join(self, line: Line) -> list[Message] | None:
        """The messages that are complete now; None when the line does not belong here (nothing has changed then)."""

    def flush(self) -> list[Message]:
        """What is held, complete or not."""

    def standalone(self, content: str) -> None:
        """A line that belongs to no message went by."""

    @property
    def first(self) -> Line | None:
        """The first line that is held."""

    @property
    def is_idle(self) -> bool:
        """Only a line that starts a message would belong here."""


class Rule(msgspec.Struct, kw_only=True):
    """One regex rule, linked to those that may come after it."""

    regex: RubyRegex
    is_start: bool
    then: tuple[Rule, ...] = ()
    """Rules of the next state that do not start a message."""
    ends: bool = False
    """A message may start after it: it is complete."""


class RegexJoiner:
    def __init__(self, key: str, rules: tuple[Rule, ...], limit: int = LIMIT) -> None:
        self._pending = Pending(key)
        self._starts = tuple(rule for rule in rules if rule.is_start)
        self._state: Rule | None = None
        self._limit = limit

    def join(self, line: Line) -> list[Message] | None:
        """The state outlives its message: a line that fits goes on with it, even alone."""
        messages: list[Message] = []
        rule = _matching(self._state.then, line.content) if self._state is not None else None
        if rule is not None:
            if self._pending.size and self._pending.size + len(line.content) > self._limit:
                messages = self._pending.take(truncated=True)
            self._pending.add_line(line)
        else:
            rule = _matching(self._starts, line.content)
            if rule is None:
                return None
            messages = self._pending.take()
            self._pending.add(line)
        self._state = rule
        if rule.ends and self._pending.size:
            messages += self._pending.take()
        return messages

    def flush(self) -> list[Message]:
        return self._pending.take()

    def standalone(self, content: str) -> None:
        pass

    @property
    def first(self) -> Line | None:
        return self._pending.first

    @property
    def is_idle(self) -> bool:
        return self._pending.first is None and (self._state is None or not self._state.then)


class StringJoiner:
    """Types endswith and equal: every line is joined, and one that fits completes the message."""

    def __init__(self, key: str, fits: Callable[[str], bool | None], limit: int = LIMIT) -> None:
        """`fits` returns None for a line that cannot be judged: it is left to others. (Fluent Bit loses it.)"""
        self._pending = Pending(key)
        self._key = key
        self._fits = fits
        self._limit = limit

    def join(self, line: Line) -> list[Message] | None:
        fits = self._fits(line.pattern)
        if fits is None:
            return None
        messages: list[Message] = []
        if self._pending.size and self._pending.size + len(line.content) > self._limit:
            messages = self._pending.take(truncated=True)
        if self._key or self._pending.first is None:
            self._pending.add(line)
        else:
            self._pending.add_line(line)
        return messages + self._pending.take() if fits else messages

    def flush(self) -> list[Message]:
        return self._pending.take()

    def standalone(self, content: str) -> None:
        pass

    @property
    def first(self) -> Line | None:
        return self._pending.first

    @property
    def is_idle(self) -> bool:
        return False


def ends_with(string: str, *, negate: bool) -> Callable[[str], bool | None]:
    def fits(text: str) -> bool | None:
        return None if len(text) < len(string) else text.endswith(string) != negate

    return fits


def equals(string: str, *, negate: bool) -> Callable[[str], bool | None]:
    def fits(text: str) -> bool | None:
        return (text == string) != negate

    return fits


def _matching(rules: tuple[Rule, ...], text: str) -> Rule | None:
    for rule in rules:
        if rule.regex.pattern.search(text) is not None:
            return rule
    return None
