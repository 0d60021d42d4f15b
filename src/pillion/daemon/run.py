"""`pillion run` without its looks: pods run until they are finished or told to stop, and whoever watches is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from pillion.clock import LoopClock
from pillion.containers.logs import tail
from pillion.crilog import Entry
from pillion.daemon import lock
from pillion.daemon.assembly import Config, build_certificates, build_drivers
from pillion.daemon.following import LogFollowers, log_path
from pillion.daemon.objects import LocalObjects, named
from pillion.daemon.podcertificates import PodCertificates
from pillion.daemon.publishing import Publication, Published, match
from pillion.errors import HostError
from pillion.lifecycle import Stage
from pillion.lifecycle.story import Entry as StoryEntry
from pillion.node import Drivers, Node, PodWorker, SavedPod
from pillion.objects import warnings
from pillion.objects.models import core_v1
from pillion.objects.qos import compute_qos
from pillion.plan.pods import identity_of, metadata_of, spec_of
from pillion.status import PodRow, pod_row
from pillion.volumes import Credentials

LAST_LINES = 10
"""Log lines shown of a container that failed."""
ORPHAN_GRACE = 1
"""Seconds for pods that are no longer asked for (kubelet.go: HandlePodCleanups, orphans)."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run: defaulted, validated objects."""

    pods: tuple[core_v1.Pod, ...]
    config_maps: tuple[core_v1.ConfigMap, ...] = ()
    secrets: tuple[core_v1.Secret, ...] = ()
    publications: tuple[Publication, ...] = ()


class Watcher(Protocol):
    """Who is told. Everything is called on the loop and must not block for long."""

    def applied(self, pod: core_v1.Pod, what: str) -> None:
        """`created`, `adopted`, or `orphaned`."""

    def changed(self, pod: core_v1.Pod, row: PodRow) -> None: ...

    def event(self, event: core_v1.Event) -> None: ...

    def reachable(self, pod: core_v1.Pod, published: Iterable[Published]) -> None:
        """The pod has its addresses."""

    async def log(
        self, pod: core_v1.Pod, container: str, entries: list[Entry], shown: Callable[[], None]
    ) -> None:
        """Whole lines of a container. Taking long is fine: the log file is the buffer.

        `shown` is to be called, from any thread, when they have left this process.
        """

    def warn(self, text: str) -> None: ...


