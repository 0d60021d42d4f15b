"""uvicorn in a loop that is not its own: TLS on 127.0.0.1 and, for pods, on their bridge; no signal handlers, no words
on stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import sslproto
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from pillion.errors import HostError

HOST = "127.0.0.1"
"""Who can call the API can run anything as root here: nobody else's machine may."""
GRACE_SECONDS = 2
"""For requests under way when the server ends; watches are longer than any grace."""
KEEP_ALIVE_SECONDS = 90
"""How long a connection may wait for its next request (apiserver: server/secure_serving.go, IdleTimeout)."""
_BACKLOG = 2048
_TLS_BUFFER_BYTES = 32 * 1024
"""What a connection reads at once: two TLS records. asyncio's own 256 KiB, held by every connection for as long as it
is open, would be most of what 200 watches cost."""


def listen(port: int) -> socket.socket:
    """On loopback. Port 0: any. Raises HostError."""
    listener = _open_listener()
    try:
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise HostError(
            f"cannot listen on {HOST}:{port}: {error.strerror}; choose another port with --port, 0 for any"
        ) from None
    return listener


def listen_to_pods(address: IPv4Address, bridge: str, port: int) -> socket.socket:
    """On the bridge's address. Raises HostError.

    What comes by another way than the bridge does not get here: Linux answers for each of its addresses on every link,
    so a machine that takes this one for its gateway could call otherwise.
    """
    listener = _open_listener()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        listener.bind((str(address), port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise HostError(f"cannot listen on {address}:{port}: {error.strerror}") from None
    return listener


def _open_listener() -> socket.socket:
    # asyncio switches Nagle's algorithm off only where the protocol is spelled out (base_events: _set_nodelay); with
    # it an answer's body waits 40 ms for the client to acknowledge the head.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # A port that only closed connections still use is free; without this a restart would have to wait for them.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return listener


class _Protocol(H11Protocol):
    def _should_upgrade_to_ws(self) -> bool:
        return True

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing for the log: the answer tells whoever asked, and curl asks for HTTP/2 as a matter of course."""

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        # Loaded when somebody needs it: it is a twentieth of a second of every start.
        from pillion.apiserver.streams.handshake import StreamsProtocol

        self.ws_protocol_class = StreamsProtocol
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Also in the middle of a request that is being answered: one answer is enough, and then nobody is there."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


class HttpServer(uvicorn.Server):
    def __init__(self, app: Starlette, listener: socket.socket, certificate: Path, key: Path) -> None:
        sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http=_Protocol,
                ws="none",  # see handle_websocket_upgrade
                ws_ping_interval=None,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_certfile=str(certificate),
                ssl_keyfile=str(key),
            )
        )
        self._listener = listener
        self._certificate, self._key = certificate, key
        self._is_started = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The daemon's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._is_started.set()

    async def run_until_told(self) -> None:
        """Until `stop`."""
        await self.serve(sockets=[self._listener])

    async def wait_started(self) -> None:
        await self._is_started.wait()

    async def also_serve(self, listener: socket.socket) -> None:
        """The started server answers there, too, until `stop`."""
        assert self.config.ssl is not None, "the configuration is loaded when the server starts"
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            self._meet, sock=listener, ssl=self.config.ssl, backlog=_BACKLOG, start_serving=False
        )
        if self.should_exit:
            server.close()  # it would come too late to be closed with the others
            return
        self.servers.append(server)
        await server.start_serving()

    def _meet(self) -> _Protocol:
        return _Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def stop(self) -> None:
        self.should_exit = True

    def reload_certificate(self) -> None:
        """For connections from now on. Raises OSError."""
        assert self.config.ssl is not None, "the configuration is loaded when the server starts"
        self.config.ssl.load_cert_chain(self._certificate, self._key)
