"""Callers who take all there is: real Envoy gives up their streams rather than everybody's."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import h2.config
import h2.connection
import msgspec
from tests.proxy_lab import DEADLINE, Client, free_port, running
from tests.proxy_traffic import until

from pillion.proxy.configuration.values import Configuration, Inbound, Match, Ports, Route, Tls

HEAP = 48 << 20
STREAMS = 100
CONNECTIONS = 10
"""A thousand answers of which 64 KiB and more wait here: twice the heap."""


class _Generous(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        content = b"x" * (0 if self.path == "/little" else 1 << 20)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that Envoy has closed."""


@contextmanager
def generous() -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), _Generous)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask_and_never_read(port: int) -> socket.socket:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    asked = [(":method", "GET"), (":path", "/"), (":authority", "a"), (":scheme", "http")]
    for number in range(STREAMS):
        connection.send_headers(1 + 2 * number, asked, end_stream=True)
    stranger = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    stranger.sendall(connection.data_to_send())
    return stranger


def status_of(port: int) -> int:
    with closing(Client(port)) as client:
        return client.ask("/little")[0]


def test_streams_that_nobody_reads_are_reset_before_the_memory_is_used_up(tmp_path: Path) -> None:
    inbound = Inbound(name="http", address="127.0.0.1", port=free_port(), tls=Tls.NONE, routes=())
    with generous() as agent, ExitStack() as strangers:
        inbound = msgspec.structs.replace(
            inbound, routes=(Route(name="all", match=Match(), to=agent, idle_timeout=40.0),)
        )
        configuration = Configuration(file="proxy.yaml", inbound=(inbound,), ports=Ports(admin=free_port()))
        with running(configuration, {}, tmp_path, heap_bytes=HEAP) as envoy:
            for _ in range(CONNECTIONS):
                strangers.enter_context(closing(ask_and_never_read(inbound.port)))
            envoy.wait_for("downstream_rq_rx_reset", lambda found: any(found.values()))
            # At first even who asks for little is refused, at the latest until the others' idle timeout, shortened.
            until(lambda: status_of(inbound.port) == 200)
