"""The thread that writes chunks to disk, and the segments it writes them to.

Everything that asks the disk to be sure (fsync) is here, so that the loop never waits for it. What comes in while it
waits is written together, with one fsync for all.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

import msgspec

from pillion.collector.buffer import frames

SEGMENT_BYTES = 8 << 20
"""A segment is deleted as a whole, so this is about how much may lie there for one chunk that is still needed."""
RETRY_SECONDS = 1.0
"""Between attempts to write to a disk that is full."""


class Segment:
    """A file of chunks. `live` counts those that somebody still needs."""

    __slots__ = ("damaged", "live", "number", "path", "size", "sure", "written")

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self.number = number
        self.live = 0
        self.size = 0
        self.sure = 0
        """Bytes that are on disk for certain."""
        self.written = 0
        """Chunks."""
        self.damaged = False
        """Kept when all of it is delivered, for people to look at."""

    @property
    def marks(self) -> Path:
        return self.path.with_suffix(".marks")


class Write(msgspec.Struct, kw_only=True):
    """One chunk to be written. `encode` gives its frame; `is_needed` is asked just before."""

    encode: Callable[[], bytes]
    is_needed: Callable[[], bool]
    written: Callable[[Segment, frames.Frame], None]
    """Called when it is on disk for sure, in the writer's thread."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk of a segment is done for one output; with `last`, for all."""

    segment: Segment
    chunk: int
    output: int
    last: bool


class Writer:
    def __init__(
        self, folder: Path, *, next_number: int, log: logging.Logger, failed: Callable[[OSError | None], None]
    ) -> None:
        """`failed` is called in the writer's thread: with the error when writing begins to fail, with None when it
        works again."""
        self._folder = folder
        self._next_number = next_number
        self._log = log
        self._failed = failed
        self._is_failing = False
        self._inbox: SimpleQueue[Write | Mark | None] = SimpleQueue()
        self._segment: Segment | None = None
        self._descriptor = -1
        self._marks: dict[Segment, int] = {}
        """Open marks files."""
        self._thread = threading.Thread(target=self._work, name="disk buffer", daemon=True)
        self._thread.start()

    def put(self, item: Write | Mark) -> None:
        self._inbox.put(item)

    def close(self, within: float) -> bool:
        """Writes what it was given, and ends. False when it could not in time. Blocks."""
        self._inbox.put(None)
        self._thread.join(within)
        return not self._thread.is_alive()

    # ── in the thread ────────────────────────────────────────────────────────────────────────────────────────────────
    def _work(self) -> None:
        writes: list[Write] = []
        ended = False
        while not ended:
            marks: list[Mark] = []
            for item in self._take(tries_again=self._is_failing):
                match item:
                    case None:
                        ended = True
                    case Write():
                        writes.append(item)
                    case Mark():
                        marks.append(item)
            writes = [write for write in writes if write.is_needed()]
            # Marks first: they free the space that the writes may need.
            self._write_marks(marks)
            writes = self._write_chunks(writes)
        self._leave()

    def _take(self, *, tries_again: bool) -> list[Write | Mark | None]:
        items: list[Write | Mark | None] = []
        with contextlib.suppress(Empty):
            items.append(self._inbox.get(timeout=RETRY_SECONDS if tries_again else None))
            while True:
                items.append(self._inbox.get_nowait())
        return items

    def _write_chunks(self, writes: list[Write]) -> list[Write]:
        """What could not be written. After a failure, also without anything to write: that it works again is news."""
        while writes or self._is_failing:
            done: list[tuple[Write, Segment, frames.Frame]] = []
            try:
                segment = self._open_segment()
                for write in writes:
                    done.append((write, segment, self._append(segment, write.encode())))
                    if segment.size >= SEGMENT_BYTES:
                        break
                os.fsync(self._descriptor)
            except OSError as error:
                self._forget_unsure()
                if not self._is_failing:
                    self._is_failing = True
                    self._failed(error)
                return writes
            if self._is_failing:
                self._is_failing = False
                self._failed(None)
            segment.live += len(done)
            segment.sure = segment.size
            for write, in_segment, frame in done:
                write.written(in_segment, frame)
            writes = writes[len(done) :]
        return []

    def _open_segment(self) -> Segment:
        segment = self._segment
        if segment is not None and segment.size < SEGMENT_BYTES:
            return segment
        self._finish_segment()
        segment = Segment(self._folder / f"{self._next_number:08}.chunks", self._next_number)
        self._descriptor = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._next_number += 1
        self._segment = segment
        _write_all(self._descriptor, frames.HEADER)
        segment.size = len(frames.HEADER)
        _sync_folder(self._folder)
        return segment

    def _append(self, segment: Segment, frame: bytes) -> frames.Frame:
        _write_all(self._descriptor, frame)
        [described] = frames.scan(frames.HEADER + frame)
        assert isinstance(described, frames.Frame)
        placed = msgspec.structs.replace(
            described, number=segment.written, offset=described.offset - len(frames.HEADER) + segment.size
        )
        segment.size += len(frame)
        segment.written += 1
        return placed

    def _forget_unsure(self) -> None:
        """After a failed write or fsync nobody knows what the file has: cut back to what was sure, and left alone."""
        if self._segment is None:
            return
        segment, self._segment = self._segment, None
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, segment.sure)
        os.close(self._descriptor)
        self._descriptor = -1
        self._delete_if_done(segment)

    def _finish_segment(self) -> None:
        if self._segment is None:
            return
        os.close(self._descriptor)
        segment, self._segment, self._descriptor = self._segment, None, -1
        self._delete_if_done(segment)

    def _write_marks(self, marks: list[Mark]) -> None:
        for mark in marks:
            try:
                descriptor = self._marks.get(mark.segment)
                if descriptor is None:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                    descriptor = self._marks[mark.segment] = os.open(mark.segment.marks, flags, 0o600)
                    if not os.fstat(descriptor).st_size:
                        _write_all(descriptor, frames.MARKS)
                _write_all(descriptor, frames.mark(mark.chunk, mark.output))
            except OSError as error:
                self._log.warning(
                    "cannot note that a chunk was delivered (%s): it may be sent again", error.strerror
                )
            if mark.last:
                mark.segment.live -= 1
                self._delete_if_done(mark.segment)

    def _delete_if_done(self, segment: Segment) -> None:
        if segment.live or segment is self._segment:
            return
        if (descriptor := self._marks.pop(segment, None)) is not None:
            os.close(descriptor)
        if segment.damaged:
            segment.path.rename(segment.path.with_suffix(".damaged"))
        else:
            segment.path.unlink(missing_ok=True)
        segment.marks.unlink(missing_ok=True)

    def _leave(self) -> None:
        self._finish_segment()
        for descriptor in self._marks.values():
            os.close(descriptor)
        self._marks.clear()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
