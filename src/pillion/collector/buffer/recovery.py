"""What an earlier run left on disk."""

from __future__ import annotations

import contextlib
import mmap
import re
from pathlib import Path

import msgspec

from pillion.collector.buffer import frames
from pillion.collector.buffer.chunks import StoredChunk
from pillion.collector.buffer.writing import Segment

_NAME = re.compile(r"(\d{8,})\.chunks")


class Recovered(msgspec.Struct, kw_only=True):
    chunks: list[StoredChunk] = msgspec.field(default_factory=list)
    """In the order they were written."""
    last_number: int = 0
    """The highest of a segment."""
    damaged: dict[Path, int] = msgspec.field(default_factory=dict)
    """Bytes that are not whole chunks, by file. At the end of the last file they are what was being written when the
    process ended: nobody was told that it was on disk, so nothing is lost by it."""
    refused: dict[Path, str] = msgspec.field(default_factory=dict)
    """Files that cannot be read, and why."""


def recover(folder: Path) -> Recovered:
    """Deletes segments of which everything is delivered."""
    recovered = Recovered()
    for path in sorted(folder.glob("*.chunks")):
        if not (found := _NAME.fullmatch(path.name)):
            continue
        segment = Segment(path, int(found[1]))
        recovered.last_number = max(recovered.last_number, segment.number)
        try:
            recovered.chunks += _recover_segment(segment, recovered)
        except OSError as error:
            recovered.refused[path] = error.strerror or str(error)
    return recovered


def _recover_segment(segment: Segment, recovered: Recovered) -> list[StoredChunk]:
    chunks: list[StoredChunk] = []
    with segment.path.open("rb") as file:
        header = file.read(len(frames.HEADER))
        if header != frames.HEADER:
            if not frames.HEADER.startswith(header):
                recovered.refused[segment.path] = "it is of another version"
                return []
            segment.path.unlink()  # the process ended while it wrote the header: there is nothing more
            return []
        done: set[tuple[int, int]] = set()
        with contextlib.suppress(FileNotFoundError):
            done = frames.marks(segment.marks.read_bytes())
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            for found in frames.scan(mapped):
                if isinstance(found, int):
                    recovered.damaged[segment.path] = recovered.damaged.get(segment.path, 0) + found
                    continue
                chunk = StoredChunk(found.label, None)
                chunk.place(segment, found)
                chunk.pending -= {output for number, output in done if number == found.number}
                if chunk.pending:
                    chunks.append(chunk)
    segment.live = len(chunks)
    if not chunks:
        segment.path.unlink()
        segment.marks.unlink(missing_ok=True)
    return chunks
