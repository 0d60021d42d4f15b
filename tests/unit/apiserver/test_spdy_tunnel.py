"""Port-forward in SPDY, from kubectl's side of the tunnel."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.streams_lab import EchoTunnel

from pillion.apiserver.nodeproxy import NodeRefusal
from pillion.apiserver.streams import spdy
from pillion.apiserver.streams.pods import PodRef
from pillion.apiserver.streams.tunneling import SUBPROTOCOL, serve_tunnel
from pillion.apiserver.streams.websocket import WebSocket

POD = PodRef(namespace="default", name="pod", uid="uid-1")


class FakeNode:
    def __init__(self) -> None:
        self.tunnels: list[EchoTunnel] = []

    async def port_forward(self, _pod_uid: str, port: int) -> EchoTunnel:
        if port == 9:
            raise NodeRefusal(500, "nobody listens")
        self.tunnels.append(EchoTunnel())
        return self.tunnels[-1]


class Client:
    def __init__(self) -> None:
        self.node = FakeNode()
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_server: asyncio.Queue[Any] = asyncio.Queue()
        self._deflate = zlib.compressobj(zdict=spdy.DICTIONARY)
        self._framer = spdy.Framer()

    async def connect(self) -> WebSocket:
        scope = {"type": "websocket", "subprotocols": [SUBPROTOCOL]}
        self._to_server.put_nowait({"type": "websocket.connect"})
        websocket = WebSocket(scope, self._to_server.get, self._from_server.put)
        await websocket.open((SUBPROTOCOL,))
        assert (await self._from_server.get())["subprotocol"] == SUBPROTOCOL
        return websocket

    def send(self, data: bytes) -> None:
        self._to_server.put_nowait({"type": "websocket.receive", "bytes": data})

    def hang_up(self) -> None:
        self._to_server.put_nowait({"type": "websocket.disconnect"})

    async def received(self) -> bytes:
        message = await self._from_server.get()
        data: bytes = message["bytes"]
        return data

    async def frame(self) -> spdy.Frame:
        (frame,) = self._framer.feed(await self.received())
        return frame

    def syn(self, stream: int, **headers: str) -> bytes:
        texts = [text.encode() for pair in headers.items() for text in pair]
        plain = struct.pack("!I", len(headers)) + b"".join(struct.pack("!I", len(t)) + t for t in texts)
        block = self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        payload = struct.pack("!IIH", stream, 0, 0) + block
        return struct.pack("!II", 0x80030001, len(payload)) + payload

    async def open(self, stream: int, port: int, kind: str, request: int) -> None:
        self.send(self.syn(stream, port=str(port), streamtype=kind, requestid=str(request)))
        reply = await self.received()
        assert (reply[:4], reply[8:12]) == (bytes.fromhex("80030002"), struct.pack("!I", stream))


def live(body: Callable[[Client], Awaitable[None]]) -> None:
    async def whole() -> None:
        client = Client()
        websocket = await client.connect()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve_tunnel(websocket, client.node, POD))  # type: ignore[arg-type]
            await body(client)
            client.hang_up()
            await serving
        assert all(tunnel.is_closed for tunnel in client.node.tunnels)

    asyncio.run(whole())


def test_a_connection_there_and_back() -> None:
    async def body(client: Client) -> None:
        await client.open(1, 8080, "error", 0)
        client.send(spdy.encode_data(1, b"", is_last=True))
        await client.open(3, 8080, "data", 0)
        client.send(spdy.encode_data(3, b"hello"))
        assert await client.frame() == spdy.Data(3, b"hello", False)
        client.send(spdy.encode_data(3, b"", is_last=True))
        assert await client.frame() == spdy.Data(3, b"", True)
        assert await client.frame() == spdy.Data(1, b"", True)

    live(body)


def test_frames_may_be_cut_and_joined_anywhere() -> None:
    async def body(client: Client) -> None:
        first = client.syn(1, port="80", streamtype="error", requestid="0")
        both = first + client.syn(3, port="80", streamtype="data", requestid="0") + spdy.encode_data(3, b"x")
        for at in range(len(both)):
            client.send(both[at : at + 1])
        for _ in range(2):
            await client.received()
        assert await client.frame() == spdy.Data(3, b"x", False)

    live(body)


def test_streams_without_a_request_number_belong_to_the_one_before() -> None:
    async def body(client: Client) -> None:
        client.send(client.syn(5, port="80", streamtype="error"))
        client.send(client.syn(7, port="80", streamtype="data") + spdy.encode_data(7, b"x"))
        for _ in range(2):
            await client.received()
        assert await client.frame() == spdy.Data(7, b"x", False)

    live(body)


def test_a_port_where_nobody_listens_is_told_on_the_error_stream() -> None:
    async def body(client: Client) -> None:
        await client.open(1, 9, "error", 0)
        await client.open(3, 9, "data", 0)
        assert await client.frame() == spdy.Data(3, b"", True)
        problem = b"error forwarding port 9 to pod pod, uid uid-1: nobody listens"
        assert await client.frame() == spdy.Data(1, problem, True)

    live(body)


@pytest.mark.parametrize(
    "headers",
    [
        {"port": "80"},
        {"port": "0", "streamtype": "data"},
        {"port": "65536", "streamtype": "data"},
        {"port": "x", "streamtype": "data"},
        {"port": "80", "streamtype": "other"},
    ],
)
def test_a_stream_that_makes_no_sense_is_reset(headers: dict[str, str]) -> None:
    async def body(client: Client) -> None:
        client.send(client.syn(1, **headers))
        assert await client.frame() == spdy.Reset(1)

    live(body)


def test_a_reset_closes_that_connection_only() -> None:
    async def body(client: Client) -> None:
        for number, first in enumerate((1, 5)):
            await client.open(first, 8080, "error", number)
            await client.open(first + 2, 8080, "data", number)
        client.send(spdy.encode_data(7, b"x"))
        assert await client.frame() == spdy.Data(7, b"x", False)
        client.send(spdy.encode_reset(3, 5) + spdy.encode_ping(spdy.Ping(1)))
        assert await client.frame() == spdy.Ping(1)
        client.send(spdy.encode_data(7, b"y"))
        assert await client.frame() == spdy.Data(7, b"y", False)
        assert [tunnel.is_closed for tunnel in client.node.tunnels] == [True, False]

    live(body)


def test_a_pod_that_does_not_read_stops_the_client_not_the_memory() -> None:
    async def body(client: Client) -> None:
        await client.open(1, 8080, "error", 0)
        await client.open(3, 8080, "data", 0)
        for _ in range(100):
            client.send(spdy.encode_data(3, b"x"))
        # Each piece that comes back has made room for one more: none is lost, none comes twice.
        for _ in range(100):
            assert await client.frame() == spdy.Data(3, b"x", False)

    live(body)


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1", bytes.fromhex("8003000100000001ff"), b"\x80\x03\x00\x01" * 9]
)
def test_who_speaks_something_else_is_let_go(garbage: bytes) -> None:
    async def whole() -> None:
        client = Client()
        websocket = await client.connect()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve_tunnel(websocket, client.node, POD))  # type: ignore[arg-type]
            client.send(garbage)
            client.hang_up()
            await serving

    asyncio.run(whole())
