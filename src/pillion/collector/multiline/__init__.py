"""Multiline: lines → joined messages. A state machine per stream, pure: time is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from pillion.collector.records import Body


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A joined message. `mark` is what the caller gave with its last line (an offset, a claim)."""

    time: int
    body: Body
    mark: Any
    truncated: bool = False


class MultilineParser(Protocol):
    """The rules, shared by streams."""

    @property
    def name(self) -> str: ...

    @property
    def flush_timeout(self) -> float:
        """Seconds after which an unfinished message is given out."""

    def stream(self) -> MultilineStream: ...


class MultilineStream(Protocol):
    """One file's (or tag's and stream's) state."""

    def feed(self, text: str, time: int, mark: Any) -> list[Message]:
        """One more line; the messages that are complete now."""

    def flush(self) -> list[Message]:
        """Whatever is held."""

    @property
    def first_held(self) -> Any | None:
        """The mark of the first line that is held; None when nothing is. A checkpoint must not pass it."""
