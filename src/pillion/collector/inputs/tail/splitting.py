"""From the bytes of a file, in pieces of any size, to whole lines. Pure.

What is left behind the last line end is kept until more comes, or until the file is over (`flush`). A line of more
than `limit` bytes is given out in fragments as it comes, cut between characters, so that it takes no more memory than
that. Zeros at the very beginning of a file are the hole that a writer without O_APPEND leaves after a truncation.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import msgspec

from pillion.collector.inputs.tail.encoding import Encoding
from pillion.collector.inputs.tail.identity import MARKER_BYTES


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Whole lines. The last may lack its line feed when it was flushed."""

    data: bytes
    start: int
    """Where it begins in the file."""
    end: int


class Fragment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a line that is too long."""

    data: bytes
    start: int
    end: int
    line_start: int
    ordinal: int
    """From 1, as Docker's partial_ordinal."""
    is_last: bool


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that are left out because the configuration says so: a part of a line that is too long."""

    start: int
    end: int
    is_last: bool


Piece = Run | Fragment | Skipped


class Overlong(Enum):
    """What becomes of a line that is too long."""

    SPLIT = "split"
    TRUNCATE = "truncate"
    SKIP = "skip"


class Splitter:
    """One file's content from `offset` on."""

    def __init__(self, offset: int, *, limit: int, overlong: Overlong, encoding: Encoding) -> None:
        self._limit = limit
        self._overlong = overlong
        self._encoding = encoding
        self._start = offset
        self._pending = b""
        self._at_head = offset == 0
        self._line_start = offset
        self._ordinal = 0
        """Of the fragment given out last; 0 when no line is being given out in fragments."""

    @property
    def offset(self) -> int:
        """Where the next byte to feed is in the file."""
        return self._start + len(self._pending)

    @property
    def pending(self) -> bytes:
        """What waits for its line's end."""
        return self._pending

    def skip_hole(self, offset: int) -> None:
        """The zeros up to `offset` need not be fed: nothing but zeros was, so far."""
        assert self.in_hole, "only zeros at the beginning of a file are a hole"
        self._start = self._line_start = offset

    @property
    def in_hole(self) -> bool:
        """Nothing but zeros was fed, and nothing is kept of them."""
        return self._at_head and not self._pending

    def feed(self, data: bytes, skip: int = 0) -> list[Piece]:
        """More of the file: `data[skip:]` is what was pending, again, and what comes behind it. (To read those few
        bytes twice costs less than to put two buffers together.)"""
        self._pending = b""
        cut = self._encoding.last_end(data, skip, len(data))
        if self._at_head or self._ordinal or cut - skip > self._limit or len(data) - cut > self._limit:
            buffer = data[skip:]
            return list(self._measured(self._without_hole(buffer) if self._at_head else buffer))
        if not cut:
            self._pending = data[skip:]
            return []
        self._pending = data[cut:]
        start, self._start = self._start, self._start + cut - skip
        return [Run(data=data[skip:cut], start=start, end=self._start)]

    def flush(self) -> list[Piece]:
        """The file is over: what is left is its last line."""
        rest, self._pending = self._pending, b""
        if not rest and not self._ordinal:
            return []
        if self._ordinal:
            return [self._fragment(rest, len(rest), is_last=True)]
        start, self._start = self._start, self._start + len(rest)
        return [Run(data=rest, start=start, end=self._start)]

    def _without_hole(self, buffer: bytes) -> bytes:
        rest = buffer.lstrip(b"\0")
        zeros = len(buffer) - len(rest)
        zeros -= zeros % self._encoding.width
        self._at_head = zeros == len(buffer)
        self._start += zeros
        self._line_start = self._start
        return buffer[zeros:]

    def _measured(self, buffer: bytes) -> Iterator[Piece]:
        """Line by line as far as needed: each step takes as many whole lines as fit into the limit."""
        at = run_from = 0
        while at < len(buffer):
            if self._ordinal:
                end = self._encoding.first_end(buffer, at)
                if (end or len(buffer)) - at > self._limit + (self._encoding.width if end else 0):
                    stop = self._encoding.boundary(buffer, at, at + self._limit)
                    yield self._fragment(buffer[at:stop], stop - at, is_last=False)
                    at = run_from = stop
                elif end:
                    yield self._fragment(buffer[at : end - self._encoding.width], end - at, is_last=True)
                    at = run_from = end
                else:
                    break
                continue
            last = self._encoding.last_end(buffer, at, at + self._limit + self._encoding.width)
            if last > at:
                at = last
                continue
            if len(buffer) - at <= self._limit:
                break
            yield from self._run(buffer, run_from, at)
            run_from = at
            self._line_start = self._start
            stop = self._encoding.boundary(buffer, at, at + self._limit)
            yield self._fragment(buffer[at:stop], stop - at, is_last=False)
            at = run_from = stop
        yield from self._run(buffer, run_from, at)
        self._pending = buffer[at:]

    def _run(self, buffer: bytes, start: int, stop: int) -> Iterator[Run]:
        if stop > start:
            begin, self._start = self._start, self._start + stop - start
            yield Run(data=buffer[start:stop], start=begin, end=self._start)

    def _fragment(self, data: bytes, taken: int, *, is_last: bool) -> Piece:
        """The next part of the long line; `taken` bytes of the file are it."""
        start, self._start = self._start, self._start + taken
        self._ordinal += 1
        ordinal = self._ordinal
        if is_last:
            self._ordinal = 0
        match self._overlong:
            case Overlong.SPLIT:
                return Fragment(
                    data=data,
                    start=start,
                    end=self._start,
                    line_start=self._line_start,
                    ordinal=ordinal,
                    is_last=is_last,
                )
            case Overlong.TRUNCATE if ordinal == 1:
                return Run(data=data, start=start, end=self._start)
            case Overlong.TRUNCATE | Overlong.SKIP:
                return Skipped(start=start, end=self._start, is_last=is_last)


def marker_of(piece: Piece) -> bytes:
    """The last bytes of a piece; empty when they are not there to be seen."""
    return piece.data[-MARKER_BYTES:] if isinstance(piece, Run) else b""
