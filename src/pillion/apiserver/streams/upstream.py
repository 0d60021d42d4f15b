"""One HTTP/1.1 exchange with a server in a pod, in pieces. Errors read as Go's net and net/http print them."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import ssl
from typing import Protocol

import h11

from pillion.apiserver.streams.podlocation import Location

_DIAL_SECONDS = 30.0
"""net/http: DefaultTransport, like the next."""
_HANDSHAKE_SECONDS = 10.0
_HEAD_BYTES = 1 << 20
_PIECE_BYTES = 64 * 1024


class Unreachable(Exception):  # noqa: N818 - says what is wrong
    """The server did not answer. The text is Go's."""


class Upstream:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
        self._has_heard = False

    async def send(self, event: h11.Event) -> None:
        """Waits while the server does not read. Raises Unreachable."""
        try:
            data = self._http.send(event)
            if data:
                self._writer.write(data)
                await self._writer.drain()
        except h11.LocalProtocolError as error:
            raise Unreachable(f"net/http: {error}") from error
        except OSError as error:
            raise Unreachable(f"write tcp: write: {describe(error)}") from error

    async def head(self) -> h11.Response:
        """The first head that is not informational. Raises Unreachable."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event

    async def piece(self) -> bytes:
        """More of the body; empty at its end. Raises Unreachable."""
        while True:
            event = await self._next()
            if isinstance(event, h11.EndOfMessage):
                return b""
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)

    def close(self) -> None:
        """Everything was said."""
        self._writer.close()

    def abort(self) -> None:
        """Without waiting for what was not sent yet."""
        self._writer.transport.abort()

    async def _next(self) -> h11.Event:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await self._reader.read(_PIECE_BYTES)
                if not data and not self._has_heard:
                    raise Unreachable("EOF")
                self._has_heard = True
                self._http.receive_data(data)
        except h11.RemoteProtocolError as error:
            why = f"net/http: HTTP/1.x transport connection broken: {error}"
            raise Unreachable("unexpected EOF" if self._reader.at_eof() else why) from error
        except OSError as error:
            raise Unreachable(f"read tcp: read: {describe(error)}") from error
        if isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            raise Unreachable("unexpected EOF")
        assert not isinstance(event, type), "the two sentinels were handled"
        return event


class Dial(Protocol):
    async def __call__(self, location: Location) -> Upstream:
        """Raises Unreachable."""


async def dial(location: Location) -> Upstream:
    """Raises Unreachable."""
    sock = await connect(location)
    try:
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            reader, writer = await asyncio.open_connection(
                sock=sock,
                ssl=unverified() if location.is_tls else None,
                server_hostname="" if location.is_tls else None,
                limit=_PIECE_BYTES,
            )
    except TimeoutError as error:
        sock.close()
        raise Unreachable("net/http: TLS handshake timeout") from error
    except OSError as error:  # ssl.SSLError is one of them
        sock.close()
        raise Unreachable(_describe_handshake(error)) from error
    except BaseException:
        sock.close()
        raise
    return Upstream(reader, writer)


async def connect(location: Location) -> socket.socket:
    """Raises Unreachable."""
    route = f"dial tcp {f'[{location.ip}]' if ':' in location.ip else location.ip}:{location.port}"
    sock = socket.socket(
        socket.AF_INET6 if ":" in location.ip else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    )
    limit = asyncio.timeout(_DIAL_SECONDS)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with limit:
            await asyncio.get_running_loop().sock_connect(sock, (location.ip, location.port))
    except OSError as error:  # TimeoutError is one of them, from the limit as from the kernel (ETIMEDOUT)
        sock.close()
        cause = "i/o timeout" if limit.expired() else f"connect: {describe(error)}"
        raise Unreachable(f"{route}: {cause}") from error
    except BaseException:
        sock.close()
        raise
    return sock


def describe(error: OSError) -> str:
    """The kernel's word for it, as Go writes it."""
    return os.strerror(error.errno).lower() if error.errno else str(error) or "connection reset by peer"


def _describe_handshake(error: OSError) -> str:
    if not isinstance(error, ssl.SSLError):
        return "EOF" if error.errno is None else f"read tcp: read: {describe(error)}"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        # Bytes that are not TLS. From a server in a pod they are its complaint about our not speaking HTTP.
        return "http: server gave HTTP response to HTTPS client"
    return f"remote error: tls: {(error.reason or str(error)).replace('_', ' ').lower()}"


@functools.cache
def unverified() -> ssl.SSLContext:
    """Proxying is by address, so nobody expects a name to match (controlplane: proxyTransport)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
