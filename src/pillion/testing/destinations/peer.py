"""An HTTP server in a thread: what was asked, what is answered, and faults that are planned ahead."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import msgspec

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from types import TracebackType


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request. Header names in lower case; the body as it was before its Content-Encoding."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    wire_bytes: int = 0
    """Length of the body on the wire."""
    connection: int = 0
    """Which connection, counted from 1."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Reset(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The connection is reset after the request was read."""


class Silence(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """No answer until the peer is closed or `released`."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The request is worked on, then the connection is reset: the sender cannot know."""


Fault: TypeAlias = Reply | Reset | Silence | Accepted


class HttpPeer:
    """`answer` is what a subclass says. Faults are used up, one a request, before it is asked."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        """`port`: of a peer that is back after an outage; 0: any."""
        self.requests: list[Received] = []
        self.connections = 0
        self.released = threading.Event()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._server = _Server((host, port), self, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def host(self) -> str:
        return str(self._server.server_address[0])

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def plan(self, *faults: Fault) -> None:
        """For the next requests, in this order."""
        with self._lock:
            self._faults.extend(faults)

    def answer(self, request: Received) -> Reply:
        """Called from one thread at a time."""
        raise NotImplementedError

    def drop_connections(self) -> None:
        """Close what is open, as a server that restarts."""
        with self._lock:
            for connection in self._sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    @property
    def planned(self) -> int:
        """Faults that have not happened yet."""
        with self._lock:
            return len(self._faults)

    def close(self) -> None:
        """Be gone. Once more does nothing more."""
        self.released.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self.drop_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # what the handlers use

    def opened(self, connection: socket.socket) -> int:
        with self._lock:
            self._sockets.add(connection)
            self.connections += 1
            return self.connections

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(connection)

    def respond(self, request: Received) -> Reply | None:
        """None: reset the connection."""
        with self._lock:
            self.requests.append(request)
            fault = self._faults.pop(0) if self._faults else None
            if fault is None or isinstance(fault, Accepted):
                reply = self.answer(request)
                return reply if fault is None else None
        match fault:
            case Reply():
                return fault
            case Silence():
                self.released.wait()
                return None
            case _:
                return None


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], peer: HttpPeer, tls: ssl.SSLContext | None) -> None:
        self.peer = peer
        self._tls = tls
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread: a client that is slow in its handshake holds nobody up.
        if self._tls is not None:
            try:
                request = self._tls.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, client_address)
        if self._tls is not None:
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that its client gave up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._number = self.server.peer.opened(self.connection)

    def finish(self) -> None:
        self.server.peer.closed(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: tests look at `requests`."""

    def _serve(self) -> None:
        wire = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = unpacked(wire, headers.get("content-encoding", ""))
        reply = self.server.peer.respond(
            Received(
                method=self.command,
                path=path,
                query=query,
                headers=headers,
                body=body,
                wire_bytes=len(wire),
                connection=self._number,
            )
        )
        if reply is None:
            # Linger for no time: the client sees a reset, not an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_POST = do_PUT = do_GET = _serve


def unpacked(wire: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return zlib.decompress(wire, 31)
    if encoding == "snappy":
        from cramjam import snappy

        return bytes(snappy.decompress_raw(wire))
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(wire)
    return wire


def json_reply(value: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    return Reply(
        status=status,
        body=msgspec.json.encode(value),
        headers=(("Content-Type", "application/json"), *headers),
    )
