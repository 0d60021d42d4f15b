"""Reading container logs as they grow: across rotation, until the container has ended and its last line is read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

from pillion.containers.inotify import Folders
from pillion.containers.logfiles import CHUNK, LogFiles, LogOffset
from pillion.crilog import Decoder, Entry, Joiner, Stream, encode_entry

TAIL_BYTES = 64 * 1024


async def follow(
    path: Path, ended: asyncio.Event, folders: Folders, start: LogOffset | None = None
) -> AsyncIterator[tuple[list[Entry], LogOffset]]:
    """Whole lines as they are written, in batches, each with the offset to go on from after it.

    Set `ended` when the container has ended. A reader that falls behind goes on with the rotated files, compressed ones
    too. Only when rotation has removed a file before it was read, lines are missing; an entry on stderr says so in
    their place.
    """
    joiner = Joiner()
    decoder = Decoder()
    files = LogFiles(path, 0 if start is None else start)
    safe = end = files.offset(0)
    async with aclosing(_follow(files, decoder, path, ended, folders)) as parts:  # type: ignore[type-var]
        async for entries in parts:
            joined, held_back = _join(joiner, entries)
            end = files.offset(decoder.unfinished)
            if held_back is not None:
                safe = files.offset(decoder.unfinished + held_back)
            if joined:
                yield joined, safe
        rest = joiner.flush()
        if rest:
            yield rest, end


def _join(joiner: Joiner, entries: list[Entry]) -> tuple[list[Entry], int | None]:
    """The lines, and how many bytes of the log at the end are parts that who goes on must read again.

    None: so are all of these entries, and some before them.
    """
    if joiner.is_empty and not any(entry.partial for entry in entries):
        return entries, 0
    joined: list[Entry] = []
    first = None
    for index, entry in enumerate(entries, start=1):
        joined += joiner.join((entry,))
        if joiner.is_empty:
            first = index
    return joined, None if first is None else sum(len(encode_entry(entry)) for entry in entries[first:])


async def follow_parts(
    path: Path, ended: asyncio.Event, folders: Folders, *, start: int = 0
) -> AsyncIterator[list[Entry]]:
    """The same without joining: parts of a line come as soon as they are written. From byte `start` of the file."""
    async with aclosing(_follow(LogFiles(path, start), Decoder(), path, ended, folders)) as parts:  # type: ignore[type-var]
        async for entries in parts:
            yield entries


async def _follow(
    files: LogFiles, decoder: Decoder, path: Path, ended: asyncio.Event, folders: Folders
) -> AsyncIterator[list[Entry]]:
    with folders.watch(path.parent) as changed:
        try:
            if files.has_gap:
                yield [_gap(path)]
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
