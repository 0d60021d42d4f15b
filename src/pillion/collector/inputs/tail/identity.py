"""Which file is which: device and inode, and how its content begins. Pure.

A name says nothing (files are renamed), an inode not enough (it is used again once its file is gone), so content is
compared too: the head, by a digest of as many of its first bytes as were there (it grows with the file, so that files
smaller than it have an identity as well), and the marker, the last bytes before the place we have come to. A file that
was truncated and has grown past that place differs in at least one of the two, unless its writer repeats itself.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import msgspec

HEAD_BYTES = 1024
MARKER_BYTES = 64


class FileId(NamedTuple):
    device: int
    inode: int


class Fingerprint(msgspec.Struct, frozen=True):
    """A digest of the first `size` bytes of a file. Of an empty file it says nothing."""

    size: int = 0
    digest: bytes = b""

    def matches(self, head: bytes) -> bool:
        """Whether a file that begins with `head` (HEAD_BYTES of it, or all there is) is this one."""
        return len(head) >= self.size and (not self.size or _digest(head[: self.size]) == self.digest)

    def grown(self, head: bytes) -> Fingerprint:
        """Of as much of `head` as counts. `head` must match."""
        size = min(len(head), HEAD_BYTES)
        return self if size <= self.size else Fingerprint(size, _digest(head[:size]))


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a file, and what tells the file from another: the whole of a checkpoint."""

    offset: int
    fingerprint: Fingerprint = Fingerprint()
    marker: bytes = b""
    """The bytes just before `offset`; empty when they are not known."""

    def marker_at(self) -> int:
        """Where the marker begins."""
        return self.offset - len(self.marker)

    def holds(self, *, size: int, head: bytes, marker: bytes) -> bool:
        """Whether a file of `size` bytes with this head, and `marker` at `marker_at`, still has what was read of it."""
        return size >= self.offset and self.fingerprint.matches(head) and marker == self.marker
