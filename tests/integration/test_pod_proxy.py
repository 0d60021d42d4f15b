"""The proxy to pods, over real sockets: a client, the API server, and the server of a pod that is on this machine."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from tests.integration.loopback import Serve, answering, closed_port, head
from tests.integration.loopback import serving as listening
from tests.streams_lab import put, serving
from tests.unit.apiserver.server import IdleNode
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as ws_serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from pillion.apiserver.nodeproxy import NodeProxy
from pillion.apiserver.seams import StreamRequest, Streams
from pillion.apiserver.streams.podlocation import Location
from pillion.apiserver.streams.podproxy import serve_pod_proxy
from pillion.apiserver.streams.podwebsocket import relay_websocket
from pillion.apiserver.streams.upstream import Upstream, dial
from pillion.clock import LoopClock
from pillion.objects.models import core_v1
from pillion.store import SqliteStore

POD = msgspec.convert(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": "default", "uid": "uid-1"},
        "spec": {"nodeName": "node", "containers": [{"name": "main", "ports": [{"containerPort": 8000}]}]},
        "status": {"podIPs": [{"ip": "10.88.0.2"}]},
    },
    core_v1.Pod,
)
PROXY = "/api/v1/namespaces/default/pods/pod/proxy"
CHAT = Subprotocol("chat")


class Client:
    """Sends what it is told, byte by byte."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])

    async def open(self, request: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return reader, writer

    async def ask(self, path: str, method: str = "GET", *more: str) -> tuple[str, str]:
        """The head and the body of an answer."""
        request = "\n".join((f"{method} {path} HTTP/1.1", "Host: api:1", "Connection: close", *more))
        reader, writer = await self.open(request)
        answer = await reader.read()
        writer.close()
        head, _, body = answer.decode().partition("\r\n\r\n")
        return head.lower(), body


Body = Callable[[Client], Awaitable[None]]


@pytest.fixture
def with_server(tmp_path: Path) -> Callable[[Serve | None, Body], None]:
    """Runs a client against a proxy whose every pod is this server; None: a port where nobody listens."""

    async def run_client(body: Body, port: int) -> None:
        async def dial_here(location: Location) -> Upstream:
            return await dial(msgspec.structs.replace(location, ip="127.0.0.1", port=port))

        async def streams(request: StreamRequest) -> None:
            await serve_pod_proxy(request, dial_here)

        store = SqliteStore(tmp_path / "store.db")
        await store.open()
        try:
            await put(store, POD)
            node: NodeProxy = IdleNode()  # type: ignore[assignment]
            async with serving(store, node, LoopClock(), streams=streams) as url, asyncio.timeout(10):
                await body(Client(url))
        finally:
            await store.close()

    async def whole(serve: Serve | None, body: Body) -> None:
        if serve is None:
            await run_client(body, closed_port())
            return
        async with listening(serve) as port:
            await run_client(body, port)

    return lambda serve, body: asyncio.run(whole(serve, body))


WithServer = Callable[[Serve | None, Body], None]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with the request's head, and its body without chunks."""
    asked = await reader.readuntil(b"\r\n\r\n")
    if b"content-length" in asked:
        length = int(asked.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        asked += await reader.readexactly(length)
    if b"transfer-encoding: chunked" in asked:
        asked += await reader.readuntil(b"0\r\n\r\n")
    writer.write(
        head("201 Created", f"Content-Length: {len(asked)}", "X-Pod: yes", "Connection: close") + asked
    )


def test_a_request_reaches_the_pod_as_the_client_sent_it(with_server: WithServer) -> None:
    async def body(client: Client) -> None:
        said, seen = await client.ask(
            f"{PROXY}/a%20b?x=1&x=%2F", "PUT", "Authorization: Bearer secret", "Content-Length: 5\n\nhello"
        )
        assert said.startswith("http/1.1 201")
        assert "x-pod: yes" in said
        assert said.count("\r\ndate: ") == 1
        lines, _, sent = seen.partition("\r\n\r\n")
        assert lines.split("\r\n") == [
            "PUT /a%20b?x=1&x=%2F HTTP/1.1",
            "host: api:1",
            "content-length: 5",
            "x-forwarded-for: 127.0.0.1",
            f"x-forwarded-uri: {PROXY}/a b",
        ]
        assert sent.strip() == "hello"

    with_server(echo, body)


@pytest.mark.parametrize("method", ["DELETE", "GET", "OPTIONS", "PATCH", "POST"])
def test_every_method_passes(with_server: WithServer, method: str) -> None:
    async def body(client: Client) -> None:
        _, seen = await client.ask(f"{PROXY}/", method)
        assert seen.startswith(f"{method} / HTTP/1.1\r\n")

    with_server(echo, body)


def test_a_head_has_no_body(with_server: WithServer) -> None:
    async def body(client: Client) -> None:
        said, seen = await client.ask(f"{PROXY}/", "HEAD")
        assert ("content-length: 10" in said, seen) == (True, "")

    with_server(answering(head("200 OK", "Content-Length: 10")), body)


def test_a_method_nobody_knows_is_refused(with_server: WithServer) -> None:
    async def body(client: Client) -> None:
        said, _ = await client.ask(f"{PROXY}/", "BREW")
        assert said.startswith("http/1.1 405")

    with_server(None, body)


def test_the_first_page_is_asked_for_with_a_slash(with_server: WithServer) -> None:
    async def body(client: Client) -> None:
        said, seen = await client.ask(f"{PROXY}?x=1")
        assert said.startswith("http/1.1 301")
        assert f"\r\nlocation: {PROXY}/?x=1\r\n" in said
        assert seen == ""

    with_server(None, body)


def test_an_event_is_there_before_the_next_is_known(with_server: WithServer) -> None:
    next_event = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head("200 OK", "Content-Type: text/event-stream") + b"data: one\n\n")
        await next_event.wait()
        writer.write(b"data: two\n\n")

    async def body(client: Client) -> None:
        reader, writer = await client.open(f"GET {PROXY}/events HTTP/1.1\nHost: api:1")
        await reader.readuntil(b"data: one\n\n")
        next_event.set()
        await reader.readuntil(b"data: two\n\n\r\n0\r\n\r\n")
        writer.close()

    with_server(serve, body)


def test_a_client_that_hangs_up_ends_the_pods_request(with_server: WithServer) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head("200 OK") + b"hello")
        try:
            await reader.read()
        finally:
            ended.set()

    async def body(client: Client) -> None:
        reader, writer = await client.open(f"GET {PROXY}/ HTTP/1.1\nHost: api:1")
        await reader.readuntil(b"hello")
        writer.close()
        await ended.wait()

    with_server(serve, body)


