"""Multiline: lines → joined messages. A state machine per stream, pure: time is passed in."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from pillion.collector.multiline.building import build
from pillion.collector.multiline.builtin import BUILTIN_NAMES, builtin
from pillion.collector.multiline.messages import Message
from pillion.collector.multiline.streams import Multiline, Stream, combine

__all__ = [
    "BUILTIN_NAMES",
    "Message",
    "Multiline",
    "MultilineParser",
    "MultilineStream",
    "Stream",
    "build",
    "builtin",
    "combine",
]

MultilineParser: TypeAlias = Multiline
"""The rules, shared by streams."""


class MultilineStream(Protocol):
    """One file's (or tag's and stream's) state. `Stream` is one, and can do more."""

    def feed(self, text: str, time: int, mark: Any) -> list[Message]:
        """One more line; the messages that are complete now."""

    def flush(self) -> list[Message]:
        """Whatever is held."""

    @property
    def first_held(self) -> Any | None:
        """The mark of the first line that is held; None when nothing is. A checkpoint must not pass it."""
