"""The node: the set of pod workers, and what is done for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Set

from pillion.errors import Bug, HostError
from pillion.lifecycle import EventNote, Stage
from pillion.node import persistence
from pillion.node.drivers import Drivers
from pillion.node.eviction import watch_empty_dirs
from pillion.node.performing import RETRY, RETRY_CAP
from pillion.node.seams import StatusWriter
from pillion.node.worker import PodWorker
from pillion.objects.models import core_v1
from pillion.plan.pods import identity_of

REFRESH_PERIOD = 60.0
"""Seconds between two refreshes of configMap and secret volumes when nobody said that something changed."""


class Node:
    """Runs pods: `open`, then `run` as a task while pods are to be cared for, then `close`. Containers go on."""

    def __init__(self, drivers: Drivers, writer: StatusWriter) -> None:
        self._drivers = drivers
        self._writer = writer
        self._workers: dict[str, PodWorker] = {}
        self._orphans: dict[str, str] = {}
        self._written: Set[str] = frozenset()
        self._tasks: asyncio.TaskGroup | None = None
        self.has_network = asyncio.Event()
        """The network of what an earlier process left is taken over."""

    async def open(self) -> dict[str, persistence.SavedPod]:
        """Take over what an earlier process left; returns the pods it wrote down. None of them runs yet: `adopt` does.

        Containers and addresses that belong to no written pod are removed. One that resists keeps nobody waiting: it is
        in `orphans`, and is tried again while the node runs. Raises HostError.
        """
        runtime = self._drivers.runtime
        await runtime.open()
        runtime.subscribe(self._container_changed)
        saved = persistence.load_all(self._drivers.state)
        self._written = saved.keys()
        orphans = runtime.pods() - saved.keys()
        if orphans or not saved:
            await self._open_network(orphans)
        return saved

    async def close(self) -> None:
        await self._drivers.network.close()
        await self._drivers.runtime.close()

    async def run(self, ready: asyncio.Event) -> None:
        """Own the workers' tasks until cancelled. `ready` is set when pods may be added."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            if not self.has_network.is_set():
                # Pods that run have their network: nobody waits for this, but what changes it queues behind.
                tasks.create_task(self._open_network(frozenset()), name="network")
                await asyncio.sleep(0)
            tasks.create_task(watch_empty_dirs(self._workers.values, self._drivers.volumes), name="eviction")
            tasks.create_task(self._refresh_volumes(), name="refresh volumes")
            tasks.create_task(self._insist_on_orphans(), name="remove orphans")
            ready.set()

    @property
    def workers(self) -> dict[str, PodWorker]:
        """By UID. A worker stays until its pod is forgotten."""
        return self._workers

    @property
    def orphans(self) -> Mapping[str, str]:
        """By UID, why what an earlier process left of a pod that nobody wrote down could not be removed yet."""
        return self._orphans

    def add(self, pod: core_v1.Pod) -> PodWorker:
        """Run a new pod: defaulted, validated, with uid, namespace and creationTimestamp."""
        return self._start(PodWorker(pod, self._drivers, self._writer))

    def adopt(self, saved: persistence.SavedPod) -> PodWorker:
        """Go on with a pod of an earlier process where that one stopped."""
        return self._start(PodWorker(saved.pod, self._drivers, self._writer, saved=saved))

    def forget(self, uid: str) -> None:
        """The object of a finished pod is gone: remove its folder and logs."""
        worker = self._workers.pop(uid)
        if worker.record.stage is not Stage.FINISHED:
            raise Bug(f"pod {identity_of(worker.pod)} is forgotten before it is finished")
        persistence.forget(self._drivers.state, worker.pod)

    def references_changed(self) -> None:
        """A ConfigMap or Secret was created or changed."""
        for worker in self._workers.values():
            worker.references_changed()
            self._spawn(worker.refresh_volumes(), "refresh volumes")

    def refresh_volumes(self, uid: str) -> None:
        """Something that a volume of the pod holds is due, or may have changed while no process looked."""
        worker = self._workers.get(uid)
        if worker is not None:
            self._spawn(worker.refresh_volumes(), "refresh volumes")

    def note(self, uid: str, note: EventNote) -> None:
        """Record an Event about a pod, if it is still here."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.note(note)

    def _start(self, worker: PodWorker) -> PodWorker:
        self._workers[worker.uid] = worker
        self._spawn(worker.run(), f"pod {worker.plan.name}")
        return worker

    def _spawn(self, coroutine: Coroutine[None, None, None], name: str) -> None:
        if self._tasks is None:
            raise Bug("the node is not running")
        self._tasks.create_task(coroutine, name=name)

    def _container_changed(self, pod_uid: str) -> None:
        worker = self._workers.get(pod_uid)
        if worker is not None:
            worker.nudge()

    async def _open_network(self, orphans: Iterable[str]) -> None:
        await self._drivers.network.open()
        await self._remove_orphans(orphans)
        await self._drivers.network.retain(self._written | self._orphans.keys() | self._workers.keys())
        self.has_network.set()

    async def _remove_orphans(self, uids: Iterable[str]) -> None:
        """Side by side: each may take as long as a process takes to die."""
        async with asyncio.TaskGroup() as tasks:
            for uid in uids:
                tasks.create_task(self._remove_orphan(uid))

    async def _remove_orphan(self, uid: str) -> None:
        drivers = self._drivers
        try:
            await drivers.runtime.remove_pod(uid)
            await drivers.network.detach(uid)
            await drivers.volumes.unmount_all(uid)
        except (HostError, OSError) as error:
            self._orphans[uid] = str(error)
        else:
            self._orphans.pop(uid, None)

    async def _insist_on_orphans(self) -> None:
        delay = RETRY
        while self._orphans:
            await asyncio.sleep(delay)
            await self._remove_orphans(tuple(self._orphans))
            delay = min(delay * 2, RETRY_CAP)

    async def _refresh_volumes(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_PERIOD)
            for worker in list(self._workers.values()):
                await worker.refresh_volumes()
