"""The API server's second address: where pods reach it, from their first bridge on.

The bridge may be up before the server answers (pods of an earlier process) or long after. So the socket listens as soon
as there is an address, and whoever connects waits in its backlog until the server takes it.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address

from pillion.daemon.httpserver import listen_to_pods


class PodDoor:
    def __init__(self, port: int) -> None:
        self._port = port
        self._addresses: list[IPv4Address] = []
        self._waiting: asyncio.Queue[socket.socket] = asyncio.Queue()

    @property
    def addresses(self) -> tuple[str, ...]:
        """What the certificate must name."""
        return tuple(map(str, self._addresses))

    def open(self, address: IPv4Address, bridge: str) -> None:
        """Listen on the bridge's address. Idempotent. Raises HostError."""
        if address not in self._addresses:
            self._waiting.put_nowait(listen_to_pods(address, bridge, self._port))
            self._addresses.append(address)

    async def listener(self) -> socket.socket:
        """The next one that nobody serves yet; from now on the caller's."""
        return await self._waiting.get()

    def close(self) -> None:
        """Those that nobody came for."""
        while not self._waiting.empty():
            self._waiting.get_nowait().close()
