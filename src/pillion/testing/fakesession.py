"""Conversations with containers that do not exist: scripted output, or an echo of what is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pillion.streams import STDERR, STDOUT


class FakeSession:
    """Says what it has to say; with `echo`, repeats its stdin until that ends; then lasts until `ended` or told."""

    def __init__(
        self,
        *,
        output: bytes = b"",
        errors: bytes = b"",
        exit_code: int | None = 0,
        echo: bool = False,
        ended: asyncio.Event | None = None,
    ) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.is_closed = False
        self._said = [(STDOUT, output), (STDERR, errors)]
        self._exit_code = exit_code
        self._echo = echo
        self._ended = ended
        self._stdin: asyncio.Queue[bytes] = asyncio.Queue(4)

    async def write(self, data: bytes) -> None:
        if self._echo and data:
            await self._stdin.put(data)

    async def close_stdin(self) -> None:
        if self._echo:
            await self._stdin.put(b"")

    async def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        for stream, data in self._said:
            if data:
                yield stream, data
        while self._echo and (data := await self._stdin.get()):
            yield STDOUT, data
        if self._ended is not None:
            await self._ended.wait()

    async def wait(self) -> int | None:
        return self._exit_code

    async def close(self) -> None:
        self.is_closed = True
