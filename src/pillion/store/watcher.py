"""One watch: a bounded queue with one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from enum import Enum, auto

from pillion.errors import Bug
from pillion.store.protocol import Change, CompactedError

QUEUE_LIMIT = 4096
"""Changes a watcher may be behind: more than one commit brings, so that nobody falls behind within one turn."""


class _End(Enum):
    NOT_YET = auto()
    CLOSED = auto()
    TOO_SLOW = auto()


class Watcher:
    """The changes of one resource, of one namespace or all. A `Watch`."""

    def __init__(self, namespace: str | None, backlog: Iterable[Change]) -> None:
        self._namespace = namespace
        self._queue = deque(change for change in backlog if self._wants(change))
        # Who begins in the past gets all of it, and the same patience from there.
        self._limit = len(self._queue) + QUEUE_LIMIT
        self._reader: asyncio.Future[None] | None = None
        self._end = _End.NOT_YET

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Change:
        if self._reader is not None:
            raise Bug("cannot read a watch: somebody else is reading it")
        while not self._queue:
            if self._end is _End.TOO_SLOW:
                raise CompactedError(f"cannot go on with the watch: it fell {self._limit} changes behind")
            if self._end is _End.CLOSED:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._queue.popleft()

    def put(self, change: Change) -> None:
        if self._end is not _End.NOT_YET or not self._wants(change):
            return
        if len(self._queue) >= self._limit:
            # What it has not read would be of no use without the rest.
            self._finish(_End.TOO_SLOW)
            return
        self._queue.append(change)
        self._wake()

    def close(self) -> None:
        if self._end is _End.NOT_YET:
            self._finish(_End.CLOSED)

    def _finish(self, end: _End) -> None:
        self._end = end
        self._queue.clear()
        self._wake()

    def _wants(self, change: Change) -> bool:
        return self._namespace is None or change.stored.key.namespace == self._namespace

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
