"""A WebSocket for tests that do one thing after another.

Not `websockets.sync`: it reads and writes a TLS connection in two threads at once, which OpenSSL does not allow. Once
in some thousand conversations it waits for ever.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


class WebSocket:
    def __init__(self, runner: asyncio.Runner, connection: ClientConnection) -> None:
        self._runner = runner
        self._connection = connection

    def recv(self, timeout: float) -> bytes | str:
        async def receive() -> bytes | str:
            async with asyncio.timeout(timeout):
                return await self._connection.recv()

        return self._runner.run(receive())

    def all(self, within: float) -> Iterator[bytes | str]:
        """Until the server closes; each message may take `within` seconds."""
        while True:
            try:
                yield self.recv(within)
            except ConnectionClosed:
                return

    def cut(self) -> None:
        """As when the client's machine is gone: nothing is said."""
        found: socket.socket = self._connection.transport.get_extra_info("socket")
        found.shutdown(socket.SHUT_RDWR)


@contextmanager
def websocket(
    url: str, tls: ssl.SSLContext, headers: Mapping[str, str], subprotocol: str, within: float
) -> Iterator[WebSocket]:
    async def open_it() -> ClientConnection:
        return await connect(
            url,
            ssl=tls,
            additional_headers=headers,
            subprotocols=[Subprotocol(subprotocol)],
            open_timeout=within,
            close_timeout=within,
            ping_interval=None,
            proxy=None,
        )

    with asyncio.Runner() as runner:
        connection = runner.run(open_it())
        try:
            yield WebSocket(runner, connection)
        finally:
            runner.run(connection.close())
