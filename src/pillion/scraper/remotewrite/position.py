"""How far a destination has come in the log: one small file, written in one piece after every answer.

It is no more durable than the log: after `kill -9` it is exact, after a power failure it may lie some seconds back.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from pillion.errors import HostError

_MAGIC = b"PILLPOS\x01"
_HEAD = struct.Struct("<8sII")
_ONE = struct.Struct("<QQI")


class Position(NamedTuple):
    segment: int
    offset: int
    """Of a record in its segment; 0: the segment's first."""
    done: int = 0
    """Series of that record's set that are settled: the next is at this index."""


class PositionFile:
    """One position for each shard."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._content = b""

    def load(self) -> tuple[Position, ...]:
        """Empty when there is none, or nothing that makes sense."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise HostError(f"cannot read {self._path}: {error.strerror}") from error
        if len(data) < _HEAD.size:
            return ()
        magic, checksum, count = _HEAD.unpack_from(data)
        body = data[_HEAD.size : _HEAD.size + count * _ONE.size]
        if magic != _MAGIC or len(body) != count * _ONE.size or zlib.crc32(body) != checksum:
            return ()
        return tuple(Position(*found) for found in _ONE.iter_unpack(body))

    def save(self, positions: tuple[Position, ...]) -> None:
        """Raises HostError."""
        body = b"".join([_ONE.pack(*position) for position in positions])
        content = _HEAD.pack(_MAGIC, zlib.crc32(body), len(positions)) + body
        if content == self._content:
            return
        try:
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o600)
            os.pwrite(self._descriptor, content, 0)
        except OSError as error:
            raise HostError(f"cannot write {self._path}: {error.strerror}") from error
        self._content = content

    def sync(self) -> None:
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
