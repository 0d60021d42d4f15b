"""A chunk as it is written somewhere, and where in it each record ends. Pure."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pillion.collector.records import Lines, Records, Texts

if TYPE_CHECKING:
    from pillion.collector.records import Content

Render: TypeAlias = Callable[[str, "Content"], "Rendered"]


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    data: bytes
    ends: Callable[[], list[int]] | None = None
    """Where the records end, for those who have to know; None: at each newline."""
    is_one: bool = False
    """The records are one text (a JSON array): it ends at its end only."""

    def whole(self, sent: int) -> int:
        """How many records are wholly in the first `sent` bytes, which are not all of them."""
        if self.is_one:
            return 0
        if self.ends is None:
            return self.data.count(b"\n", 0, sent)
        return sum(end <= sent for end in self.ends())

    def border(self, sent: int) -> int:
        """The end of the last record that is wholly in the first `sent` bytes."""
        if self.is_one:
            return 0
        if self.ends is None:
            return self.data.rfind(b"\n", 0, sent) + 1
        return max((end for end in self.ends() if end <= sent), default=0)

    def end_after(self, sent: int) -> int:
        """Where the record ends that byte `sent` belongs to."""
        if self.is_one:
            return len(self.data)
        if self.ends is None:
            return self.data.index(b"\n", sent) + 1
        return min(end for end in self.ends() if end > sent)


def joined(texts: list[str]) -> Rendered:
    """One text for each record: they may have newlines inside."""
    pieces = [text.encode("utf-8", "replace") for text in texts]
    return Rendered(data=b"".join(pieces), ends=lambda: list(accumulate(map(len, pieces))))


def first_record(content: Content) -> Content:
    match content:
        case Records():
            return Records(times=content.times[:1], bodies=content.bodies[:1])
        case Texts():
            data = content.data[: content.data.index(b"\n") + 1]
            return Texts(
                data=data, times=content.times if isinstance(content.times, int) else content.times[:1]
            )
        case Lines():
            return Lines(
                data=content.data[: content.data.index(b"\n") + 1], time=content.time, key=content.key
            )


def records_after(content: Content, skipped: int) -> Content | None:
    """All but the first `skipped` records; None when that is none."""
    if not skipped:
        return content
    if isinstance(content, Records):
        left = Records(times=content.times[skipped:], bodies=content.bodies[skipped:])
        return left if left.bodies else None
    data = content.data.split(b"\n", skipped)[-1]
    if not data:
        return None
    if isinstance(content, Lines):
        return Lines(data=data, time=content.time, key=content.key)
    return Texts(
        data=data, times=content.times if isinstance(content.times, int) else content.times[skipped:]
    )
