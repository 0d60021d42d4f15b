"""Port-forward in SPDY in a WebSocket (KEP-4006; apiserver: pkg/util/proxy/streamtunnel.go; kubelet: httpstream.go).

Each forwarded connection is a pair of SPDY streams, `data` and `error`, opened by the client with the port and the
number of the request in their headers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pillion.apiserver.nodeproxy import NodeProxy
from pillion.apiserver.streams import spdy
from pillion.apiserver.streams.pods import PodRef
from pillion.apiserver.streams.relay import Relay
from pillion.apiserver.streams.websocket import HungUp, WebSocket

SUBPROTOCOL = "SPDY/3.1+portforward.k8s.io"
MAX_PAIRS = 1024
"""Connections of one client at a time."""
_PROTOCOL_ERROR, _REFUSED = 1, 3


@dataclass
class _Pair:
    request: str
    port: int
    data: int | None = None
    error: int | None = None
    relay: Relay | None = None
    task: asyncio.Task[None] | None = None


async def serve_tunnel(websocket: WebSocket, node: NodeProxy, pod: PodRef) -> None:
    """Until the client hangs up."""
    async with asyncio.TaskGroup() as tasks:
        tunnel = _Tunnel(websocket, node, pod, tasks)
        await tunnel.listen()
        tunnel.abandon()
    await websocket.close()


class _Tunnel:
    def __init__(self, websocket: WebSocket, node: NodeProxy, pod: PodRef, tasks: asyncio.TaskGroup) -> None:
        self._websocket = websocket
        self._node = node
        self._pod = pod
        self._tasks = tasks
        self._framer = spdy.Framer()
        self._pairs: dict[str, _Pair] = {}
        self._by_stream: dict[int, _Pair] = {}

    async def listen(self) -> None:
        try:
            while True:
                for frame in self._framer.feed(await self._websocket.receive()):
                    await self._take(frame)
        except (HungUp, spdy.ProtocolError):
            return

    def abandon(self) -> None:
        for pair in self._pairs.values():
            if pair.task is not None:
                pair.task.cancel()

    async def _take(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.OpenStream():
                await self._open(frame)
            case spdy.Data():
                pair = self._by_stream.get(frame.stream)
                if pair is not None and pair.relay is not None and frame.stream == pair.data:
                    await pair.relay.put(frame.data)
                    if frame.is_last:
                        await pair.relay.end()
            case spdy.Reset():
                pair = self._by_stream.get(frame.stream)
                if pair is not None and pair.task is not None:
                    pair.task.cancel()
                elif pair is not None:
                    self._forget(pair)
            case spdy.Ping():
                await self._websocket.send(spdy.encode_ping(frame))
            case spdy.GoAway():
                pass  # the client closes the connection itself, after its last stream

    async def _open(self, frame: spdy.OpenStream) -> None:
        headers = {name.lower(): value for name, value in frame.headers.items()}
        kind, port = headers.get("streamtype", ""), headers.get("port", "")
        if kind not in ("data", "error") or not port.isdigit() or not 0 < int(port) < 1 << 16:
            await self._websocket.send(spdy.encode_reset(frame.stream, _PROTOCOL_ERROR))
            return
        # Without a number, an error stream and the data stream after it belong together (httpstream.go: requestID).
        request = headers.get("requestid") or str(frame.stream - (2 if kind == "data" else 0))
        pair = self._pairs.get(request)
        if pair is None:
            if len(self._pairs) >= MAX_PAIRS:
                await self._websocket.send(spdy.encode_reset(frame.stream, _REFUSED))
                return
            pair = self._pairs[request] = _Pair(request, int(port))
        if getattr(pair, kind) is not None:
            await self._websocket.send(spdy.encode_reset(frame.stream, _PROTOCOL_ERROR))
            return
        setattr(pair, kind, frame.stream)
        self._by_stream[frame.stream] = pair
        await self._websocket.send(self._framer.encode_reply(frame.stream))
        if pair.data is not None and pair.error is not None:
            pair.relay = Relay(self._node, self._pod, pair.port)
            pair.task = self._tasks.create_task(self._carry(pair, pair.relay, pair.data, pair.error))

    async def _carry(self, pair: _Pair, relay: Relay, data_stream: int, error_stream: int) -> None:
        async def send(data: bytes) -> None:
            await self._websocket.send(spdy.encode_data(data_stream, data))

        try:
            problem = await relay.run(send)
            await self._websocket.send(spdy.encode_data(data_stream, b"", is_last=True))
            await self._websocket.send(spdy.encode_data(error_stream, problem.encode(), is_last=True))
        except HungUp:
            return
        finally:
            self._forget(pair)

    def _forget(self, pair: _Pair) -> None:
        self._pairs.pop(pair.request, None)
        for stream in (pair.data, pair.error):
            if stream is not None:
                self._by_stream.pop(stream, None)
