"""Requests at a steady rate, over kept-alive and over new connections, and what became of each.

The client follows the rules of RFC 9112, section 9.6: after `Connection: close` it opens a new connection for the next
request. It repeats nothing: whatever else goes wrong is a failed request.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE = 30.0


class Tally:
    def __init__(self) -> None:
        self.good = 0
        self.failed: list[str] = []
        self.refused = 0
        """Connections that were refused or reset before a request was sent."""
        self.closes = 0
        """Answers with `Connection: close`."""
        self.connections = 0
        self.kept = 0
        """Of these, connections of the workers that keep them."""
        self.seconds: list[float] = []
        """From the first byte sent to the last one read."""

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def __str__(self) -> str:
        figures = f"p50 {self.percentile(0.5) * 1e3:.2f} ms, p99 {self.percentile(0.99) * 1e3:.2f} ms"
        return (
            f"{self.good} good, {len(self.failed)} failed, {self.refused} refused, {self.closes} told to close, "
            f"{self.connections} connections, {figures}"
        )


class Load:
    def __init__(
        self,
        port: int,
        tls: ssl.SSLContext | None,
        *,
        rate: float,
        workers: int = 8,
        path: str = "/load?unseen",
    ) -> None:
        """`workers` connections are kept alive; one more worker opens a new one for each request."""
        self.tally = Tally()
        self._port, self._tls = port, tls
        self._each = (workers + 1) / rate
        self.workers = workers
        self._request = f"GET {path} HTTP/1.1\r\nHost: agent.test\r\n".encode()
        self._ending = asyncio.Event()

    async def until(self, count: int) -> None:
        """Until so many more requests have ended."""
        goal = self.tally.good + len(self.tally.failed) + self.tally.refused + count
        async with asyncio.timeout(PATIENCE):
            while self.tally.good + len(self.tally.failed) + self.tally.refused < goal:  # noqa: ASYNC110 - it only counts
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.workers):
                tasks.create_task(self._kept_alive(number * self._each / self.workers))
            tasks.create_task(self._always_new())
            yield self
            self._ending.set()

    async def _next(self, due: float) -> float:
        """Keeps the rate: the next one is due whether the last one was slow or not."""
        pause = due - time.monotonic()
        if pause > 0:
            try:
                async with asyncio.timeout(pause):
                    await self._ending.wait()
            except TimeoutError:
                pass
        return due + self._each

    async def _kept_alive(self, offset: float) -> None:
        due = time.monotonic() + offset
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._ending.is_set():
            due = await self._next(due)
            if connection is None:
                connection = await self._open()
                self.tally.kept += connection is not None
            if connection is not None and not await self._exchange(connection, b"\r\n"):
                connection[1].transport.abort()
                connection = None
        if connection is not None:
            connection[1].transport.abort()

    async def _always_new(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            due = await self._next(due)
            if (connection := await self._open()) is not None:
                await self._exchange(connection, b"Connection: close\r\n\r\n")
                connection[1].transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            async with asyncio.timeout(PATIENCE):
                opened = await asyncio.open_connection(
                    "127.0.0.1",
                    self._port,
                    ssl=self._tls,
                    server_hostname="agent.test" if self._tls else None,
                )
        except (ConnectionRefusedError, ConnectionResetError):
            self.tally.refused += 1
            return None
        except (OSError, TimeoutError) as error:
            self.tally.failed.append(f"connecting: {error!r}")
            return None
        self.tally.connections += 1
        return opened

    async def _exchange(
        self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], end: bytes
    ) -> bool:
        """Whether the connection may be used again."""
        reader, writer = connection
        begun = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                writer.write(self._request + end)
                await writer.drain()
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                _, found, rest = head.partition("content-length: ")
                await reader.readexactly(int(rest.partition("\r")[0]) if found else 0)
        except (OSError, EOFError, TimeoutError) as error:
            self.tally.failed.append(f"asking: {error!r}")
            return False
        if not head.startswith("http/1.1 200"):
            self.tally.failed.append(head.partition("\r")[0])
        else:
            self.tally.good += 1
            self.tally.seconds.append(time.monotonic() - begun)
        is_last = "\r\nconnection: close\r\n" in head
        self.tally.closes += is_last
        return not is_last
