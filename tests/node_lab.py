"""A node whose containers and network are the fakes, in time that passes as fast as everything has been done.

def test_…(tmp_path):
    async def life(lab):
        worker = lab.run_pod(containers=[{"name": "main", "image": "box"}])
        await lab.until(lambda: worker.record.phase == "Running")
    live(tmp_path, life)
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from pillion.clock import LoopClock
from pillion.containers.images import ImageStore, parse_sources
from pillion.daemon.objects import LocalObjects
from pillion.node import Drivers, Node, PodWorker, SavedPod
from pillion.objects.codec import decode
from pillion.objects.defaults import default
from pillion.objects.models import core_v1
from pillion.objects.qos import compute_qos
from pillion.plan.facts import Allocatable, NodeFacts
from pillion.statedir import StateDir
from pillion.testing.fakenetwork import FakeNetwork
from pillion.testing.fakeruntime import FakeRuntime, Script
from pillion.volumes import Volumes

GIB = 1 << 30
FACTS = NodeFacts(
    name="node-1",
    hostname="node-1",
    host_ips=("192.0.2.10",),
    memory_bytes=4 * GIB,
    allocatable=Allocatable(cpu_millis=4000, memory_bytes=4 * GIB, ephemeral_storage_bytes=10 * GIB),
    resolv_conf="nameserver 192.0.2.53\n",
    hosts="127.0.0.1 localhost\n",
)


class _Jumping(selectors.DefaultSelector):  # type: ignore[valid-type,misc]
    """Where a loop would wait for a timer, its clock jumps there, unless a thread is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads or timeout is None:
            return super().select(None if self.threads else 10)  # type: ignore[no-any-return]
        self.skipped += timeout
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return super().time() + self._jumping.skipped

    def run_in_executor(self, executor, func, *args):  # type: ignore[no-untyped-def]
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: object) -> None:
        self._jumping.threads -= 1


class Lab:
    """One node. What it writes stays in the folder, so a second lab on the same folder can take over."""

    def __init__(self, folder: Path, scripts: Mapping[str, Script | Sequence[Script]]) -> None:
        self.clock = LoopClock()
        self.state = StateDir(PurePosixPath(folder))
        self.runtime = FakeRuntime(self.clock, scripts)
        self.network = FakeNetwork()
        self.objects = LocalObjects(self.clock)
        self.events: list[tuple[str, str]] = []
        self.objects.on_event(lambda event: self.events.append((event.reason or "", event.message or "")))
        self.drivers = Drivers(
            state=self.state,
            clock=self.clock,
            runtime=self.runtime,
            network=self.network,
            volumes=Volumes(self.state, self.clock),
            images=ImageStore(self.state, parse_sources(["box=host"], folder=folder)),
            configs=self.objects,
            node=FACTS,
        )
        self.node = Node(self.drivers, self.objects)
        self.saved: dict[str, SavedPod] = {}

    def pod(self, name: str = "pod", **spec: Any) -> core_v1.Pod:
        tree = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        pod, problems = decode(core_v1.Pod, tree)
        assert problems == []
        default(pod)
        return self.objects.admit(pod, node="node-1", qos_class=compute_qos(pod))

    def run_pod(self, name: str = "pod", **spec: Any) -> PodWorker:
        return self.node.add(self.pod(name, **spec))

    async def until(self, fact: Callable[[], object], within: float = 1000.0) -> None:
        """Wait, in the lab's own time."""
        async with asyncio.timeout(within):
            while not fact():  # noqa: ASYNC110 - facts of any kind; the time it takes is the lab's own
                await asyncio.sleep(0.01)

    def started(self, name: str) -> int:
        return self.runtime.calls.count(("start", name))

    def created(self, name: str) -> int:
        return self.runtime.calls.count(("create", name))

    def events_of(self, reason: str) -> list[str]:
        return [message for known, message in self.events if known == reason]


def live(
    folder: Path,
    life: Callable[[Lab], Awaitable[None]],
    scripts: Mapping[str, Script | Sequence[Script]] | None = None,
    *,
    before: Callable[[Lab], Awaitable[None]] | None = None,
) -> None:
    """Run `life` beside a running node. `before` makes what an earlier process has left."""

    async def whole() -> None:
        lab = Lab(folder, scripts or {})
        if before is not None:
            await before(lab)
        lab.saved = await lab.node.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                ready = asyncio.Event()
                running = tasks.create_task(lab.node.run(ready))
                await ready.wait()
                await life(lab)
                running.cancel()
        finally:
            await lab.node.close()

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(whole())


def config_map(name: str, **data: str) -> core_v1.ConfigMap:
    return msgspec.convert({"metadata": {"name": name}, "data": data}, core_v1.ConfigMap)
