"""What callers may not say: headers and paths that would mean something else to the agent than to the proxy."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from tests.proxy_lab import DEADLINE, Client, echo, free_port, running

from pillion.proxy.configuration.values import Configuration, Inbound, Match, Ports, Route, Tls, Tracing

PARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")

MANY_HEADERS = "".join(f"x-{number}: a\r\n" for number in range(101))
"""More than the 100 that Envoy takes."""


def configured(agent: int, **changes: Any) -> Configuration:
    inbound = Inbound(
        name="http",
        address="127.0.0.1",
        port=free_port(),
        tls=Tls.NONE,
        routes=(Route(name="all", match=Match(), to=agent),),
    )
    base = Configuration(file="proxy.yaml", inbound=(inbound,), ports=Ports(admin=free_port()))
    return msgspec.structs.replace(base, **changes)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with echo() as agent:
        configuration = configured(agent)
        with running(configuration, {}, tmp_path_factory.mktemp("proxy")):
            yield configuration.inbound[0].port


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-forwarded-client-cert", "URI=spiffe://lab/ns/default/sa/root"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-internal", "true"),
        ("x-pillion-flags", "00"),
        ("proxy-connection", "keep-alive"),
    ],
)
def test_a_header_that_only_the_proxy_may_set_does_not_arrive(port: int, name: str, value: str) -> None:
    with closing(Client(port)) as client:
        assert name not in client.echoed("/", headers={name: value})["headers"]


@pytest.mark.parametrize(
    ("name", "value", "arrives"),
    [
        ("x-forwarded-proto", "https", r"http"),
        ("x-forwarded-for", "192.0.2.7", r"192\.0\.2\.7,[^,]+"),
        ("x-envoy-external-address", "192.0.2.7", r"127\.0\.0\.1"),
        ("x-request-id", "mine", r"[0-9a-f-]{36}"),
        ("traceparent", f"00-{'a' * 32}-{'b' * 16}-00", f"00-{'a' * 32}-{'b' * 16}-00"),
    ],
)
def test_a_header_that_the_proxy_vouches_for_is_its_own(
    port: int, name: str, value: str, arrives: str
) -> None:
    with closing(Client(port)) as client:
        found = client.echoed("/", headers={name: value})["headers"][name]
    assert re.fullmatch(arrives, found), found


def test_no_header_arrives_of_which_nobody_knows_where_it_is_from(port: int) -> None:
    with closing(Client(port)) as client:
        assert set(client.echoed("/")["headers"]) == {
            *("host", "accept-encoding", "x-forwarded-for", "x-forwarded-proto"),
            *("x-envoy-external-address", "x-request-id", "traceparent"),
        }


@pytest.mark.parametrize(
    ("asked", "arrives"),
    [("/a/../b", "/b"), ("//a///b", "/a/b"), ("/%2e%2e/b", "/b"), ("/a/./b?x=../y", "/a/b?x=../y")],
)
def test_a_path_arrives_as_the_proxy_understood_it(port: int, asked: str, arrives: str) -> None:
    with closing(Client(port)) as client:
        assert client.echoed(asked)["path"] == arrives


AMBIGUOUS: list[tuple[str, int]] = [
    ("GET /a%2Fb HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("GET /a%5Cb HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx_forwarded_for: 1.2.3.4\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\n\r\n", 426),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (f"GET / HTTP/1.1\r\nhost: a\r\n{MANY_HEADERS}\r\n", 431),
]


@pytest.fixture(scope="module")
def answers(port: int) -> dict[str, bytes]:
    """To the ambiguous requests, until the end of each one's connection: Envoy leaves clients a second for that."""
    with contextlib.ExitStack() as stack:
        connections = {
            text: stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE))
            for text, _ in AMBIGUOUS
        }
        for text, connection in connections.items():
            connection.sendall(text.encode())
        return {
            text: b"".join(iter(lambda: connection.recv(65536), b""))  # noqa: B023
            for text, connection in connections.items()
        }


@pytest.mark.parametrize(("text", "status"), AMBIGUOUS)
def test_a_request_of_two_meanings_is_refused_and_its_connection_ended(
    answers: dict[str, bytes], text: str, status: int
) -> None:
    assert answers[text].startswith(f"HTTP/1.1 {status} ".encode())


def test_an_agent_that_is_gone_is_a_503_that_says_so(tmp_path: Path) -> None:
    configuration = configured(free_port())
    with running(configuration, {}, tmp_path), closing(Client(configuration.inbound[0].port)) as client:
        status, _, body = client.ask("/")
    assert (status, body) == (503, b"the agent behind this proxy does not take connections on its port\n")


def test_some_traces_are_sampled_when_some_are_asked_for(tmp_path: Path) -> None:
    with echo() as agent:
        configuration = configured(agent, tracing=Tracing(sampling=50.0))
        with running(configuration, {}, tmp_path), closing(Client(configuration.inbound[0].port)) as client:
            parents = [client.echoed("/")["headers"]["traceparent"] for _ in range(200)]
    assert all(PARENT.fullmatch(parent) for parent in parents)
    assert len({parent.split("-")[1] for parent in parents}) == 200
    # By chance it would be all of one kind once in 10^60.
    assert {parent[-2:] for parent in parents} == {"00", "01"}


class _Collector(http.server.BaseHTTPRequestHandler):
    received: ClassVar[list[tuple[str, bytes]]]
    arrived: ClassVar[threading.Event]

    def do_POST(self) -> None:
        """Envoy sends spans in chunks."""
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.received.append((self.path, body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
        self.arrived.set()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


def test_spans_are_sent_where_they_are_asked_for(tmp_path: Path) -> None:
    class Handler(_Collector):
        received: ClassVar[list[tuple[str, bytes]]] = []
        arrived: ClassVar[threading.Event] = threading.Event()

    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with echo() as agent:
            endpoint = f"http://localhost:{collector.server_port}/v1/traces"
            configuration = configured(agent, tracing=Tracing(endpoint=endpoint, service="shop"))
            with (
                running(configuration, {}, tmp_path),
                closing(Client(configuration.inbound[0].port)) as client,
            ):
                parent = client.echoed("/")["headers"]["traceparent"]
                assert Handler.arrived.wait(DEADLINE)
    finally:
        collector.shutdown()
        thread.join()
        collector.server_close()
    path, body = Handler.received[0]
    assert path == "/v1/traces"
    assert bytes.fromhex(parent.split("-")[1]) in body
    assert b"shop" in body
