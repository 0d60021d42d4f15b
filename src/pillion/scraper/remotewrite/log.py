"""The write-ahead log: every batch, until all destinations have it, within bounds of bytes and age.

`append` writes before it returns: what it has taken survives the end of this process. It is on the disk after at most
SYNC_SECONDS (a power failure loses that much), or when a segment is complete. Beyond the bounds, the oldest segment
goes, and destinations count what they had not sent of it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary

from pillion.errors import HostError
from pillion.scraper.remotewrite.frames import MAGIC, Kind, batch_frame, series_frame
from pillion.scraper.remotewrite.position import Position
from pillion.scraper.remotewrite.segments import Segment, find_segments, heads, segment_path

if TYPE_CHECKING:
    from pillion.clock import Clock
    from pillion.scraper.samples import Batch, SeriesSet

SYNC_SECONDS = 10.0
_PARTS = 16
"""Segments that the bounds are divided into: what is dropped at once when one is reached."""
_LARGEST_SEGMENT = 16 << 20


class WriteAheadLog:
    def __init__(
        self, folder: Path, clock: Clock, log: logging.Logger, *, limit_bytes: int, max_age: float
    ) -> None:
        """`max_age` in seconds. Raises HostError when the folder cannot be used."""
        self._folder = folder
        self._clock = clock
        self._log = log
        self._limit = limit_bytes
        self._max_age = max_age
        self._segment_bytes = max(64 << 10, min(_LARGEST_SEGMENT, limit_bytes // _PARTS))
        self.grown = threading.Condition()
        """Notified when there is more, and by whoever wants waiting readers to look around."""
        self._segments, self.first_own = find_segments(folder)
        """`first_own`: the first segment of this process; only in those, numbers of sets are ours."""
        self._gone: dict[int, int] = {}
        """Segments that were dropped before everybody had them, and how many samples they held."""
        self._numbers: WeakKeyDictionary[SeriesSet, int] = WeakKeyDictionary()
        self._sets: WeakValueDictionary[int, SeriesSet] = WeakValueDictionary()
        self._next_set = 1
        self._defined: set[int] = set()
        self._descriptor = -1
        self._failed = ""
        self.appended = 0
        """Samples, by this process."""
        self.lost = 0
        """Samples that could not be written."""
        self.highest = 0
        """The newest time that was appended; milliseconds."""
        self._begin(self.first_own)

    # ── writing: one thread ──────────────────────────────────────────────────────────────────────────────────────────
    def append(self, batch: Batch) -> None:
        """What cannot be written, for the disk is full, is counted as lost: scraping goes on."""
        segment = self._segments[-1]
        if segment.samples and self._is_complete(segment):
            self._begin(segment.number + 1)
        frames = self._frames(batch)
        try:
            self._write(frames)
        except HostError as error:
            self.lost += len(batch.series)
            if not self._failed:
                self._failed = str(error)
                self._log.error("%s: samples are lost until that is over", error)
            return
        if self._failed:
            self._failed = ""
            self._log.info("the write-ahead log can be written again")
        self.appended += len(batch.series)
        self.highest = max(self.highest, batch.time)
        with self.grown:
            segment = self._segments[-1]
            segment.size += len(frames)
            segment.samples += len(batch.series)
            segment.newest = max(segment.newest, batch.time)
            self.grown.notify_all()

    def sync(self) -> None:
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _frames(self, batch: Batch) -> bytes:
        number = self._numbers.get(batch.series)
        if number is None:
            number = self._next_set
            self._next_set += 1
            with self.grown:
                self._numbers[batch.series] = number
                self._sets[number] = batch.series
        frame = batch_frame(number, batch)
        if number in self._defined:
            return frame
        self._defined.add(number)
        return series_frame(number, batch.series) + frame

    def _write(self, data: bytes) -> None:
        """All or nothing."""
        segment = self._segments[-1]
        try:
            written = os.pwrite(self._descriptor, data, segment.size)
            if written < len(data):
                raise OSError(28, "No space left on device")
        except OSError as error:
            # Definitions that were to be in it are not; the next batch brings them again.
            self._defined.clear()
            os.ftruncate(self._descriptor, segment.size)
            raise HostError(f"cannot write {segment.path}: {error.strerror}") from error

    def _is_complete(self, segment: Segment) -> bool:
        age = self._clock.now() - segment.began
        return segment.size >= self._segment_bytes or age > self._max_age / _PARTS

    def _begin(self, number: int) -> None:
        path = segment_path(self._folder, number)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            os.pwrite(descriptor, MAGIC, 0)
        except OSError as error:
            if self._descriptor < 0:
                raise HostError(f"cannot write {path}: {error.strerror}") from error
            return  # The complete one goes on: writing to it will say what is wrong.
        self.close()
        self._descriptor = descriptor
        self._defined.clear()
        begun = Segment(number=number, path=path, size=len(MAGIC), began=self._clock.now())
        with self.grown:
            self._segments.append(begun)

    # ── reading: any thread ──────────────────────────────────────────────────────────────────────────────────────────
    @property
    def end(self) -> Position:
        with self.grown:
            return Position(self._segments[-1].number, self._segments[-1].size)

    @property
    def size_bytes(self) -> int:
        with self.grown:
            return sum(segment.size for segment in self._segments)

    @property
    def segments(self) -> tuple[int, int]:
        """The numbers of the oldest and of the one that is written."""
        with self.grown:
            return self._segments[0].number, self._segments[-1].number

    def segment(self, number: int) -> tuple[Path, int, bool] | None:
        """Where it is, how much of it is written, whether it will grow. None: there is none."""
        with self.grown:
            for found in self._segments:
                if found.number == number:
                    return found.path, found.size, found is self._segments[-1]
        return None

    def after(self, number: int) -> tuple[int, int]:
        """The next segment there is, and how many samples were in those between that were dropped."""
        with self.grown:
            following = next(found.number for found in self._segments if found.number > number)
            lost = sum(count for gone, count in self._gone.items() if number < gone < following)
        return following, lost

    def knows(self, position: Position) -> bool:
        """False: it is of another log, which somebody has removed."""
        with self.grown:
            last = self._segments[-1].number
            sizes = {found.number: found.size for found in self._segments}
        return position.segment <= last and position.offset <= sizes.get(position.segment, position.offset)

    def samples_from(self, position: Position) -> int:
        """How many samples there are from a position on. Reads its segment."""
        with self.grown:
            following = [found for found in self._segments if found.number >= position.segment]
            total = sum(found.samples for found in following)
        if not following or following[0].number != position.segment:
            return total
        with following[0].path.open("rb") as file:
            before = sum(head.samples for offset, head in heads(file.fileno(), position.offset)
                         if head.kind == Kind.BATCH)  # fmt: skip
        return total - before - position.done

    def scraped_sets(self) -> list[SeriesSet]:
        """That have been appended and that somebody still has."""
        with self.grown:
            return list(self._numbers)

    def known_set(self, segment: int, number: int) -> SeriesSet | None:
        """The set itself, if it was written by this process and somebody still scrapes it."""
        if segment < self.first_own:
            return None
        with self.grown:
            return self._sets.get(number)

    # ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def trim(self, needed: Iterable[Position]) -> None:
        """Remove what every destination has, and the oldest beyond the bounds. The current segment stays."""
        least = min((position.segment for position in needed), default=self.end.segment)
        too_old = (self._clock.now() - self._max_age) * 1000
        with self.grown:
            size = sum(segment.size for segment in self._segments)
            removed = []
            while len(self._segments) > 1:
                oldest = self._segments[0]
                if oldest.number >= least:
                    if size <= self._limit and oldest.newest >= too_old:
                        break
                    self._gone[oldest.number] = oldest.samples
                size -= oldest.size
                removed.append(self._segments.pop(0))
            for number in [number for number in self._gone if number < least]:
                del self._gone[number]
        for segment in removed:
            segment.path.unlink(missing_ok=True)
        dropped = sum(self._gone.get(segment.number, 0) for segment in removed)
        if dropped:
            self._log.warning(
                "the write-ahead log is beyond its bounds (%d MB, %g s): dropped the oldest %d samples",
                self._limit >> 20, self._max_age, dropped,
            )  # fmt: skip
