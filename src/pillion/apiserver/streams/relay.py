"""Carrying one forwarded connection: a client's bytes into the pod, the pod's bytes to the client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pillion.apiserver.nodeproxy import NodeProxy, NodeRefusal, Tunnel
from pillion.apiserver.streams.pods import PodRef
from pillion.apiserver.streams.websocket import HungUp

_AHEAD = 8
"""Messages of a client that wait for their connection before the client has to wait, too."""


class Relay:
    """Between a client's stream and a port of a pod. `put` and `end` come from the client."""

    def __init__(self, node: NodeProxy, pod: PodRef, port: int) -> None:
        self._node = node
        self._pod = pod
        self._port = port
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_AHEAD)
        self._is_over = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Waits while the pod does not read; forgets the data once the connection is over."""
        if data:
            await self._offer(data)

    async def end(self) -> None:
        """The client sends nothing more."""
        await self._offer(b"")

    async def _offer(self, data: bytes) -> None:
        if self._is_over.is_set():
            return
        if not self._waiting.full():
            self._waiting.put_nowait(data)
            return
        async with asyncio.TaskGroup() as tasks:
            offer = tasks.create_task(self._waiting.put(data))
            over = tasks.create_task(self._is_over.wait())
            await asyncio.wait((offer, over), return_when=asyncio.FIRST_COMPLETED)
            offer.cancel()
            over.cancel()

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> str:
        """Until the pod has closed its side. Returns what went wrong, for the client to read; empty for nothing.

        Raises HungUp when `send` does.
        """
        try:
            tunnel = await self._node.port_forward(self._pod.uid, self._port)
        except NodeRefusal as refusal:
            self._is_over.set()
            return self._told(refusal)
        try:
            return await self._carry(tunnel, send)
        finally:
            self._is_over.set()
            await tunnel.close()

    async def _carry(self, tunnel: Tunnel, send: Callable[[bytes], Awaitable[None]]) -> str:
        problems: list[OSError] = []
        gone: list[HungUp] = []

        async def inwards() -> None:
            try:
                while data := await self._waiting.get():
                    await tunnel.write(data)
                await tunnel.close_write()
            except OSError as error:
                problems.append(error)

        async def outwards() -> None:
            try:
                while data := await tunnel.read():
                    await send(data)
            except OSError as error:
                problems.append(error)
            except HungUp as error:
                gone.append(error)

        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(inwards())
            await tasks.create_task(outwards())
            writing.cancel()
        if gone:
            raise gone[0]
        return self._told(problems[0]) if problems else ""

    def _told(self, problem: Exception) -> str:
        """portforward/httpstream.go: portForward."""
        return f"error forwarding port {self._port} to pod {self._pod.name}, uid {self._pod.uid}: {problem}"
