"""The HTTP server of sidecars at its end."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from pillion.http.server import CONNECTIONS, Asked, Response, serve

LOG = logging.getLogger("pillion.test")
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answer(_asked: Asked) -> Response:
    return Response(body=b"here")


@pytest.mark.parametrize("sent", [b"", REQUEST[:10]], ids=["silent", "half a request"])
def test_whoever_asks_is_answered_however_many_keep_connections_open(sent: bytes) -> None:
    async def ask_beside_them() -> bytes:
        async with serve("127.0.0.1", 0, answer, LOG) as port:
            kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2 * CONNECTIONS)]
            for _, writer in kept:
                writer.write(sent)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST)
            answered = await reader.readuntil(b"here")
            for _, one in (*kept, (reader, writer)):
                one.close()
        return answered

    assert asyncio.run(ask_beside_them()).startswith(b"HTTP/1.1 200 ")


def test_a_connection_that_is_kept_open_is_closed_at_the_end_without_a_word() -> None:
    """As a scraper keeps its connection."""
    said: list[dict[str, Any]] = []

    async def keep_one() -> bytes:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context))
        async with serve("127.0.0.1", 0, answer, LOG) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST)
            await reader.readuntil(b"here")
        rest = await reader.read()
        writer.close()
        return rest

    assert asyncio.run(keep_one()) == b""
    assert said == []