def test_a_server_that_reads_nothing_holds_its_client_back(with_server: WithServer) -> None:
    started = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        started.set()
        await asyncio.Event().wait()

    async def body(client: Client) -> None:
        _, writer = await client.open(f"POST {PROXY}/ HTTP/1.1\nHost: api:1\nContent-Length: 1000000000")
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                writer.write(bytes(1 << 20))
                await writer.drain()
                sent += 1 << 20

        await started.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await flood()
        assert sent < 64 << 20
        writer.transport.abort()

    with_server(serve, body)


@pytest.mark.parametrize(
    ("serve", "path", "why"),
    [
        (None, "/", "dial tcp 127.0.0.1:PORT: connect: connection refused"),
        (answering(), "/", "EOF"),
        (answering(b"HTTP/1.1 200"), "/", "unexpected EOF"),
        (
            answering(b"nonsense\r\n\r\n", then_hang=True),
            "/",
            "net/http: HTTP/1.x transport connection broken: ",
        ),
    ],
)
def test_a_server_that_cannot_be_asked(with_server: WithServer, serve: Serve, path: str, why: str) -> None:
    async def body(client: Client) -> None:
        said, answer = await client.ask(f"{PROXY}{path}")
        assert said.startswith("http/1.1 503")
        status = json.loads(answer)
        assert status["reason"] == "ServiceUnavailable"
        message = re.sub(r"1:\d+", "1:PORT", status["message"])
        assert message.startswith(f"error trying to reach service: {why}")

    with_server(serve, body)


def test_an_answer_that_breaks_off_has_no_end(with_server: WithServer) -> None:
    async def body(client: Client) -> None:
        _, seen = await client.ask(f"{PROXY}/")
        assert seen == "5\r\nhello\r\n"

    chunked = head("200 OK", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"
    with_server(answering(chunked), body)


def test_other_upgrades_than_websocket_are_refused(with_server: WithServer) -> None:
    async def body(client: Client) -> None:
        reader, writer = await client.open(
            f"GET {PROXY}/ HTTP/1.1\nHost: api:1\nConnection: Upgrade\nUpgrade: SPDY/3.1"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()

    with_server(None, body)


def test_a_websocket_reaches_the_pod(tmp_path: Path) -> None:
    seen: list[str] = []

    async def serve(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.extend((connection.request.path, connection.request.headers["X-Forwarded-For"]))
        async for message in connection:
            await connection.send(message)
            if message == b"enough":
                await connection.close(4000, "done")

    async def whole() -> None:
        async with ws_serve(serve, "127.0.0.1", 0, subprotocols=[CHAT], ping_interval=None) as pod:
            port = pod.sockets[0].getsockname()[1]

            async def streams(request: StreamRequest) -> None:
                location = Location(
                    ip="127.0.0.1", port=port, is_tls=False, authority="x", path="/chat", prefix=""
                )
                await relay_websocket(request, location)

            await _talk(tmp_path, streams)

    async def _talk(folder: Path, streams: Streams) -> None:
        store = SqliteStore(folder / "store.db")
        await store.open()
        await put(store, POD)
        node: NodeProxy = IdleNode()  # type: ignore[assignment]
        async with serving(store, node, LoopClock(), streams=streams) as url, asyncio.timeout(10):
            address = url.replace("http", "ws", 1) + f"{PROXY}/chat"
            async with connect(address, subprotocols=[CHAT], ping_interval=None) as client:
                assert client.subprotocol == CHAT
                await client.send("text")
                assert await client.recv() == "text"
                await client.send(b"enough")
                assert await client.recv() == b"enough"
                with pytest.raises(ConnectionClosed) as end:
                    await client.recv()
                assert end.value.rcvd is not None
                assert (end.value.rcvd.code, end.value.rcvd.reason) == (4000, "done")
        await store.close()

    asyncio.run(whole())
    assert seen == ["/chat", "127.0.0.1"]


def test_a_server_that_speaks_no_websocket_answers_itself(tmp_path: Path) -> None:
    async def whole() -> None:
        async with listening(answering(head("404 Not Found", "Content-Length: 4"), b"nope")) as port:

            async def streams(request: StreamRequest) -> None:
                where = Location(ip="127.0.0.1", port=port, is_tls=False, authority="x", path="/x", prefix="")
                await relay_websocket(request, where)

            store = SqliteStore(tmp_path / "store.db")
            await store.open()
            await put(store, POD)
            node: NodeProxy = IdleNode()  # type: ignore[assignment]
            async with serving(store, node, LoopClock(), streams=streams) as url, asyncio.timeout(10):
                with pytest.raises(InvalidStatus) as refusal:
                    await connect(url.replace("http", "ws", 1) + f"{PROXY}/x")
                assert (refusal.value.response.status_code, refusal.value.response.body) == (404, b"nope")
            await store.close()

    asyncio.run(whole())
