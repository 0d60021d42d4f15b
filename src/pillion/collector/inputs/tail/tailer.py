"""One open file: what is new in it, and whether it is still what it was.

The descriptor is read by position, never by seeking. Each read looks at the head of the file and takes the bytes just
before its offset with it, so that a truncation is noticed although the file has grown past the offset again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pillion.collector.inputs.tail.identity import HEAD_BYTES, MARKER_BYTES, FileId, Fingerprint, Position
from pillion.collector.inputs.tail.settling import Settling
from pillion.collector.inputs.tail.splitting import Piece, Splitter
from pillion.collector.inputs.tail.tags import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.collector.inputs.tail.encoding import Encoding
    from pillion.collector.inputs.tail.joining import Joiner
    from pillion.collector.status import FileStatus

READ_BYTES = 512 << 10
"""The most bytes of one look into a file."""
_HOLE_BYTES = 4096
"""From so many zeros on it is worth asking where the data begins."""


class Truncated(msgspec.Struct, frozen=True, kw_only=True):
    """The file has lost its content since the last look. If there is a copy, all of this goes on there."""

    position: Position
    """How far we had read the content that is gone, and how it looked."""
    unread: int
    """The bytes behind that place that were seen and are gone."""
    splitter: Splitter
    """Holds its last line, of which no end was seen."""
    marker: bytes
    """The bytes before that line."""
    joiner: Joiner
    settling: Settling
    """What was read of it may not be acknowledged yet."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One look into a file."""

    pieces: list[Piece]
    bytes: int
    more: bool
    """There was more than one look takes."""
    truncated: Truncated | None = None


