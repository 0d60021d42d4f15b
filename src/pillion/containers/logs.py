"""Reading container logs as they grow: across rotation, until the container has ended and its last line is read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from pillion.containers.inotify import Folders
from pillion.crilog import Decoder, Entry, Joiner

CHUNK = 256 * 1024
TAIL_BYTES = 64 * 1024


async def follow(path: Path, ended: asyncio.Event, folders: Folders) -> AsyncIterator[list[Entry]]:
    """Whole lines as they are written, in batches.

    Ends when `ended` is set and everything is read. A rotated file (renamed away, a new one under the old name) is
    read to its end before the new one.
    """
    decoder, joiner = Decoder(), Joiner()
    with folders.watch(path.parent) as changed:
        stream = path.open("rb", buffering=0)
        following: BinaryIO | None = None
        try:
            while True:
                changed.clear()
                is_last = ended.is_set()
                chunk = os.read(stream.fileno(), CHUNK)
                if chunk:
                    entries = joiner.join(decoder.feed(chunk))
                    if entries:
                        yield entries
                    # One busy container must not keep the loop to itself.
                    await asyncio.sleep(0)
                    continue
                fresh = _successor(path, stream) if following is None else following
                if fresh is not None and following is None:
                    following = fresh  # the old file is complete only now: read on to its end once more
                elif fresh is not None:
                    stream.close()
                    stream, following = fresh, None
                elif is_last:
                    break
                else:
                    await _either(changed, ended)
            rest = joiner.flush()
            if rest:
                yield rest
        finally:
            stream.close()
            if following is not None:
                following.close()


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


def _successor(path: Path, stream: BinaryIO) -> BinaryIO | None:
    """The new file under this name, when the open one was moved away."""
    try:
        current = path.stat()
    except FileNotFoundError:
        return None  # between the rename and the writer's reopening
    opened = os.fstat(stream.fileno())
    if (current.st_dev, current.st_ino) == (opened.st_dev, opened.st_ino):
        return None
    return path.open("rb", buffering=0)


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    """Until one of them is set. `second` may be set already: then only `first` has news, or nothing will."""
    if second.is_set():
        return
    async with asyncio.TaskGroup() as tasks:
        waits = {tasks.create_task(first.wait()), tasks.create_task(second.wait())}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
