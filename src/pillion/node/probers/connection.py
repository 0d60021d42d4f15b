"""A TCP connection for one question and one answer, plain or TLS; its errors read as Go's `net` prints them.

It works on a raw socket: a probe opens a connection, sends one segment and reads one or two. Transports, stream
buffers and flow control would be most of its cost, and the socket keeps the error numbers that messages need.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
from typing import Protocol

from pillion.node.probers.spelling import format_errno, join_host_port

_RECEIVE_BYTES = 64 * 1024
_DIAL_SECONDS = 30.0
"""net/http: DefaultTransport, which probes and hooks build on. The usual probe timeout is shorter."""
_HANDSHAKE_SECONDS = 10.0
_RECORD_HEADER_BYTES = 5
_ALERT, _HANDSHAKE = 21, 22  # content types of TLS records


class NetError(Exception):
    """The network said no. The text is Go's."""


class Connection(Protocol):
    async def send(self, data: bytes) -> None:
        """Raises NetError."""

    async def receive(self) -> bytes:
        """What has arrived, at least one byte; empty at the end of the stream. Raises NetError."""

    def close(self) -> None:
        """Idempotent."""


class TcpConnection:
    def __init__(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        self._socket = sock
        self._peer = peer  # a reset socket no longer knows it
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._socket, data)
        except OSError as error:
            raise NetError(f"write {self._route()}: write: {format_errno(error)}") from error

    async def receive(self) -> bytes:
        try:
            return await self._loop.sock_recv(self._socket, _RECEIVE_BYTES)
        except OSError as error:
            raise NetError(f"read {self._route()}: read: {format_errno(error)}") from error

    def close(self) -> None:
        self._socket.close()

    def _route(self) -> str:
        local = self._socket.getsockname()
        return f"tcp {join_host_port(local[0], local[1])}->{join_host_port(*self._peer)}"


class TlsConnection:
    """TLS over a TcpConnection. The peer is not verified: it is the pod we started ourselves.

    It is done on memory buffers: a peer that does not speak TLS is recognised by the first five bytes it sends,
    and the ssl module's own sockets throw those away.
    """

    def __init__(self, tcp: TcpConnection, server_name: str | None) -> None:
        self._tcp = tcp
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _unverified().wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self) -> None:
        opening: bytes | None = b""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
            except ssl.SSLError as error:
                raise NetError(f"tls: {_reason(error)}") from error
            else:
                await self._flush()
                return
            data = await self._tcp.receive()
            if not data:
                raise NetError("EOF")
            if opening is not None:
                opening += data
                if len(opening) < _RECORD_HEADER_BYTES:
                    continue
                _check_record_header(opening)
                data, opening = opening, None
            self._incoming.write(data)

    async def send(self, data: bytes) -> None:
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise NetError(f"tls: {_reason(error)}") from error
        await self._flush()

    async def receive(self) -> bytes:
        while True:
            try:
                return self._tls.read(_RECEIVE_BYTES)
            except ssl.SSLWantReadError:
                data = await self._tcp.receive()
                if not data:
                    return b""
                self._incoming.write(data)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise NetError(f"remote error: tls: {_reason(error)}") from error

    def close(self) -> None:
        self._tcp.close()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._tcp.send(self._outgoing.read())


async def dial(host: str, port: int) -> TcpConnection:
    """Connect to a host's first address that answers. Raises NetError, about the first address as Go does."""
    addresses = await _resolve(host, port)
    failure = NetError(f"dial tcp: lookup {host}: no such host")
    for index, (family, address) in enumerate(addresses):
        try:
            return await _dial_address(family, address)
        except NetError as error:
            failure = error if index == 0 else failure
    raise failure


async def dial_tls(host: str, port: int) -> TlsConnection:
    """Raises NetError."""
    tcp = await dial(host, port)
    try:
        tls = TlsConnection(tcp, None if _is_address(host) else host)
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            await tls.handshake()
    except TimeoutError as error:
        tcp.close()
        raise NetError("net/http: TLS handshake timeout") from error
    except BaseException:
        tcp.close()
        raise
    return tls


async def _dial_address(family: int, address: tuple[str, int]) -> TcpConnection:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise NetError(f"dial tcp {join_host_port(*address)}: socket: {format_errno(error)}") from error
    limit = asyncio.timeout(_DIAL_SECONDS)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with limit:
            await asyncio.get_running_loop().sock_connect(sock, address)
    except OSError as error:  # TimeoutError is one of them, from the limit as from the kernel (ETIMEDOUT)
        sock.close()
        cause = "i/o timeout" if limit.expired() else f"connect: {format_errno(error)}"
        raise NetError(f"dial tcp {join_host_port(*address)}: {cause}") from error
    except BaseException:
        sock.close()
        raise
    return TcpConnection(sock, address)


async def _resolve(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    if _is_address(host):
        return [(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: not even a host name
        raise NetError(f"dial tcp: lookup {host}: no such host") from error
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_record_header(opening: bytes) -> None:
    """crypto/tls: RecordHeaderError, and net/http's special case of it, which lifecycle hooks look for."""
    if opening.startswith(b"HTTP/"):
        raise NetError("http: server gave HTTP response to HTTPS client")
    if opening[0] not in (_ALERT, _HANDSHAKE):
        raise NetError("tls: first record does not look like a TLS handshake")


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()


@functools.cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
