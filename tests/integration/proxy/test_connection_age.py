"""A connection has an age: then its caller must show a certificate again, and nothing that is under way is cut."""

from __future__ import annotations

import asyncio
import http.client
import queue
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import websockets.asyncio.client
from tests.integration.proxy import grpcagent, h2client, handshakes
from tests.integration.proxy.agents import Agent
from tests.integration.proxy.authorities import Authority
from tests.proxy_traffic import PATIENCE, Sidecar, free_port, until

_HTTP = "http.inbound-{}.downstream_cx_{}"
KINDS = ("http1", "idle", "http2", "grpc", "websocket")


class World:
    """A listener for each test, so that its figures are of that test alone."""

    def __init__(self, folder: Path, agent: Agent, grpc_port: int) -> None:
        self.agent = agent
        self.authority = Authority()
        self.caller = self.authority.issue(folder / "caller", "caller")
        self.ports = {kind: free_port() for kind in KINDS}
        server = self.authority.issue(folder / "server", "agent", dns=["agent.test"])
        routes = [
            {"match": {"prefix": f"/{grpcagent.SERVICE}"}, "to": grpc_port, "protocol": "http2"},
            {"to": agent.port},
        ]
        inbound = {"tls": "mutual", "certificate": "agent", "maxConnectionAge": "1s", "routes": routes}
        self.sidecar = Sidecar(
            folder,
            {
                "certificates": [{"name": "agent", "folder": str(server)}],
                "inbound": [{"name": kind, "port": port, **inbound} for kind, port in self.ports.items()],
            },
        )

    def tls(self, alpn: str) -> ssl.SSLContext:
        return handshakes.context(self.authority.pem, self.caller, alpn=[alpn])

    def http(self, kind: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("agent.test", self.ports[kind], timeout=PATIENCE)
        raw = socket.create_connection(("127.0.0.1", self.ports[kind]), PATIENCE)
        connection.sock = self.tls("http/1.1").wrap_socket(raw, server_hostname="agent.test")
        return connection

    def figure(self, kind: str, name: str) -> int:
        return self.sidecar.envoy_statistics().get(_HTTP.format(kind, name), 0)

    def until_of_age(self, kind: str, connections: int = 1) -> None:
        until(lambda: self.figure(kind, "max_duration_reached") >= connections)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Agent() as agent, grpcagent.serving() as grpc_port:
        made = World(tmp_path_factory.mktemp("age"), agent, grpc_port)
        with made.sidecar as sidecar:
            sidecar.until_ready()
            yield made


def test_the_next_answer_says_that_the_connection_ends(world: World) -> None:
    connection = world.http("http1")
    connection.request("GET", "/young")
    young = connection.getresponse()
    young.read()
    assert (young.status, young.getheader("connection")) == (200, None)
    world.until_of_age("http1")
    connection.request("GET", "/old")
    old = connection.getresponse()
    old.read()
    assert (old.status, old.getheader("connection")) == (200, "close")
    assert connection.sock is None


def test_a_connection_that_brings_nothing_more_is_closed_too(world: World) -> None:
    connection = world.http("idle")
    connection.request("GET", "/once")
    connection.getresponse().read()
    assert connection.sock.recv(1) == b""
    connection.close()


def test_a_stream_goes_on_and_the_connection_takes_no_other(world: World) -> None:
    """By who goes on asking, whatever GOAWAY says."""

    async def talk() -> None:
        async with h2client.connect(world.ports["http2"], world.tls("h2")) as connection:
            tokens = await connection.send("/tokens?n=2&key=aged")
            world.agent.permit("aged")
            await connection.until(lambda: tokens.body)
            await connection.until(lambda: connection.last_stream == tokens.number)
            late = await connection.send("/late")
            world.agent.permit("aged")
            assert (await connection.finish(tokens)).body == b"data: token 0\n\ndata: token 1\n\n"
            await connection.until(lambda: connection.is_closed)
            assert late.status == 0

    asyncio.run(talk())
    assert not [seen for seen in world.agent.seen if seen.path == "/late"]


def test_a_grpc_talk_goes_on_and_the_next_call_connects_anew(world: World) -> None:
    files = [(world.caller / name).read_bytes() for name in ("tls.key", "tls.crt")]
    credentials = grpc.ssl_channel_credentials(world.authority.pem, *files)
    questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with grpc.secure_channel(
        f"127.0.0.1:{world.ports['grpc']}", credentials, [("grpc.ssl_target_name_override", "agent.test")]
    ) as channel:
        call = channel.stream_stream(grpcagent.method("Talk"))(iter(questions.get, None), timeout=PATIENCE)
        questions.put(b"young")
        assert next(call) == b"heard young"
        world.until_of_age("grpc")
        unary = channel.unary_unary(grpcagent.method("Unary"))
        until(lambda: unary(b"again", timeout=PATIENCE) and world.figure("grpc", "total") > 1)
        questions.put(b"old")
        assert next(call) == b"heard old"
        questions.put(None)
        assert list(call) == []
        assert call.code() is grpc.StatusCode.OK


def test_a_websocket_goes_on(world: World) -> None:
    async def talk() -> None:
        async with websockets.asyncio.client.connect(
            f"wss://127.0.0.1:{world.ports['websocket']}/ws",
            ssl=world.tls("http/1.1"),
            server_hostname="agent.test",
            subprotocols=[websockets.Subprotocol("tokens")],
            close_timeout=0.1,
            proxy=None,
        ) as connection:
            assert await connection.recv() == "hello"
            await asyncio.to_thread(world.until_of_age, "websocket")
            await connection.send("still there")
            assert await connection.recv() == "still there"

    asyncio.run(talk())