class Tailer:
    """One generation after another of one file's content; the first begins at `position`."""

    def __init__(
        self,
        *,
        descriptor: int,
        file_id: FileId,
        path: str,
        tag: str,
        position: Position,
        splitter: Callable[[int], Splitter],
        encoding: Encoding,
        joiner: Callable[[], Joiner],
        status: FileStatus,
        continues: Truncated | None = None,
    ) -> None:
        """`continues`: the file is a copy of content that was read up to `position` elsewhere."""
        self.descriptor = descriptor
        self.id = file_id
        self.path = path
        """The name under which it was found: tag and path_key speak of it, even when it is renamed."""
        self.shown_path = shown(path)
        """As records and people see it."""
        self.tag = tag
        self.encoding = encoding
        self.joiner = continues.joiner if continues else joiner()
        self.status = status
        self.settling = continues.settling if continues else Settling(position.offset, position.marker)
        self.previous: Tailer | None = None
        """The file that had the same path before; its lines come first."""
        self.rotated_at: float | None = None
        """When its path was seen to have become another file's, or nobody's."""
        self.is_over = False
        """It may be let go as soon as it is read to its end."""
        self.is_closed = False
        self._last_name = path
        self.is_unreadable = False
        """The last look failed: nobody waits for it."""
        self.grew_at = 0.0
        """When something new was seen in it last, on the loop's clock."""
        self.looked_at = 0.0
        """Seconds since the epoch when its content was seen to be what it was."""
        self.is_told = False
        """The kernel tells that it was written to since the last look. (A file's times are too coarse to tell.)"""
        self.was_closed_by_writer = False
        """A writer has closed it, and nothing was written since."""
        self.is_being_written = False
        """It was written to, and nobody has closed it since."""
        self._new_splitter = splitter
        self._new_joiner = joiner
        self._splitter = continues.splitter if continues else splitter(position.offset)
        self._fingerprint = position.fingerprint
        self._marker = continues.marker if continues else position.marker
        self._seen_size = position.offset
        self._mtime = self.stat().st_mtime_ns if not status.size else -1
        """Of the content that was looked at last; -1 when none was."""

    @property
    def offset(self) -> int:
        """Everything before it was read."""
        return self._splitter.offset

    @property
    def pending(self) -> int:
        """Bytes that wait for their line's end."""
        return len(self._splitter.pending)

    @property
    def position(self) -> Position:
        """How far it was read."""
        marker = (self._marker + self._splitter.pending)[-MARKER_BYTES:]
        return Position(offset=self.offset, fingerprint=self._fingerprint, marker=marker)

    @property
    def checkpoint(self) -> Position:
        """Everything before it is settled."""
        return Position(
            offset=self.settling.offset, fingerprint=self._fingerprint, marker=self.settling.marker
        )

    def stat(self) -> os.stat_result:
        return os.fstat(self.descriptor)

    def name(self) -> str:
        """What it is called now, or was when it was closed."""
        if self.is_closed:
            return self._last_name
        try:
            return os.readlink(f"/proc/self/fd/{self.descriptor}").removesuffix(" (deleted)")  # noqa: PTH115
        except OSError:
            return self.path

    def is_behind(self) -> bool:
        """Whether there is something to read, or something has changed."""
        if self.is_closed or self.is_unreadable:
            return False
        now = self.stat()
        return now.st_size != self.offset or now.st_mtime_ns != self._mtime

    def begins(self) -> bool:
        """It was empty at the last look, and has been written to. (What was written may have come and gone again.)"""
        if self.offset or self._fingerprint.size or self._mtime < 0:
            return False
        return self.is_told or self.stat().st_mtime_ns != self._mtime

    def read(self, at: float) -> Reading:
        """What is new, READ_BYTES of it at most; `at` in seconds since the epoch. Raises OSError."""
        now = self.stat()
        size, offset = now.st_size, self.offset
        told, self.is_told = self.is_told, False
        is_same = now.st_mtime_ns == self._mtime
        if size == offset and is_same and not told:
            self.looked_at = at
            return Reading(pieces=[], bytes=0, more=False)
        head = os.pread(self.descriptor, HEAD_BYTES, 0) if offset else b""
        if size < offset or (offset and not self._fingerprint.matches(head)):
            return self._restart(now)
        known = self._marker + self._splitter.pending
        data = os.pread(self.descriptor, min(size - offset, READ_BYTES) + len(known), offset - len(known))
        if not data.startswith(known):
            return self._restart(now)
        if not offset:
            head = data[:HEAD_BYTES]
            if not self._fingerprint.matches(head):
                return self._restart(now)
        self._fingerprint = self._fingerprint.grown(head)
        self.looked_at = at
        self._seen_size, self._mtime = size, now.st_mtime_ns
        self.status.size = size
        pieces = self._splitter.feed(data, len(self._marker))
        # The bytes before what is pending now.
        end = len(data) - len(self._splitter.pending)
        self._marker = data[max(0, end - MARKER_BYTES) : end]
        if self._splitter.in_hole and len(data) >= _HOLE_BYTES:
            self._skip_hole(size)
        self.status.read_offset = self.offset
        return Reading(pieces=pieces, bytes=len(data) - len(known), more=self.offset < size)

    def flush(self) -> list[Piece]:
        """The file is over: its last line, when it has no end."""
        self._marker = self.position.marker
        return self._splitter.flush()

    def close(self) -> None:
        if not self.is_closed:
            self._last_name = self.name()
            self.is_closed = True
            os.close(self.descriptor)

    def _restart(self, now: os.stat_result) -> Reading:
        """Its content is another one: read it from the beginning."""
        truncated = Truncated(
            position=self.position,
            unread=max(0, self._seen_size - self.offset),
            splitter=self._splitter,
            marker=self._marker,
            joiner=self.joiner,
            settling=self.settling,
        )
        self._splitter = self._new_splitter(0)
        self.joiner = self._new_joiner()
        self._fingerprint = Fingerprint()
        self._marker = b""
        self._seen_size, self._mtime = 0, now.st_mtime_ns
        self.settling = Settling(0)
        self.status.size, self.status.read_offset, self.status.delivered_offset = now.st_size, 0, 0
        self.status.oldest_unsent = None
        return Reading(pieces=[], bytes=0, more=True, truncated=truncated)

    def _skip_hole(self, size: int) -> None:
        """Read on where the data begins: a hole may have any size, and costs nothing but this look."""
        try:
            data = os.lseek(self.descriptor, self.offset, os.SEEK_DATA)
        except OSError:  # ENXIO: no data behind it, yet; EINVAL: the file system does not know
            return
        if data > self.offset:
            self._splitter.skip_hole(min(data, size))
            self._marker = b""
