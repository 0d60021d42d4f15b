"""Reads the log record by record, as it grows."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.remotewrite.frames import (
    HEAD_BYTES,
    MAGIC,
    Head,
    Kind,
    TornError,
    check,
    decode_batch,
    decode_series,
    parse_head,
)
from pillion.scraper.remotewrite.position import Position
from pillion.scraper.remotewrite.segments import heads

if TYPE_CHECKING:
    from pillion.scraper.remotewrite.log import WriteAheadLog
    from pillion.scraper.samples import Batch, SeriesSet

_KEPT_SERIES = 50_000
"""Most series of decoded sets that are kept for the next records."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    batch: Batch
    at: Position
    """Its own, `done` being what was settled of it before."""
    after: Position


class Cursor:
    """One reader's. `close` it."""

    def __init__(self, wal: WriteAheadLog, position: Position, log: logging.Logger) -> None:
        self._wal = wal
        self._log = log
        self._descriptor = -1
        self._definitions: dict[int, int] = {}
        """Of this segment: where a set is written down."""
        self._decoded: OrderedDict[int, SeriesSet] = OrderedDict()
        """Those that nobody scrapes any more, the latest ones used."""
        self.dropped = 0
        """Samples between the last record and the next one that are gone: for the reader to count and to clear."""
        self.position = position
        """Of the next record, as far as it is known."""
        self._done = position.done

    @property
    def appended(self) -> int:
        return self._wal.appended

    def read(self) -> Record | None:
        """None: there is nothing at the moment."""
        while True:
            number = self.position.segment
            found = self._wal.segment(number)
            if self._descriptor < 0:
                if found is None:
                    self._skip_to_next(number)
                    continue
                self._open(number)
                continue
            size = os.fstat(self._descriptor).st_size if found is None else found[1]
            record = self._next(size)
            if record is not None:
                return record
            if found is not None and found[2]:
                return None
            self._skip_to_next(number)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._definitions.clear()
        self._decoded.clear()

    def _skip_to_next(self, number: int) -> None:
        was_open = self._descriptor >= 0
        self.close()
        following, dropped = self._wal.after(number if was_open else number - 1)
        self.dropped += dropped
        if following != number:
            self._done = 0
            self.position = Position(following, 0)

    def _open(self, number: int) -> None:
        found = self._wal.segment(number)
        if found is None:
            return
        path, size, _ = found
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # removed in this moment: the next look says so
        begin = max(self.position.offset, len(MAGIC))
        for offset, head in heads(self._descriptor, min(begin, size)):
            if head.kind == Kind.SERIES:
                self._definitions[head.set] = offset
        self.position = Position(number, begin)

    def _next(self, size: int) -> Record | None:
        while True:
            offset = self.position.offset
            if offset + HEAD_BYTES > size:
                return None
            try:
                head, payload = self._record(offset)
                series = self._set(head.set) if head.kind == Kind.BATCH else None
            except TornError:
                self._log.error(
                    "segment %d of the write-ahead log is damaged at byte %d: the rest of it is skipped",
                    self.position.segment, offset,
                )  # fmt: skip
                self.position = Position(self.position.segment, size)
                return None
            after = Position(self.position.segment, offset + HEAD_BYTES + head.size)
            if series is None:
                self._definitions[head.set] = offset
                self.position = after
                continue
            at = Position(self.position.segment, offset, self._done)
            batch = decode_batch(payload, series, head.time)
            self._done = 0
            self.position = after
            return Record(batch=batch, at=at, after=after)

    def _record(self, offset: int) -> tuple[Head, bytes]:
        """Raises TornError."""
        raw = os.pread(self._descriptor, HEAD_BYTES, offset)
        head = parse_head(raw)
        payload = os.pread(self._descriptor, head.size, offset + HEAD_BYTES)
        check(raw, payload)
        return head, payload

    def _set(self, number: int) -> SeriesSet:
        """Raises TornError."""
        known = self._wal.known_set(self.position.segment, number)
        if known is not None:
            return known
        found = self._decoded.pop(number, None)
        if found is None:
            if number not in self._definitions:
                raise TornError
            found = decode_series(self._record(self._definitions[number])[1])
        self._decoded[number] = found
        while len(self._decoded) > 1 and sum(map(len, self._decoded.values())) > _KEPT_SERIES:
            self._decoded.popitem(last=False)
        return found
