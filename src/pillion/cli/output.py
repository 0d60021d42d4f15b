"""Writing to stdout from a thread of its own: a reader that is slow, or gone, must not hold up the pods."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable

from pillion.errors import HostError

WAITING_LIMIT = 1 << 20
"""Bytes that may wait for the reader; then followers of logs wait, and the log files are the buffer."""
STDOUT = 1
PATIENCE = 1.0
"""Seconds a reader has for the rest when pillion was told to end at once."""


def stdout_descriptor() -> int:
    """Where to write to. Raises HostError when there is no stdout: something else may have its number by now."""
    if sys.stdout is None:
        raise HostError(
            "cannot write to standard output: it is closed; send it to /dev/null if nobody reads it"
        )
    return STDOUT


class Output:
    """Bytes in, in order; `room` waits while too much is under way. `broken` is called once if writing fails.

    The descriptor is written to directly: a thread that is stuck in `sys.stdout` would not let the process end.
    """

    def __init__(self, descriptor: int, broken: Callable[[OSError], None]) -> None:
        self._descriptor = descriptor
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[bytes, Callable[[], None] | None] | None] = queue.SimpleQueue()
        self._waiting = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_hurried = False
        self._closing: asyncio.Timeout | None = None
        self._ended = asyncio.Event()
        threading.Thread(target=self._write_all, name="output", daemon=True).start()

    @property
    def has_room(self) -> bool:
        return self._waiting <= WAITING_LIMIT

    def write(self, data: bytes, written: Callable[[], None] | None = None) -> None:
        """`written` is called when they are, in the thread that has done it; never, when that fails."""
        if self._is_hurried and not self.has_room:
            return  # nobody reads, and nobody waits for them any more
        self._waiting += len(data)
        if not self.has_room:
            self._has_room.clear()
        self._queue.put((data, written))

    async def room(self) -> None:
        if not self._is_hurried:
            await self._has_room.wait()

    def hurry(self) -> None:
        """Wait for a slow reader no longer; what does not get through is lost."""
        if not self._is_hurried:
            self._is_hurried = True
            self._has_room.set()
            if self._closing is not None:
                self._closing.reschedule(self._loop.time() + PATIENCE)

    async def close(self) -> None:
        """Wait until everything is written; when hurried, only as long as the patience lasts."""
        self._queue.put(None)
        self._closing = asyncio.timeout(PATIENCE if self._is_hurried else None)
        with contextlib.suppress(TimeoutError):
            async with self._closing:
                await self._ended.wait()

    def _write_all(self) -> None:
        is_broken = False
        while (job := self._queue.get()) is not None:
            data, written = job
            if not is_broken:
                try:
                    _write(self._descriptor, data)
                except OSError as error:
                    is_broken = True
                    self._call(self._broken, error)
                else:
                    if written is not None:
                        written()
            self._call(self._written, len(data))
        self._call(self._ended.set)

    def _call(self, callback: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has given up on this thread, and is closed
            self._loop.call_soon_threadsafe(callback, *args)

    def _written(self, size: int) -> None:
        self._waiting -= size
        if self.has_room:
            self._has_room.set()


def _write(descriptor: int, data: bytes) -> None:
    """All of it: a pipe may take less at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
