"""Port-forward over WebSocket, in the two forms that Kubernetes has.

kubectl from 1.31 on tunnels SPDY through one WebSocket (`tunneling`). Older WebSocket clients name their ports in the
query and get two channels for each, data and errors (kubelet: pkg/cri/streaming/portforward/websocket.go).
"""

from __future__ import annotations

import asyncio

from pillion.apiserver.seams import StreamRequest
from pillion.apiserver.statuses import bad_request
from pillion.apiserver.streams import tunneling
from pillion.apiserver.streams.channels import V4, Channels
from pillion.apiserver.streams.pods import pod_ref, require_node
from pillion.apiserver.streams.query import Query
from pillion.apiserver.streams.relay import Relay
from pillion.apiserver.streams.websocket import HungUp, WebSocket, require_websocket
from pillion.units import quote


async def serve_port_forward(request: StreamRequest) -> None:
    """Raises ApiError before the first byte."""
    require_node(request.object)
    require_websocket(request.scope)
    websocket = WebSocket(request.scope, request.receive, request.send)
    pod = pod_ref(request.object)
    if tunneling.SUBPROTOCOL in request.scope.get("subprotocols", ()):
        await websocket.open((tunneling.SUBPROTOCOL,))
        await tunneling.serve_tunnel(websocket, request.node, pod)
        return
    ports = _ports(request.query)
    await websocket.open((*V4, ""))
    relays = [Relay(request.node, pod, port) for port in ports]
    await _serve_channels(Channels(websocket), ports, relays)
    await websocket.close()


def _ports(query: Query) -> list[int]:
    """Raises ApiError."""
    values = query.get("ports", query.get("port", ()))
    if not values:
        raise bad_request('query parameter "port" is required')
    return [_port(text) for value in values for text in value.split(",")]


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 16:
        raise bad_request(f"unable to parse {quote(text)} as a port")
    if int(text) < 1:
        raise bad_request(f"port {quote(text)} must be > 0")
    return int(text)


async def _serve_channels(channels: Channels, ports: list[int], relays: list[Relay]) -> None:
    async def carry(number: int, relay: Relay) -> None:
        try:
            for channel in (2 * number, 2 * number + 1):
                await channels.send(channel, ports[number].to_bytes(2, "little"))

            async def send(data: bytes) -> None:
                await channels.send(2 * number, data)

            problem = await relay.run(send)
            if problem:
                await channels.send(2 * number + 1, problem.encode())
        except HungUp:
            return

    async def listen() -> None:
        try:
            while True:
                received = await channels.receive()
                number, is_error = divmod(received.channel, 2)
                if not is_error and number < len(relays):
                    await relays[number].put(received.data)
        except HungUp:
            return

    async def carry_all() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number, relay in enumerate(relays):
                tasks.create_task(carry(number, relay))

    async with asyncio.TaskGroup() as tasks:
        carrying, listening = tasks.create_task(carry_all()), tasks.create_task(listen())
        await asyncio.wait((carrying, listening), return_when=asyncio.FIRST_COMPLETED)
        carrying.cancel()
        listening.cancel()
