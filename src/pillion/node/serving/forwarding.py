"""Connections to what listens on localhost in a pod (containerd: internal/cri/server, sandbox_portforward_linux.go)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

from pillion.network.netns import inside
from pillion.streams import NodeRefusal, Tunnel

_CHUNK = 64 * 1024
_HOSTS = ((socket.AF_INET, "tcp4", "127.0.0.1"), (socket.AF_INET6, "tcp6", "::1"))


class TcpTunnel:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(_CHUNK)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close_write(self) -> None:
        with contextlib.suppress(OSError):  # the pod was quicker
            self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()


async def open_tunnel(netns: Path | None, port: int) -> Tunnel:
    """IPv4 first, then IPv6. `netns` is None for the host's network. Raises NodeRefusal."""
    at = str(netns) if netns is not None else "host"
    loop = asyncio.get_running_loop()
    problems: list[str] = []
    for family, network, host in _HOSTS:
        try:
            # A thread of the pool enters the namespace; a socket stays where it was made.
            sock = await asyncio.to_thread(_make_socket, netns, family)
        except OSError as error:
            problems.append(f"dial {network}: {_words(error)}")
            continue
        try:
            await loop.sock_connect(sock, (host, port))
            return TcpTunnel(*await asyncio.open_connection(sock=sock))
        except OSError as error:
            sock.close()
            shown = host if family is socket.AF_INET else f"[{host}]"
            problems.append(f"dial {network} {shown}:{port}: connect: {_words(error)}")
        except BaseException:
            sock.close()
            raise
    where = f'failed to execute portforward in network namespace "{at}"'
    cause = f'failed to connect to localhost:{port} inside namespace "{at}"'
    raise NodeRefusal(500, f"{where}: {cause}, IPv4: {problems[0]} IPv6 {problems[1]} ")


def _make_socket(netns: Path | None, family: socket.AddressFamily) -> socket.socket:
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    if netns is None:
        return socket.socket(family, kind)
    pin = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with inside(pin):
            return socket.socket(family, kind)
    finally:
        os.close(pin)


def _words(error: OSError) -> str:
    """Go's words for errno: C's in lower case."""
    return os.strerror(error.errno or 0).lower()
