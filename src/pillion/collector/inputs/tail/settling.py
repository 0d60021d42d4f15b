"""From acknowledgements in any order to the offset before which everything is acknowledged. Pure.

One per file and generation of its content: what was read before a truncation settles nothing of what came after it.
"""

from __future__ import annotations

from collections import deque

from pillion.collector.inputs.tail.identity import MARKER_BYTES


class Claim:
    """A piece of a file that was handed over."""

    __slots__ = ("end", "is_settled", "marker", "read_at")

    def __init__(self, end: int, marker: bytes, read_at: float) -> None:
        self.end = end
        self.marker = marker
        self.read_at = read_at
        self.is_settled = False


class Settling:
    """The claims of one file, in the order of its content."""

    def __init__(self, offset: int, marker: bytes = b"") -> None:
        self._open: deque[Claim] = deque()
        self.offset = offset
        """Everything before it is settled."""
        self.marker = marker
        """The bytes just before it; empty when not known."""

    def claim(self, end: int, marker: bytes, read_at: float) -> Claim:
        """A piece that reaches to `end`, read at `read_at`. `end` is never less than that of the claim before."""
        assert end >= self.claimed, "claims are made in the order of the file"
        claim = Claim(end, marker[-MARKER_BYTES:], read_at)
        self._open.append(claim)
        return claim

    def settle(self, claim: Claim) -> bool:
        """`claim` needs no more care. Returns whether `offset` moved."""
        assert not claim.is_settled, "a claim is settled once"
        claim.is_settled = True
        before = self.offset
        while self._open and self._open[0].is_settled:
            done = self._open.popleft()
            if done.end > self.offset or done.marker:
                self.marker = done.marker
            self.offset = done.end
        return self.offset != before

    @property
    def claimed(self) -> int:
        """Everything before it was handed over."""
        return self._open[-1].end if self._open else self.offset

    @property
    def is_settled(self) -> bool:
        """Nothing that was handed over is still open."""
        return not self._open

    @property
    def oldest(self) -> float | None:
        """When the oldest piece that is not settled was read."""
        return self._open[0].read_at if self._open else None
