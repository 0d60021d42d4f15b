"""An input's share of the buffer: how much it may have on its way. A full share makes `put` wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from pillion.collector.pipeline.claims import Claim
from pillion.collector.pipeline.weighing import weigh
from pillion.collector.records import Content, count
from pillion.collector.status import InputStatus


class Road(Protocol):
    """Where records go from an input."""

    async def take(self, source: Source, tag: str, content: Content, records: int, claim: Claim) -> None:
        """Returns when whoever needs the claim holds it; waits while the outputs' disks are full."""


class Source:
    """The intake of one input. A reload may put another road under it."""

    def __init__(self, status: InputStatus, *, road: Road, limit_bytes: int, on_disk: bool) -> None:
        self.status = status
        self.road = road
        self.on_disk = on_disk
        """`storage.type filesystem`."""
        self.is_closed = False
        """The input is: it hears no more of what is settled."""
        self._limit = limit_bytes
        self._waiting: deque[asyncio.Future[None]] = deque()
        status.limit_bytes = limit_bytes

    async def put(self, tag: str, content: Content, *, settled: Callable[[], None] | None = None) -> None:
        records, length = count(content), weigh(content)
        if not records:
            if settled is not None:
                settled()
            return
        await self._room(length)
        self.status.buffered_bytes += length
        self.status.records += records
        self.status.bytes += length
        claim = Claim(lambda: self._settled(length, settled), on_disk=self.on_disk)
        # Cancelled here, the claim stays held: it is never settled, and the input reads it again after the next start.
        await self.road.take(self, tag, content, records, claim)
        claim.release()

    async def settled(self) -> None:
        """Returns when nothing of it is on its way."""
        while self.status.buffered_bytes:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    async def _room(self, length: int) -> None:
        # Something always fits into nothing: a chunk larger than the share must not wait for ever.
        while (
            self._limit and self.status.buffered_bytes and self.status.buffered_bytes + length > self._limit
        ):
            self.status.waiting = True
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                self.status.waiting = bool(self._waiting)

    def _settled(self, length: int, settled: Callable[[], None] | None) -> None:
        self.status.buffered_bytes -= length
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
        self._waiting.clear()
        if settled is not None and not self.is_closed:
            settled()
