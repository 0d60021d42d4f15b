"""Reading container logs as they grow: across rotation, until the container has ended and its last line is read."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import IO, cast

from pillion.containers.inotify import Folders
from pillion.containers.rotation import MAX_FILES, rotated
from pillion.crilog import Decoder, Entry, Joiner, Stream

CHUNK = 256 * 1024
TAIL_BYTES = 64 * 1024
_COMPRESSED = ".gz"


async def follow(path: Path, ended: asyncio.Event, folders: Folders) -> AsyncIterator[list[Entry]]:
    """Whole lines as they are written, in batches. Set `ended` when the container has ended.

    A reader that falls behind goes on with the rotated files, compressed ones too. Only when rotation has removed a
    file before it was read, lines are missing; an entry on stderr says so in their place.
    """
    joiner = Joiner()
    async with aclosing(follow_parts(path, ended, folders)) as parts:  # type: ignore[type-var]
        async for entries in parts:
            joined = joiner.join(entries)
            if joined:
                yield joined
    rest = joiner.flush()
    if rest:
        yield rest


async def follow_parts(
    path: Path, ended: asyncio.Event, folders: Folders, *, start: int = 0
) -> AsyncIterator[list[Entry]]:
    """The same without joining: parts of a line come as soon as they are written. From byte `start` of the file."""
    decoder = Decoder()
    files = _Files(path, start)
    with folders.watch(path.parent) as changed:
        try:
            while True:
                changed.clear()
                is_last = ended.is_set()
                chunk = files.read()
                if chunk:
                    entries = decoder.feed(chunk)
                    if entries:
                        yield entries
                    await asyncio.sleep(0)  # one busy container must not keep the loop to itself
                elif files.go_on():
                    if files.has_gap:
                        yield [_gap(path)]
                elif is_last:
                    break
                else:
                    await _either(changed, ended)
        finally:
            files.close()


def read_parts(path: Path, *, start: int = 0) -> Iterator[list[Entry]]:
    """What is in this one file now, in batches. Raises OSError."""
    decoder = Decoder()
    with path.open("rb", buffering=0) as stream:
        left = os.fstat(stream.fileno()).st_size - start
        stream.seek(start)
        while left > 0 and (chunk := stream.read(min(left, CHUNK))):
            left -= len(chunk)
            yield decoder.feed(chunk)


def find_tail(path: Path, count: int) -> int:
    """The offset at which the last `count` lines of the file begin; its end for 0. Raises OSError.

    Lines of the file, as the kubelet counts them: parts of one line are several (cri-client: logs/tail.go).
    """
    with path.open("rb", buffering=0) as stream:
        at = stream.seek(0, os.SEEK_END)
        if count == 0:
            return at
        left = count + 1  # the newline before the first of them is wanted
        while at > 0:
            begin = max(0, at - TAIL_BYTES)
            stream.seek(begin)
            block = stream.read(at - begin)
            newlines = block.count(b"\n")
            if newlines >= left:
                return begin + _nth_from_end(block, left) + 1
            left -= newlines
            at = begin
        return 0


def _nth_from_end(block: bytes, count: int) -> int:
    at = len(block)
    for _ in range(count):
        at = block.rfind(b"\n", 0, at)
    return at


class _Files:
    """The files of one log in the order they were written: rotated ones, then the present one."""

    def __init__(self, path: Path, start: int = 0) -> None:
        self._path = path
        self.has_gap = False
        self._queue: list[Path] = []
        self._stream = self._open_present()
        self._stream.seek(start)

    def read(self) -> bytes:
        return self._stream.read(CHUNK)

    def close(self) -> None:
        self._stream.close()

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
                self._before.add(_stem(file))
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


def _stem(file: Path) -> str:
    return file.name.removesuffix(_COMPRESSED)


def _gap(path: Path) -> Entry:
    text = f"[pillion: lines are missing here: {path.name} was rotated away before it was read]"
    return Entry("", Stream.STDERR, False, text.encode())  # noqa: FBT003 - a struct's field


def tail(path: Path, count: int) -> list[Entry]:
    """The last whole lines of a log file; none when there is no file."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            start = max(0, stream.tell() - TAIL_BYTES)
            stream.seek(start)
            data = stream.read()
    except OSError:
        return []
    if start:
        data = data.partition(b"\n")[2]
    joiner = Joiner()
    entries = [*joiner.join(Decoder().feed(data)), *joiner.flush()]
    return entries[-count:]


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    """Until one of them is set. When `second` is set already, only a last look is left: do not wait."""
    if second.is_set():
        return
    async with asyncio.TaskGroup() as tasks:
        waits = {tasks.create_task(first.wait()), tasks.create_task(second.wait())}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
