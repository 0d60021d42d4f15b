"""A node in this process, with pods that need nothing but the program of `bench.program`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.program import IMAGE, NAME
from pillion.clock import LoopClock
from pillion.containers.images import parse_sources
from pillion.daemon.assembly import Config, build_drivers
from pillion.daemon.objects import LocalObjects
from pillion.node import Drivers, Node, PodWorker
from pillion.objects import core_v1, default
from pillion.objects.qos import compute_qos


def pod_manifest(name: str, *, probed: bool = False) -> dict[str, Any]:
    """Two sidecars and a main container, which start at once."""

    def container(index: int, name: str, **more: str) -> dict[str, Any]:
        made: dict[str, Any] = {"name": name, "image": IMAGE, **more}
        if probed:
            made |= {
                "args": [str(8000 + index)],
                "readinessProbe": {"httpGet": {"port": 8000 + index}, "periodSeconds": 10},
                "livenessProbe": {"httpGet": {"port": 8000 + index}, "periodSeconds": 10},
            }
        return made

    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "dnsPolicy": "Default",
            "initContainers": [container(i, f"sidecar-{i}", restartPolicy="Always") for i in (1, 2)],
            "containers": [container(0, "main")],
        },
    }


class World:
    def __init__(self, node: Node, drivers: Drivers, objects: LocalObjects) -> None:
        self.drivers = drivers
        self._node = node
        self._objects = objects

    def create(self, name: str) -> PodWorker:
        pod = msgspec.convert(pod_manifest(name), core_v1.Pod)
        default(pod)
        admitted = self._objects.admit(pod, node=self.drivers.node.name, qos_class=compute_qos(pod))
        return self._node.add(admitted)

    async def until(self, condition: Callable[[], bool], *, within: float = 120) -> None:
        """Return at the change that makes it true. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while True:
                self._objects.changed.clear()
                if condition():
                    return
                await self._objects.changed.wait()

    async def until_ready(self, *pods: PodWorker) -> None:
        await self.until(lambda: all(self._is_ready(pod) for pod in pods))

    async def delete(self, *pods: PodWorker) -> None:
        """Returns when nothing of them is left."""
        for pod in pods:
            pod.delete(30)
        await self.until(lambda: all(pod.uid in self._objects.finished for pod in pods))
        for pod in pods:
            self._node.forget(pod.uid)

    def _is_ready(self, pod: PodWorker) -> bool:
        status = self._objects.pods[pod.uid].status
        conditions = (status.conditions if status is not None else None) or ()
        return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)

    def restarts(self, pod: PodWorker, container: str) -> int:
        """Of a sidecar that runs; -1 while it does not."""
        status = self._objects.pods[pod.uid].status
        for known in (status.initContainerStatuses if status is not None else None) or ():
            if known.name == container and known.state is not None and known.state.running is not None:
                return known.restartCount
        return -1

    def process_of(self, pod: PodWorker, container: str) -> int:
        """The container's first process."""
        seen = next(c for c in self.drivers.runtime.containers(pod.uid) if c.name == container)
        return int(Path(self.drivers.state.container(seen.id), "pid").read_text())

    async def until_stoppable(self, pod: PodWorker) -> None:
        """Every program has its handler of SIGTERM.

        Ready comes before that when nothing probes, and process 1 of a namespace never gets a signal that it does not
        handle: a deletion in this moment would measure the grace period.
        """
        async with asyncio.timeout(10):
            for seen in self.drivers.runtime.containers(pod.uid):
                while not handles_sigterm(self.process_of(pod, seen.name)):  # noqa: ASYNC110 - /proc tells nobody
                    await asyncio.sleep(0.001)


def handles_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1) and NAME in status.splitlines()[0]


@asynccontextmanager
async def running_node(folder: Path) -> AsyncIterator[World]:
    """A node on FOLDER/state that runs the image in FOLDER/image. Its pods have to be deleted before the end."""
    clock = LoopClock()
    objects = LocalObjects(clock)
    images = parse_sources([f"{IMAGE}={folder / 'image'}"], folder=folder)
    drivers = build_drivers(Config(state_dir=str(folder / "state"), images=images), clock, objects)
    node = Node(drivers, objects)
    await node.open()
    try:
        async with asyncio.TaskGroup() as tasks:
            ready = asyncio.Event()
            running = tasks.create_task(node.run(ready))
            await ready.wait()
            yield World(node, drivers, objects)
            running.cancel()
    finally:
        await node.close()
