"""The files of one container log, read in the order they were written, from any place in them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import IO, cast

import msgspec

from pillion.containers.rotation import MAX_FILES, rotated

CHUNK = 256 * 1024
_COMPRESSED = ".gz"


class LogOffset(msgspec.Struct, frozen=True, kw_only=True):
    """A place between two lines of a log. Rotation moves it with its file."""

    inode: int
    """Of the file, while it is not compressed."""
    stem: str = ""
    """Its name, once it is rotated; without the end that says that it is compressed."""
    offset: int
    """Bytes; of the text, in a compressed one."""


class LogFiles:
    """The files of one log in the order they were written: rotated ones, then the present one."""

    def __init__(self, path: Path, start: int | LogOffset = 0) -> None:
        """From byte `start` of the present file, or from an offset that was read up to earlier. Raises OSError."""
        self._path = path
        self.has_gap = False
        """Lines are missing before what is read next."""
        self._queue: list[Path] = []
        self._stem = ""
        self._stream = self._open_present()
        if isinstance(start, LogOffset):
            self._go_back_to(start)
        else:
            self._stream.seek(start)

    def read(self) -> bytes:
        return self._stream.read(CHUNK)

    def close(self) -> None:
        self._stream.close()

    def offset(self, unread: int) -> LogOffset:
        """Where reading is, less the bytes at its end that nobody has seen as lines yet."""
        inode = os.fstat(self._stream.fileno()).st_ino
        return LogOffset(inode=inode, stem=self._stem, offset=max(0, self._stream.tell() - unread))

    def _go_back_to(self, start: LogOffset) -> None:
        """The file may have another name by now, or be compressed."""
        if not start.stem and _inode(self._path) == start.inode and self._begins_line(start.offset):
            return
        files = rotated(self._path)
        for index, file in enumerate(files):
            if _stem(file) == start.stem or (not start.stem and _inode(file) == start.inode):
                self._stream.close()
                self._stream = _open_rotated(file)
                self._stem = _stem(file)
                self._is_present = False
                self._before = {_stem(read) for read in files[: index + 1]}
                if self._begins_line(start.offset):
                    return
                break
        self.has_gap = True
        self._stream.close()
        self._stream = self._open_present()

    def _begins_line(self, offset: int) -> bool:
        """Go there. False when it is another file, which got the inode of one that is gone: no line ends there."""
        self._stream.seek(max(0, offset - 1))
        return offset == 0 or self._stream.read(1) == b"\n"

    def go_on(self) -> bool:
        """At the end of a file: whether there is more to read in another, or in this one after all."""
        self.has_gap = False
        if not self._is_present:
            self._next()
            return True
        later = self._later()
        if later is None:
            return False
        # Its writer may have added to it between our last read and its rotation: read to the end once more.
        rest = self._stream.read(1)
        if rest:
            self._stream.seek(-1, os.SEEK_CUR)
            return True
        self._queue = later
        self._next()
        return True

    def _open_present(self) -> IO[bytes]:
        self._before = {_stem(file) for file in rotated(self._path)}
        self._is_present = True
        self._stem = ""
        return self._path.open("rb", buffering=0)

    def _later(self) -> list[Path] | None:
        """Rotated files that are newer than the open one; None while the open one is the present one."""
        status = os.fstat(self._stream.fileno())
        opened = (status.st_dev, status.st_ino)
        try:
            present = self._path.stat()
        except FileNotFoundError:
            return None  # between the rename and the writer's reopening
        if (present.st_dev, present.st_ino) == opened:
            return None
        fresh = [file for file in rotated(self._path) if _stem(file) not in self._before]
        if fresh and self._is_open_one(fresh[0], opened, len(fresh)):
            self._before.add(_stem(fresh[0]))
            return fresh[1:]
        self.has_gap = True
        return fresh

    @staticmethod
    def _is_open_one(file: Path, opened: tuple[int, int], count: int) -> bool:
        if file.suffix == _COMPRESSED:
            return count < MAX_FILES - 1  # with fewer, nothing was removed yet, and the first is ours
        try:
            status = file.stat()
        except FileNotFoundError:
            return count < MAX_FILES - 1
        return (status.st_dev, status.st_ino) == opened

    def _next(self) -> None:
        self._stream.close()
        while self._queue:
            file = self._queue.pop(0)
            try:
                self._stream = _open_rotated(file)
            except FileNotFoundError:
                self.has_gap = True
            else:
                self._is_present = False
                self._stem = _stem(file)
                self._before.add(self._stem)
                return
        later = [file for file in rotated(self._path) if _stem(file) not in self._before]
        if not self._is_present and later:
            self._queue = later
            self._next()
            return
        self._stream = self._open_present()


def _open_rotated(file: Path) -> IO[bytes]:
    """Raises FileNotFoundError when rotation has removed it. It may be compressed while one looks."""
    if file.suffix != _COMPRESSED:
        try:
            return file.open("rb", buffering=0)
        except FileNotFoundError:
            file = file.with_name(file.name + _COMPRESSED)
    return cast("IO[bytes]", gzip.open(file, "rb"))


def _inode(file: Path) -> int:
    """0 when it is gone."""
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return 0


def _stem(file: Path) -> str:
    return file.name.removesuffix(_COMPRESSED)
