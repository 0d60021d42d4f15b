"""HTTP from threads: connections that are kept, time limits, a proxy, and an end at any moment."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from pillion.http.message import Answer, NoAnswer, Request
from pillion.http.unpacking import BrokenBodyError, unpack_gzip

if TYPE_CHECKING:
    import ssl

    from pillion.http.proxies import Proxy

ANSWER_LIMIT = 16 << 20
"""Bytes of an answer's body that are read, unpacked. Elasticsearch's bulk answer has some 200 for each record."""
INTERRUPTED = "interrupted: the program stops"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """The other side."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    """What its certificate is for, if that is not `host`."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is connected to. Times are in seconds; 0: as long as it takes."""

    connect_timeout: float = 10.0
    io_timeout: float = 30.0
    """How long the other side may be silent."""
    keepalive: bool = True
    source_address: str = ""
    """The address to connect from; empty: the system chooses."""
    agent: str = "pillion"
    """User-Agent of requests that have none of their own."""


class HttpSender:
    """Requests to one server, from any thread. `connections` of them may be under way at the same time."""

    def __init__(
        self,
        server: Server,
        net: ConnectionSettings,
        *,
        proxy: Proxy | None = None,
        connections: int = 1,
        answer_timeout: float | None = None,
        answer_limit: int = ANSWER_LIMIT,
    ) -> None:
        """`answer_timeout` replaces `io_timeout` for the time until an answer begins and between its parts."""
        self._server = server
        self._net = net
        self._answer_limit = answer_limit
        self._sockets = _Sockets()
        self._interrupts = 0
        silence = net.io_timeout if answer_timeout is None else answer_timeout
        timeout = urllib3.Timeout(connect=net.connect_timeout or None, read=silence or None)
        pool: dict[str, Any] = {
            "maxsize": connections,
            "timeout": timeout,
            "retries": False,
            "source_address": (net.source_address, 0) if net.source_address else None,
            "socket_options": [
                (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            ],
        }
        if server.tls is not None:
            pool |= {"ssl_context": server.tls, "assert_hostname": server.server_name or None}
            pool |= {"server_hostname": server.server_name or None}
            if not server.tls.check_hostname:
                pool |= {"assert_hostname": False, "cert_reqs": server.tls.verify_mode.name}
        scheme = "http" if server.tls is None else "https"
        manager: urllib3.PoolManager
        if proxy is None:
            manager = urllib3.PoolManager(num_pools=1, **pool)
        else:
            headers: dict[str, str] = dict(proxy.connect_headers) if server.tls is not None else {}
            if proxy.user:
                headers |= urllib3.make_headers(proxy_basic_auth=f"{proxy.user}:{proxy.password}")
            manager = urllib3.ProxyManager(proxy.url, num_pools=2, proxy_headers=headers, **pool)
        self._is_forwarded = proxy is not None and server.tls is None
        """The proxy is sent the request itself, and finds the server in it (RFC 9112, section 3.2.2)."""
        self._manager = manager
        self._pool = manager.connection_from_host(server.host, server.port, scheme)
        plain = server.tls is None or self._is_forwarded
        kind = _PlainConnection if plain else _TlsConnection
        self._pool.ConnectionCls = _bound(kind, self._sockets)

    @property
    def interrupts(self) -> int:
        """How often `interrupt` was called: a delivery of several requests looks whether it has changed."""
        return self._interrupts

    def send(self, request: Request, credentials: tuple[tuple[str, str], ...] = ()) -> Answer | NoAnswer:
        """Raises nothing for what the network or the other side does. `credentials` are headers, apart from the
        request's own so that nothing that shows a request shows them."""
        before = self._interrupts
        opened = self._pool.num_connections
        outcome = self._send(request, credentials)
        if isinstance(outcome, NoAnswer) and self._interrupts != before:
            return NoAnswer(reason=INTERRUPTED)
        if isinstance(outcome, _Closed):
            if self._pool.num_connections == opened:
                # A kept connection, which the other side closed in the moment we used it: an idle limit, a restart.
                outcome = self._send(request, credentials)
            if isinstance(outcome, _Closed):
                outcome = NoAnswer(reason=outcome.reason)
        return outcome

    def interrupt(self) -> None:
        """End the requests that are under way with NoAnswer. Later ones are not affected."""
        self._interrupts += 1
        self._sockets.shut_down()

    def close(self) -> None:
        self._manager.clear()
        self._pool.close()

    def _send(self, request: Request, credentials: tuple[tuple[str, str], ...]) -> Answer | NoAnswer:
        headers = urllib3.HTTPHeaderDict()
        for name, value in (*request.headers, *credentials):
            headers.add(name, value)
        headers.setdefault("User-Agent", self._net.agent)
        if not self._net.keepalive:
            headers["Connection"] = "close"
        path = request.path
        if self._is_forwarded:
            path = f"http://{self._server}{path}"
            headers.setdefault("Host", str(self._server))
            headers |= self._manager.proxy_headers  # type: ignore[attr-defined]
        try:
            response = self._pool.urlopen(
                request.method,
                path,
                request.body,
                headers,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                body = self._read(response)
                is_long = len(body) > self._answer_limit
                if not is_long and response.headers.get("content-encoding", "").lower() == "gzip":
                    body = unpack_gzip(body, self._answer_limit + 1)
                is_cut = len(body) > self._answer_limit
                answer = Answer(
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=body[: self._answer_limit] if is_cut else body,
                    is_cut=is_cut,
                )
                if is_long or response.length_remaining:
                    response.close()
            finally:
                response.release_conn()
        except HTTPError as error:
            return self._failure(error)
        except BrokenBodyError as error:
            return NoAnswer(reason=f"{self._server} sent a body that cannot be unpacked: {error}")
        except ValueError as error:
            # A header or path that HTTP cannot carry; urllib3 shows it, and it may hold a credential.
            return NoAnswer(reason=f"cannot write the request to {self._server}: {type(error).__name__}")
        return answer

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """As it was sent, and one byte more than is wanted of it. Only the read after the last byte tells whether the
        body has broken off (urllib3, HTTPResponse._raw_read)."""
        body = response.read(self._answer_limit + 1)
        while len(body) <= self._answer_limit and (more := response.read(self._answer_limit + 1 - len(body))):
            body += more
        return body

    def _failure(self, error: HTTPError) -> NoAnswer:
        """A sentence without what urllib3 puts into its own: addresses of objects, whole URLs."""
        server = self._server
        match error:
            case ProxyError():
                return NoAnswer(
                    reason=f"cannot reach {server} through the proxy: {_cause(error.original_error)}"
                )
            case ConnectTimeoutError() if not isinstance(error, NewConnectionError):
                return NoAnswer(
                    reason=f"cannot connect to {server}: no answer in {self._net.connect_timeout:g} s"
                )
            case NameResolutionError():
                return NoAnswer(reason=f"cannot connect to {server}: {_cause(error)}: the name is not known")
            case NewConnectionError():
                return NoAnswer(reason=f"cannot connect to {server}: {_cause(error)}")
            case SSLError():
                return NoAnswer(reason=f"cannot connect to {server}: TLS: {_cause(error)}")
            case ReadTimeoutError():
                return NoAnswer(reason=f"{server} has not answered in time")
            case ProtocolError():
                return _Closed(reason=f"{server} closed the connection before it answered")
            case _:
                return NoAnswer(reason=f"{server}: {type(error).__name__}")


class _Closed(NoAnswer, frozen=True, kw_only=True):
    """The connection ended without an answer."""


def _cause(error: BaseException) -> str:
    """What the system said, from below the libraries' own exceptions."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and not isinstance(found, HTTPError):
            reason = getattr(found, "verify_message", "") or getattr(found, "reason", "") or found.strerror
            if reason:
                return str(reason).replace("_", " ").lower() if reason.isupper() else str(reason)
        found = (
            found.__cause__
            or found.__context__
            or next((value for value in found.args if isinstance(value, BaseException)), None)
        )
    return type(error).__name__


class _Sockets:
    """A second descriptor of every connection: to shut it down while its owner connects, greets, writes or waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def add(self, connecting: socket.socket) -> socket.socket:
        twin = socket.socket(fileno=os.dup(connecting.fileno()))
        with self._lock:
            self._open.add(twin)
        return twin

    def discard(self, twin: socket.socket) -> None:
        with self._lock:
            self._open.discard(twin)
        twin.close()

    def shut_down(self) -> None:
        with self._lock:
            for twin in self._open:
                try:
                    twin.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # never connected, or gone already: nothing waits on it


class _PlainConnection(HTTPConnection):
    sockets: _Sockets
    _twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock, self._twin = _connect(self, self.sockets)
        return sock

    def close(self) -> None:
        super().close()
        if self._twin is not None:
            self.sockets.discard(self._twin)
            self._twin = None


class _TlsConnection(HTTPSConnection):
    sockets: _Sockets
    _twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock, self._twin = _connect(self, self.sockets)
        return sock

    def connect(self) -> None:
        super().connect()
        # Not to verify is somebody's decision: not a warning of urllib3 for every request.
        self.is_verified = True

    def close(self) -> None:
        super().close()
        if self._twin is not None:
            self.sockets.discard(self._twin)
            self._twin = None


def _bound(kind: type[Any], sockets: _Sockets) -> type[Any]:
    return type(kind.__name__, (kind,), {"sockets": sockets})


def _connect(connection: HTTPConnection, sockets: _Sockets) -> tuple[socket.socket, socket.socket]:
    """The first address that answers, as urllib3.util.connection.create_connection; each may be shut down meanwhile."""
    host, timeout = connection._dns_host, connection.timeout  # noqa: SLF001 - our own base class's
    try:
        found = socket.getaddrinfo(host.strip("[]"), connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        if isinstance(error, UnicodeError):
            error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        raise NameResolutionError(connection.host, connection, error) from error
    problem: OSError = OSError("no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        twin = sockets.add(sock)
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            if connection.source_address:
                sock.bind(connection.source_address)
            if isinstance(timeout, int | float):
                sock.settimeout(timeout)
            sock.connect(address)
        except OSError as error:
            problem = error
            sockets.discard(twin)
            sock.close()
            continue
        return sock, twin
    if isinstance(problem, TimeoutError):
        raise ConnectTimeoutError(connection, "timed out") from problem
    raise NewConnectionError(connection, str(problem)) from problem