class FailedContainer(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    exit_code: int
    reason: str
    message: str
    last_lines: tuple[str, ...]


class FinishedPod(msgspec.Struct, frozen=True, kw_only=True):
    pod: core_v1.Pod
    phase: str
    failed: tuple[FailedContainer, ...]
    story: tuple[StoryEntry, ...]


class Run:
    """One run. `interrupt` may be called at any time: the first ends the pods in order, the second at once."""

    def __init__(self, config: Config, ask: Ask, watcher: Watcher) -> None:
        self._config = config
        self._ask = msgspec.structs.replace(ask, pods=tuple(named(pod) for pod in ask.pods))
        self._watcher = watcher
        self._clock = LoopClock()
        self._objects = LocalObjects(self._clock)
        self._interrupts = 0
        self._hurried = asyncio.Event()
        self._reached: dict[str, str] = {}

    def interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            self._hurried.set()
        self._objects.changed.set()

    async def run(self) -> list[FinishedPod]:
        """Run everything to its end and leave nothing behind. Raises ManifestError, HostError."""
        objects = self._objects
        for config_map in self._ask.config_maps:
            objects.put_config_map(config_map)
        for secret in self._ask.secrets:
            objects.put_secret(secret)
        published = match(list(self._ask.publications), list(self._ask.pods))
        certificates = build_certificates(self._config, self._clock)
        credentials = Credentials(certificates=certificates)
        drivers = build_drivers(self._config, self._clock, objects, credentials=credentials)
        with lock.hold(drivers.state):
            objects.on_event(self._watcher.event)
            node = Node(drivers, objects)
            saved = await node.open()
            try:
                for uid, why in node.orphans.items():
                    self._watcher.warn(
                        f"what an earlier run left of pod {uid} is still there: {why}; trying again"
                    )
                for warning in (*self._warnings(drivers), *drivers.network.warnings()):
                    self._watcher.warn(warning)
                async with _running(node, certificates) as tasks:
                    workers = self._apply(node, drivers, saved)
                    return await self._watch(node, drivers, workers, published, tasks)
            finally:
                await node.close()

    def _warnings(self, drivers: Drivers) -> Iterator[str]:
        """What the API server would warn of, what one node cannot take into account, and what this host lacks."""
        for pod in self._ask.pods:
            name, spec = metadata_of(pod).name, spec_of(pod)
            yield from (f"pod/{name}: {text}" for text in warnings(pod))
            if spec.nodeSelector or spec.affinity:
                yield f"pod/{name}: nodeSelector and affinity are not looked at: there is only this node"
        if any(compute_qos(pod) == "Guaranteed" for pod in self._ask.pods):
            yield from drivers.host_warnings  # they are about who is spared when memory runs out

    def _apply(self, node: Node, drivers: Drivers, saved: dict[str, SavedPod]) -> list[PodWorker]:
        """Adopt what is asked for and runs already, end what is no longer asked for, create the rest."""
        objects, left = self._objects, dict(saved)
        adopted: dict[int, PodWorker] = {}
        for index, pod in enumerate(self._ask.pods):
            uid = next((uid for uid, known in left.items() if _is_same(known, pod)), None)
            if uid is not None:
                known = left.pop(uid)
                objects.keep(known.pod)
                adopted[index] = node.adopt(known)
                node.refresh_volumes(uid)
                self._watcher.applied(known.pod, "adopted")
        for known in left.values():
            objects.keep(known.pod)
            worker = node.adopt(known)
            if known.record.stage is not Stage.FINISHED:
                self._watcher.applied(known.pod, "orphaned")
            worker.delete(ORPHAN_GRACE)
        workers = []
        for index, pod in enumerate(self._ask.pods):
            worker = adopted.get(index) or self._create(node, drivers, pod)
            workers.append(worker)
        return workers

    def _create(self, node: Node, drivers: Drivers, pod: core_v1.Pod) -> PodWorker:
        admitted = self._objects.admit(pod, node=drivers.node.name, qos_class=compute_qos(pod))
        self._watcher.applied(admitted, "created")
        return node.add(admitted)

    async def _watch(
        self,
        node: Node,
        drivers: Drivers,
        workers: list[PodWorker],
        published: list[Published],
        tasks: asyncio.TaskGroup,
    ) -> list[FinishedPod]:
        shown: dict[str, core_v1.Pod] = {}
        obeyed = 0
        followers = LogFollowers(drivers.state, self._watcher.log, self._watcher.warn, tasks)
        while True:
            self._objects.changed.clear()
            if self._interrupts > obeyed:
                obeyed = self._interrupts
                for worker in node.workers.values():
                    worker.delete(0 if obeyed > 1 else worker.plan.grace_seconds)
            for worker in workers:
                pod = worker.pod
                if shown.get(worker.uid) is not pod:
                    shown[worker.uid] = pod
                    self._watcher.changed(pod, pod_row(pod, drivers.clock.now()))
                    followers.look(worker)
                    self._reach(drivers, worker, published, tasks)
            for warning in drivers.network.warnings():
                self._watcher.warn(warning)
            if all(worker.record.stage is Stage.FINISHED for worker in node.workers.values()):
                break
            await self._objects.changed.wait()
        await followers.finish(self._hurried)
        finished = [self._conclude(drivers, worker) for worker in workers]
        for uid in list(node.workers):
            node.forget(uid)
        return finished

    def _reach(
        self, drivers: Drivers, worker: PodWorker, published: list[Published], tasks: asyncio.TaskGroup
    ) -> None:
        """Publish the pod's ports once it has an address, and again when a new sandbox brought another."""
        status = worker.pod.status
        ip = status.podIP if status is not None else None
        if not ip or self._reached.get(worker.uid) == ip or worker.record.stage is not Stage.SYNCING:
            return
        self._reached[worker.uid] = ip
        identity = identity_of(worker.pod)
        own = [p for p in published if p.pod == f"{identity.namespace}/{identity.name}"]
        tasks.create_task(self._publish(drivers, worker, own))

    async def _publish(self, drivers: Drivers, worker: PodWorker, published: list[Published]) -> None:
        if published:
            try:
                await drivers.network.publish(worker.uid, tuple(p.host_port for p in published))
            except HostError as error:
                self._watcher.warn(f"{identity_of(worker.pod).name}: {error}")
                return
        self._watcher.reachable(worker.pod, published)

    def _conclude(self, drivers: Drivers, worker: PodWorker) -> FinishedPod:
        pod = worker.pod
        status = pod.status or core_v1.PodStatus()
        failed = []
        for known in (*(status.initContainerStatuses or ()), *(status.containerStatuses or ())):
            ended = known.state.terminated if known.state is not None else None
            if ended is None or ended.exitCode == 0 or known.name in _sidecars(pod):
                continue
            path = log_path(drivers.state, worker, known.name, known.restartCount)
            failed.append(
                FailedContainer(
                    name=known.name,
                    exit_code=ended.exitCode,
                    reason=ended.reason or "",
                    message=ended.message or "",
                    last_lines=tuple(
                        entry.payload.decode(errors="replace") for entry in tail(path, LAST_LINES)
                    ),
                )
            )
        return FinishedPod(
            pod=pod, phase=worker.record.phase, failed=tuple(failed), story=tuple(worker.story)
        )


@asynccontextmanager
async def _running(node: Node, certificates: PodCertificates) -> AsyncIterator[asyncio.TaskGroup]:
    """The node runs and certificates are renewed while the block runs; the group is for tasks that end with it."""
    async with asyncio.TaskGroup() as tasks:
        ready = asyncio.Event()
        own = tasks.create_task(node.run(ready), name="node")
        await ready.wait()
        renewing = tasks.create_task(certificates.run(node), name="certificates")
        yield tasks
        renewing.cancel()
        own.cancel()


def _is_same(saved: SavedPod, pod: core_v1.Pod) -> bool:
    """Whether a pod of an earlier process is the one that is asked for, unchanged and still alive."""
    if saved.deletion is not None or saved.record.stage is not Stage.SYNCING:
        return False
    known, asked = metadata_of(saved.pod), metadata_of(pod)
    spec = msgspec.structs.replace(spec_of(saved.pod), nodeName=spec_of(pod).nodeName)
    return (known.namespace, known.name) == (asked.namespace or "default", asked.name) and spec == spec_of(
        pod
    )


def _sidecars(pod: core_v1.Pod) -> set[str]:
    return {c.name for c in spec_of(pod).initContainers or () if c.restartPolicy == "Always"}
