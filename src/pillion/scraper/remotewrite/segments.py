"""The files of the log: which there are, what is in them, and where the last one ends after a crash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pillion.errors import HostError
from pillion.scraper.remotewrite.frames import HEAD_BYTES, MAGIC, Head, Kind, TornError, check, parse_head


class Segment(msgspec.Struct, kw_only=True):
    """Of the one that is being written, it grows."""

    number: int
    path: Path
    size: int
    samples: int = 0
    newest: int = 0
    """The latest time of a batch in it, milliseconds."""
    began: float = 0.0
    """When it was begun, seconds since the epoch; 0: by an earlier process."""

    def count(self, head: Head) -> None:
        if head.kind == Kind.BATCH:
            self.samples += head.samples
            self.newest = max(self.newest, head.time)


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}"


def find_segments(folder: Path) -> tuple[list[Segment], int]:
    """Those of earlier processes, oldest first, the end of the last one cut off where it is torn; and the next number.

    Files of somebody else (Prometheus calls its segments the same) are left alone. Raises HostError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = sorted(int(entry.name) for entry in os.scandir(folder) if entry.name.isdigit())
        found = [_read(folder, number, is_last=number == numbers[-1]) for number in numbers]
    except OSError as error:
        raise HostError(f"cannot use the write-ahead log in {folder}: {error.strerror}") from error
    return [segment for segment in found if segment is not None], max(numbers, default=0) + 1


def _read(folder: Path, number: int, *, is_last: bool) -> Segment | None:
    """None: it is none of ours."""
    path = segment_path(folder, number)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        segment = Segment(number=number, path=path, size=len(MAGIC))
        if size < len(MAGIC) or os.pread(descriptor, len(MAGIC), 0) != MAGIC:
            return None
        for offset, head in heads(descriptor, size):
            if is_last:
                whole = os.pread(descriptor, HEAD_BYTES + head.size, offset)
                try:
                    check(whole[:HEAD_BYTES], whole[HEAD_BYTES:])
                except TornError:
                    break
            segment.count(head)
            segment.size = offset + HEAD_BYTES + head.size
        if segment.size < size:
            os.ftruncate(descriptor, segment.size)
    finally:
        os.close(descriptor)
    return segment


def heads(descriptor: int, size: int) -> Iterator[tuple[int, Head]]:
    """Of every record that is there in full, with its offset."""
    offset = len(MAGIC)
    while offset + HEAD_BYTES <= size:
        try:
            head = parse_head(os.pread(descriptor, HEAD_BYTES, offset))
        except TornError:
            return
        end = offset + HEAD_BYTES + head.size
        if end > size:
            return
        yield offset, head
        offset = end
