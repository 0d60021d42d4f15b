"""Writing to stdout from a thread of its own: a reader that is slow, or gone, must not hold up the pods."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import IO

WAITING_LIMIT = 1 << 20
"""Bytes of log lines that may wait for the reader; then followers wait, and the log files are the buffer."""


class Output:
    """Lines in, in order; `room` waits while too much is under way. `broken` is called once if the reader has gone."""

    def __init__(self, stream: IO[bytes], broken: Callable[[], None]) -> None:
        self._stream = stream
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        self._waiting += len(data)
        if self._waiting > WAITING_LIMIT:
            self._has_room.clear()
        self._queue.put(data)

    async def room(self) -> None:
        await self._has_room.wait()

    async def close(self) -> None:
        """Wait until everything is written."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _write_all(self) -> None:
        is_broken = False
        while (data := self._queue.get()) is not None:
            if not is_broken:
                try:
                    self._stream.write(data)
                    if self._queue.empty():
                        self._stream.flush()
                except (OSError, ValueError):
                    is_broken = True
                    self._loop.call_soon_threadsafe(self._broken)
            self._loop.call_soon_threadsafe(self._written, len(data))

    def _written(self, size: int) -> None:
        self._waiting -= size
        if self._waiting <= WAITING_LIMIT:
            self._has_room.set()
