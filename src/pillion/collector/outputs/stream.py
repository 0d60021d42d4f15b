"""Writing records to a descriptor that may be full, blocked or gone: no half line stays, no line comes twice.

What was written to a pipe cannot be taken back. A record that was begun is therefore still to be delivered (it is in
`remaining`), and its beginning is remembered: when it comes again, it goes on where it stopped; when another comes
first, it is ended before that, so that the reader sees whole lines (and then that record twice: at least once).
"""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import TYPE_CHECKING

import msgspec

from pillion.collector.outputs.rendered import first_record, records_after
from pillion.collector.plugin import Again, Delivered

if TYPE_CHECKING:
    from pillion.collector.outputs.rendered import Render
    from pillion.collector.plugin import Verdict
    from pillion.collector.records import Content

_ATOMIC = select.PIPE_BUF
"""What a pipe that polls as writable takes without blocking."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes, and why not more."""

    sent: int
    reason: str = ""
    is_broken: bool = False
    """Nobody will ever read what was written last."""


class Descriptor:
    """A descriptor of somebody else's, which stays in the mode that it is in and is not closed.

    A terminal or a pipe is opened once more, so that it can be written without blocking whoever shares it.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._kind = stat.S_IFMT(os.fstat(number).st_mode)
        self._own: int | None = None
        self._most = 1 << 30 if self._kind == stat.S_IFREG else _ATOMIC
        if self._kind in (stat.S_IFIFO, stat.S_IFCHR):
            try:
                self._own = os.open(
                    f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
                )
                self._most = 1 << 30
            except OSError:
                # Somebody else's pipe: in pieces that fit, which is slower and never blocks either.
                self._own = None

    def write(self, data: bytes, wake: int | None) -> Written:
        """All of `data`, unless `wake` becomes readable first (None: without any wait) or the other side is gone."""
        view = memoryview(data)
        sent = 0
        while sent < len(view):
            try:
                if self._own is None and self._kind != stat.S_IFREG and not self._wait(wake):
                    return Written(sent=sent, reason="interrupted")
                sent += os.write(
                    self._number if self._own is None else self._own, view[sent : sent + self._most]
                )
            except BlockingIOError:
                if not self._wait(wake):
                    return Written(sent=sent, reason="nobody reads" if wake is None else "interrupted")
            except OSError as error:
                return Written(sent=sent, reason=_because(error), is_broken=error.errno == errno.EPIPE)
        return Written(sent=sent)

    def close(self) -> None:
        if self._own is not None:
            os.close(self._own)

    def _wait(self, wake: int | None) -> bool:
        """True when the descriptor may take something, or has an error that a write will tell."""
        number = self._number if self._own is None else self._own
        poll = select.poll()
        poll.register(number, select.POLLOUT)
        if wake is not None:
            poll.register(wake, select.POLLIN)
        ready = dict(poll.poll(0 if wake is None else None))
        return number in ready and (wake is None or wake not in ready)


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was written in part."""

    whole: bytes
    """As it is when it is rendered alone: by this it is known again."""
    rest: bytes


class RecordStream:
    """Delivers chunks to a descriptor. One delivery at a time."""

    def __init__(self, descriptor: Descriptor, render: Render, where: str) -> None:
        self._descriptor = descriptor
        self._render = render
        self._where = where
        self._begun: Begun | None = None
        self.is_broken = False
        """The other end is closed: what was written last is lost with it."""

    def deliver(self, tag: str, content: Content, wake: int | None) -> Verdict:
        if self._begun is not None:
            begun = self._begun
            written = self._descriptor.write(begun.rest, wake)
            self._begun = msgspec.structs.replace(begun, rest=begun.rest[written.sent :])
            if written.reason:
                return self._again(written, content)
            self._begun = None
            left = self._without(begun, tag, content)
            if left is None:
                return Delivered()
            content = left
        rendered = self._render(tag, content)
        written = self._descriptor.write(rendered.data, wake)
        if not written.reason:
            return Delivered()
        remaining = records_after(content, rendered.whole(written.sent))
        if remaining is None:
            return Delivered()
        if rendered.border(written.sent) < written.sent:
            first = remaining if rendered.is_one else first_record(remaining)
            self._begun = Begun(
                whole=self._render(tag, first).data,
                rest=rendered.data[written.sent : rendered.end_after(written.sent)],
            )
        return self._again(written, remaining)

    def close(self) -> None:
        """End the line that was begun, if somebody reads."""
        if self._begun is not None and not self.is_broken:
            self._descriptor.write(self._begun.rest, None)
        self._descriptor.close()

    def _again(self, written: Written, remaining: Content) -> Again:
        self.is_broken = written.is_broken
        return Again(reason=f"cannot write to {self._where}: {written.reason}", remaining=remaining)

    def _without(self, begun: Begun, tag: str, content: Content) -> Content | None:
        """What of `content` is not written, now that the begun record is."""
        if self._render(tag, first_record(content)).data == begun.whole:
            return records_after(content, 1)
        # Several records that are one text come again together, or not at all.
        return None if self._render(tag, content).data == begun.whole else content


def _because(error: OSError) -> str:
    if error.errno == errno.EPIPE:
        return "the other end is closed"
    return (error.strerror or str(error)).lower()
