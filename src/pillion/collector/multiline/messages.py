"""What multiline gives out, and one message while it is being put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pillion.collector.records import Body


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A joined message. `mark` is what the caller gave with its last line (an offset, a claim)."""

    time: int
    body: Body
    mark: Any
    truncated: bool = False
    """It grew beyond the limit; the next message goes on with it."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line on its way into a message."""

    content: str
    """What is joined."""
    pattern: str
    """What is looked at, for rules of one string; regex rules look at the content."""
    body: Body | None
    """The record it is in; None for plain text."""
    time: int
    mark: Any
    number: int
    """Counts the stream's lines."""


class Pending:
    """The lines of one message so far."""

    def __init__(self, key: str) -> None:
        """`key`: where the joined text goes; empty: `log`, and the text ends in a newline (`breakline_prepare`)."""
        self._key = key
        self._parts: list[str] = []
        self._first: Line | None = None
        self._last: Line | None = None
        self.size = 0

    @property
    def first(self) -> Line | None:
        return self._first

    def add(self, line: Line, text: str | None = None) -> None:
        """`text` is what is joined, if not the line's content."""
        if self._first is None:
            self._first = line
        self._last = line
        part = line.content if text is None else text
        self._parts.append(part)
        self.size += len(part)

    def add_line(self, line: Line) -> None:
        """On a line of its own; an empty one is a newline."""
        text = "".join(self._parts[-1:])
        separator = "\n" if self._parts and self.size and not text.endswith("\n") else ""
        self.add(line, separator + (line.content or "\n"))

    def take(self, *, truncated: bool = False) -> list[Message]:
        """The message, if there is one; after that there is none."""
        first, last = self._first, self._last
        text = "".join(self._parts)
        self._parts, self._first, self._last, self.size = [], None, None, 0
        if first is None or last is None:
            return []
        if first.body is not None:
            body = {**first.body, self._key: text} if text else first.body
        elif text:
            body = text_body(self._key, text)
        else:
            return []
        return [Message(time=first.time, body=body, mark=last.mark, truncated=truncated)]


def text_body(key: str, text: str) -> Body:
    if key:
        return {key: text}
    return {"log": text if text.endswith("\n") else text + "\n"}
