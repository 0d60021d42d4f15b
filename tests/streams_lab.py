"""A real node with one Pod behind the API server on a port of this machine, for clients of the streams.

The Pod's object is put into the store whenever its status changes; there is no scheduler and no deletion.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from pillion.apiserver.app import build_app
from pillion.apiserver.catalogue import build_registry
from pillion.apiserver.nodeproxy import NodeProxy
from pillion.apiserver.seams import SYSTEM, AdmissionRequest, Attributes, Streams, User
from pillion.apiserver.streams import serve_streams
from pillion.apiserver.streams.handshake import StreamsProtocol
from pillion.apiserver.writes import Writes
from pillion.clock import LoopClock
from pillion.containers.images import parse_sources
from pillion.daemon.assembly import Config, build_drivers
from pillion.daemon.objects import LocalObjects
from pillion.node import Node, PodWorker
from pillion.node.serving import PodServer
from pillion.objects import encode
from pillion.objects.codec import decode
from pillion.objects.defaults import default
from pillion.objects.models import core_v1
from pillion.objects.qos import compute_qos
from pillion.store import Key, Revision, SqliteStore


class _AdmitAll:
    async def admit(self, request: AdmissionRequest) -> dict[str, Any] | None:
        return request.object


def _everybody(_authorization: str | None) -> User:
    return SYSTEM


def _everything(_user: User, _attributes: Attributes) -> str | None:
    return None


class StreamsLab:
    def __init__(self, worker: PodWorker, node: NodeProxy, store: SqliteStore, url: str) -> None:
        self.worker = worker
        self.node = node
        self.url = url
        self._store = store

    async def kubectl(self, *words: str, stdin: bytes = b"", timeout: float = 20) -> tuple[int, str, str]:
        """(exit status, stdout, stderr)"""
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            f"--server={self.url}",
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin", "HOME": "/nonexistent"},
        )
        try:
            async with asyncio.timeout(timeout):
                out, err = await process.communicate(stdin)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def serving(
    store: SqliteStore, node: NodeProxy, clock: LoopClock, *, streams: Streams = serve_streams
) -> AsyncIterator[str]:
    """The API server's address, without TLS."""
    app = build_app(
        store,
        build_registry(),
        node,
        clock,
        Writes(store, clock, _AdmitAll()),
        authenticate=_everybody,
        authorize=_everything,
        streams=streams,
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="error",
            lifespan="off",
            ws=StreamsProtocol,
            ws_ping_interval=None,
            timeout_graceful_shutdown=1,
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def put(store: SqliteStore, pod: core_v1.Pod) -> None:
    """Write a Pod's object as it is now."""
    tree = encode(pod)
    metadata = tree["metadata"]

    def value(revision: Revision) -> bytes:
        return msgspec.json.encode(tree | {"metadata": metadata | {"resourceVersion": str(revision)}})

    key = Key("pods", metadata["namespace"], metadata["name"])
    stored = store.get(key)
    if stored is None:
        await store.create(key, value)
    else:
        await store.update(key, value, expected=stored.revision)


@asynccontextmanager
async def streams_lab(
    folder: Path, spec: dict[str, Any], *, until: str = "Running"
) -> AsyncIterator[StreamsLab]:
    """The Pod is called `pod`; its image `box` is this machine. Ready when its phase is `until`."""
    clock = LoopClock()
    objects = LocalObjects(clock)
    drivers = build_drivers(
        Config(state_dir=str(folder / "state"), images=parse_sources(["box=host"], folder=folder)),
        clock,
        objects,
    )
    node = Node(drivers, objects)
    store = SqliteStore(folder / "store.db")
    await store.open()
    await node.open()
    try:
        async with asyncio.TaskGroup() as tasks:
            ready = asyncio.Event()
            running = tasks.create_task(node.run(ready))
            await ready.wait()
            worker = node.add(_pod(objects, drivers.node.name, spec))
            try:
                await _until_phase(objects, worker, until)
                await put(store, worker.pod)
                server = PodServer(drivers, lambda: node.workers)
                async with serving(store, server, clock) as url:
                    yield StreamsLab(worker, server, store, url)
            finally:
                worker.delete(0)
                async with asyncio.timeout(20):
                    while worker.uid not in objects.finished:
                        objects.changed.clear()
                        await objects.changed.wait()
                node.forget(worker.uid)
                running.cancel()
    finally:
        await node.close()
        await store.close()


def _pod(objects: LocalObjects, node: str, spec: dict[str, Any]) -> core_v1.Pod:
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod"},
        "spec": {"terminationGracePeriodSeconds": 1} | spec,
    }
    pod, problems = decode(core_v1.Pod, tree)
    assert problems == []
    default(pod)
    return objects.admit(pod, node=node, qos_class=compute_qos(pod))


async def _until_phase(objects: LocalObjects, worker: PodWorker, phase: str) -> None:
    async with asyncio.timeout(20):
        while worker.pod.status is None or worker.pod.status.phase != phase:
            objects.changed.clear()
            await objects.changed.wait()


class EchoTunnel:
    """Gives back what it is given, then ends."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(2)
        self.is_closed = False

    async def read(self) -> bytes:
        return await self._waiting.get()

    async def write(self, data: bytes) -> None:
        await self._waiting.put(data)

    async def close_write(self) -> None:
        await self._waiting.put(b"")

    async def close(self) -> None:
        self.is_closed = True


def box(name: str, script: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "image": "box", "command": ["/bin/sh", "-c", script]} | changes
