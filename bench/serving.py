"""Pods by way of the API: how long clients wait for them, and what the server that runs them weighs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from bench.figures import Figure
from bench.memory import cpu_seconds, monitors, resident_mb
from bench.served import Served, has_kubectl, served
from bench.world import handles_sigterm, pod_manifest

Tree = dict[str, Any]

ROUNDS = 10
PODS, WATCHES, IDLE_SECONDS = 20, 20, 10
_PODS = "/api/v1/namespaces/default/pods"
_STATUS_CHANNEL = 3
"""Of exec over WebSocket: the one message in which the server says how the command ended."""


def pods(folder: Path) -> list[Figure]:
    with served(folder) as server:
        return [*_lives(server), *_kubectl_lives(server), *_execs(server)]


def weight(folder: Path) -> list[Figure]:
    with served(folder) as server:
        alone = resident_mb(server.pid)
        return [Figure("pillion serve, nothing stored: RSS", "MB", (alone,)), *asyncio.run(_weight(server))]


def _lives(server: Served) -> list[Figure]:
    """Seen by a watch, as the figures of real Kubernetes are."""
    starts, stops = [], []
    client, watcher = server.connect(), server.connect()
    events = watcher.events(f"{_PODS}?watch=1")
    for index in range(ROUNDS + 1):
        name = f"pod-{index}"
        begun = time.perf_counter()
        client.ask("POST", _PODS, pod_manifest(name))
        until_ready(events, name)
        ready = time.perf_counter()
        _until_stoppable(server)
        asked = time.perf_counter()
        client.ask("DELETE", f"{_PODS}/{name}")
        _until_gone(events, name)
        gone = time.perf_counter()
        if index:  # the first one also makes the bridge and fills the page cache
            starts.append((ready - begun) * 1000)
            stops.append((gone - asked) * 1000)
    watcher.close()
    client.close()
    return [
        Figure("pod of 3 containers: POST → Ready, seen by a watch", "ms", tuple(starts)),
        Figure("pod of 3 containers: DELETE → gone, seen by a watch", "ms", tuple(stops)),
    ]


def _kubectl_lives(server: Served) -> list[Figure]:
    if not has_kubectl():
        return []
    starts, stops, manifest = [], [], json.dumps(pod_manifest("pod")).encode()
    for index in range(ROUNDS // 2 + 1):
        applied = server.kubectl("apply", "-f", "-", stdin=manifest)
        waited = server.kubectl("wait", "--for=condition=Ready", "pod/pod", "--timeout=30s")
        _until_stoppable(server)
        deleted = server.kubectl("delete", "pod", "pod")
        if index:  # the first one fills its cache of the server's resources
            starts.append(applied + waited)
            stops.append(deleted)
    return [
        Figure("pod of 3 containers: kubectl apply + kubectl wait", "ms", tuple(starts)),
        Figure("pod of 3 containers: kubectl delete", "ms", tuple(stops)),
    ]


def _execs(server: Served) -> list[Figure]:
    client, watcher = server.connect(), server.connect()
    events = watcher.events(f"{_PODS}?watch=1")
    client.ask("POST", _PODS, pod_manifest("pod"))
    until_ready(events, "pod")
    _until_stoppable(server)
    took = [_exec(server) for _ in range(ROUNDS + 1)]
    figures = [Figure("exec of `true`, with a connection of its own", "ms", tuple(took[1:]))]
    if has_kubectl():
        by_kubectl = [server.kubectl("exec", "pod", "-c", "main", "--", "true") for _ in range(ROUNDS)]
        figures.append(Figure("kubectl exec of `true`", "ms", tuple(by_kubectl)))
    client.ask("DELETE", f"{_PODS}/pod")
    _until_gone(events, "pod")
    watcher.close()
    client.close()
    return figures


def _exec(server: Served) -> float:
    return asyncio.run(_exec_alone(server))


async def _exec_alone(server: Served) -> float:
    begun = time.perf_counter()
    url = f"wss://{server.host}:{server.port}{_PODS}/pod/exec?container=main&command=true&stdout=1&stderr=1"
    async with connect(
        url,
        ssl=server.tls,
        additional_headers={"Authorization": server.authorization},
        subprotocols=["v5.channel.k8s.io"],  # type: ignore[list-item]
        proxy=None,
    ) as socket:
        async for message in socket:
            assert isinstance(message, bytes)
            if message[0] == _STATUS_CHANNEL:
                assert json.loads(message[1:])["status"] == "Success", message
                return (time.perf_counter() - begun) * 1000
    raise RuntimeError("the server ended an exec without its status")


async def _weight(server: Served) -> list[Figure]:
    client, watcher = server.connect(), server.connect()
    events = watcher.events(f"{_PODS}?watch=1")
    names = [f"pod-{index}" for index in range(PODS)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(1) as others:
        waited = others.submit(_read_until_ready, server, PODS)
        for name in names:
            client.ask("POST", _PODS, pod_manifest(name))
        until_ready(events, *names)
        took = time.perf_counter() - begun
        reads = waited.result()
    async with AsyncExitStack() as stack:
        for _ in range(WATCHES):
            await stack.enter_async_context(server.watching(f"{_PODS}?watch=1"))
        before = cpu_seconds(server.pid)
        await asyncio.sleep(IDLE_SECONDS)
        used = cpu_seconds(server.pid) - before
        memory = resident_mb(server.pid)
    _until_stoppable(server)
    begun = time.perf_counter()
    client.ask("DELETE", _PODS)
    _until_gone(events, *names)
    gone = time.perf_counter() - begun
    watcher.close()
    client.close()
    what = f"{PODS} pods × 3 containers"
    return [
        Figure(f"{what}: POST → all Ready", "s", (took,)),
        Figure("meanwhile, for somebody else: list of these pods", "ms", reads),
        Figure(f"{what}: DELETE of the collection → all gone", "s", (gone,)),
        Figure(f"pillion serve, {PODS} pods and {WATCHES} watches: RSS", "MB", (memory,)),
        Figure(f"the same, idle for {IDLE_SECONDS} s: CPU", "% of a core", (used / IDLE_SECONDS * 100,)),
    ]


def _read_until_ready(server: Served, count: int) -> tuple[float, ...]:
    """What others wait for an answer while pods start."""
    client, took = server.connect(), []
    is_ready = False
    while not is_ready:
        begun = time.perf_counter()
        listing = json.loads(client.ask("GET", _PODS))
        took.append((time.perf_counter() - begun) * 1000)
        is_ready = sum(_is_ready(pod) for pod in listing["items"]) == count
    client.close()
    return tuple(took)


def _is_ready(pod: Tree) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def until_ready(events: Iterator[Tree], *names: str) -> None:
    waiting = set(names)
    for event in events:
        if _is_ready(event["object"]):
            waiting.discard(event["object"]["metadata"]["name"])
            if not waiting:
                return
    raise RuntimeError("a watch ended early")


def _until_gone(events: Iterator[Tree], *names: str) -> None:
    waiting = set(names)
    for event in events:
        if event["type"] == "DELETED":
            waiting.discard(event["object"]["metadata"]["name"])
            if not waiting:
                return
    raise RuntimeError("a watch ended early")


def _until_stoppable(server: Served) -> None:
    """Every program has its handler of SIGTERM: see `World.until_stoppable`."""
    for monitor in monitors(str(server.state)):
        children = Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split()
        for child in children:
            while not handles_sigterm(int(child)):
                time.sleep(0.001)  # noqa: TID251 - /proc tells nobody
