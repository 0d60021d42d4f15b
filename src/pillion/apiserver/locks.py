"""One writer per object at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from pillion.store import Key


class _Entry(msgspec.Struct):
    lock: asyncio.Lock
    users: int = 0


class KeyedLocks:
    """A lock per key, kept only while somebody has it or waits for it.

    The store knows an update is stale when it is handed over, and shows the winner only once it is durable: without
    a lock a retry would read the old object again until then.
    """

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}

    @asynccontextmanager
    async def holding(self, key: Key) -> AsyncIterator[None]:
        entry = self._entries.setdefault(key, _Entry(asyncio.Lock()))
        entry.users += 1
        try:
            async with entry.lock:
                yield
        finally:
            entry.users -= 1
            if not entry.users:
                del self._entries[key]
