"""The API with objects that do nothing: lists, creations, and watches, with ever more of them stored."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.memory import resident_mb
from bench.served import Served, has_kubectl, served
from bench.world import pod_manifest

Tree = dict[str, Any]

CROWDS = (100, 1_000, 10_000)
ROUNDS, KUBECTL_ROUNDS = 10, 5
"""kubectl asks for pages of 500, and from the eleventh request on for five a second (client-go: rest/config.go,
DefaultBurst and DefaultQPS): with 10,000 objects the figure is nearly all its own patience."""
WRITES = 100
"""Of which each watch sees every one."""
WATCHERS = 50
WRITERS = 8
"""Connections that create at the same time."""
CREATIONS = 300
_CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
_PODS = "/api/v1/namespaces/default/pods"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def crowds_of_objects(folder: Path) -> list[Figure]:
    figures = []
    with served(folder) as server:
        before = 0
        for size in CROWDS:
            _fill(server, _CONFIGMAPS, [_configmap(f"stored-{i:05}") for i in range(before, size)])
            figures += _configmaps(server, size)
            figures += asyncio.run(_watches(server, size))
            before = size
    return figures


def crowds_of_pods(folder: Path) -> list[Figure]:
    """Pods that no node suits: objects like all others, with the largest of rows."""
    figures = []
    with served(folder) as server:
        before = 0
        for size in CROWDS:
            pods = [_unschedulable(f"stored-{i:05}") for i in range(before, size)]
            took = _fill(server, _PODS, pods)
            figures.append(
                Figure(f"{size:,} pods: creation, {WRITERS} clients", "per s", (len(pods) / took,))
            )
            _settle(server, size)
            figures += _lists(server, _PODS, f"{size:,} pods", "pods")
            figures.append(Figure(f"{size:,} pods: server's RSS", "MB", (resident_mb(server.pid),)))
            before = size
    return figures


def _configmaps(server: Served, size: int) -> list[Figure]:
    client = server.connect()
    begun = time.perf_counter()
    for index in range(CREATIONS):
        client.ask("POST", _CONFIGMAPS, _configmap(f"created-{index}"))
    rate = CREATIONS / (time.perf_counter() - begun)
    created = [_configmap(f"shared-{i}") for i in range(CREATIONS)]
    shared = CREATIONS / _fill(server, _CONFIGMAPS, created)
    for index in range(CREATIONS):
        client.ask("DELETE", f"{_CONFIGMAPS}/created-{index}")
        client.ask("DELETE", f"{_CONFIGMAPS}/shared-{index}")
    client.close()
    name = f"{size:,} ConfigMaps"
    return [
        Figure(f"{name}: creation, 1 client", "per s", (rate,)),
        Figure(f"{name}: creation, {WRITERS} clients", "per s", (shared,)),
        *_lists(server, _CONFIGMAPS, name, "configmaps"),
        Figure(f"{name}: server's RSS", "MB", (resident_mb(server.pid),)),
    ]


def _lists(server: Served, path: str, name: str, resource: str) -> list[Figure]:
    client = server.connect()
    client.ask("GET", path)
    full = tuple(client.timed("GET", path) for _ in range(ROUNDS))
    table = tuple(client.timed("GET", path, accept=_TABLE) for _ in range(ROUNDS))
    page = tuple(client.timed("GET", f"{path}?limit=500", accept=_TABLE) for _ in range(ROUNDS))
    client.close()
    figures = [
        Figure(f"{name}: list", "ms", full),
        Figure(f"{name}: list as a Table", "ms", table),
        Figure(f"{name}: first 500 as a Table", "ms", page),
    ]
    if has_kubectl():
        server.kubectl("get", resource)  # fills its cache
        took = tuple(server.kubectl("get", resource) for _ in range(KUBECTL_ROUNDS))
        figures.append(Figure(f"{name}: kubectl get", "ms", took))
    return figures


async def _watches(server: Served, size: int) -> list[Figure]:
    """From the first byte of the request that writes to the line in the hands of each watcher."""
    client = server.connect()
    loop = asyncio.get_running_loop()
    arrivals: list[float] = []
    async with AsyncExitStack() as stack:
        watches = [
            await stack.enter_async_context(
                server.watching(
                    f"{_CONFIGMAPS}?watch=1&resourceVersion={_revision(client.ask('GET', _CONFIGMAPS))}"
                )
            )
            for _ in range(WATCHERS)
        ]
        client.ask("PUT", f"{_CONFIGMAPS}/stored-00000", _configmap("stored-00000", "first"))
        for watch in watches:
            await anext(watch)
        with ThreadPoolExecutor(1) as writer:
            for index in range(WRITES):
                body = _configmap("stored-00000", f"round {index}")
                begun = time.perf_counter()
                written = loop.run_in_executor(writer, client.ask, "PUT", f"{_CONFIGMAPS}/stored-00000", body)
                arrivals += await _arrivals(watches, begun)
                await written
    client.close()
    p99 = statistics.quantiles(arrivals, n=100)[-1]
    name = f"{size:,} ConfigMaps, {WATCHERS} watches: write → event"
    return [Figure(name, "ms", tuple(arrivals)), Figure(f"{name}, 99th of 100", "ms", (p99,))]


async def _arrivals(watches: list[AsyncIterator[bytes]], begun: float) -> list[float]:
    async def arrive(watch: AsyncIterator[bytes]) -> float:
        await anext(watch)
        return (time.perf_counter() - begun) * 1000

    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(arrive(watch)) for watch in watches]
    return [task.result() for task in started]


def _revision(listing: bytes) -> str:
    head = listing.partition(b'"resourceVersion":"')[2]
    return head.partition(b'"')[0].decode()


def _fill(server: Served, path: str, objects: list[Tree]) -> float:
    """Create them from several connections. Seconds."""

    def create(mine: list[Tree]) -> None:
        client = server.connect()
        for tree in mine:
            client.ask("POST", path, tree)
        client.close()

    begun = time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(create, (objects[start::WRITERS] for start in range(WRITERS))))
    return time.perf_counter() - begun


def _settle(server: Served, size: int) -> None:
    """Until the scheduler has said of every pod that there is no place for it."""
    client = server.connect()
    waiting = {f"stored-{i:05}" for i in range(size)}
    for event in client.events(f"{_PODS}?watch=1"):
        if (event["object"].get("status") or {}).get("conditions"):
            waiting.discard(event["object"]["metadata"]["name"])
        if not waiting:
            break
    client.close()


def _configmap(name: str, value: str = "value") -> Tree:
    """As large as most: half a kilobyte."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "data": {"key": value, "text": "x" * 400},
    }


def _unschedulable(name: str) -> Tree:
    pod = pod_manifest(name)
    pod["spec"]["nodeSelector"] = {"bench": "nowhere"}
    return pod
