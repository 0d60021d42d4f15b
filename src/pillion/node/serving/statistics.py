"""The summary API's document (k8s.io/kubelet/pkg/apis/stats/v1alpha1), made when somebody asks.

Nothing is sampled in the background. `usageNanoCores` is the mean since the last question that is SETTLED old at least,
and for the first question since the container's start.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pillion.containers.usage import Usage, read_machine_usage, tree_bytes
from pillion.errors import HostError
from pillion.lifecycle.observation import ContainerSeen, RuntimeState
from pillion.node.drivers import Drivers
from pillion.node.worker import PodWorker
from pillion.plan.pods import identity_of, spec_of
from pillion.units import Instant, format_time

SETTLED = 10.0
"""Seconds: the kubelet's own interval between two samples (cAdvisor's housekeeping)."""

Tree = dict[str, Any]


class _Sample(msgspec.Struct, frozen=True):
    at: Instant
    cpu_nanos: int
    rate: int
    """Nanocores, up to this sample."""


class Statistics:
    def __init__(self, drivers: Drivers, workers: Callable[[], Mapping[str, PodWorker]]) -> None:
        self._drivers = drivers
        self._workers = workers
        self._samples: dict[str, _Sample] = {}
        self._began = drivers.clock.now()

    async def summary(self) -> Tree:
        now = self._drivers.clock.now()
        asked: set[str] = {""}
        disk = _disk(str(self._drivers.state.root), now)
        pods = [
            await self._pod(worker, disk, now, asked)
            for worker in list(self._workers().values())
            if self._drivers.runtime.sandboxes(worker.uid)
        ]
        self._samples = {key: sample for key, sample in self._samples.items() if key in asked}
        return {"node": self._node(disk, now), "pods": pods}

    def _node(self, disk: Tree, now: Instant) -> Tree:
        usage = read_machine_usage(os.sysconf("SC_CLK_TCK"))
        capacity = self._drivers.node.memory_bytes
        boot = Instant(now - float(Path("/proc/uptime").read_text().split()[0]))
        measured = self._measured("", usage, boot, now)
        measured["memory"]["availableBytes"] = max(0, capacity - usage.working_set_bytes)
        return {
            "nodeName": self._drivers.node.name,
            "startTime": format_time(boot),
            **measured,
            "fs": disk | {"usedBytes": disk["capacityBytes"] - disk["availableBytes"]},
        }

    async def _pod(self, worker: PodWorker, disk: Tree, now: Instant, asked: set[str]) -> Tree:
        runtime, pod = self._drivers.runtime, worker.pod
        identity = identity_of(pod)
        began = worker.record.started_at or self._began
        containers = [
            await self._container(worker, seen, disk, now, asked)
            for seen in runtime.containers(worker.uid)
            if seen.state is RuntimeState.RUNNING
        ]
        volumes = await self._volumes(worker, disk)
        tree: Tree = {
            "podRef": {"name": identity.name, "namespace": identity.namespace, "uid": identity.uid},
            "startTime": format_time(began),
            "containers": containers,
        }
        usage = runtime.pod_usage(worker.uid)
        if usage is not None:
            asked.add(worker.uid)
            tree |= self._measured(worker.uid, usage, began, now)
        if volumes:
            tree["volume"] = volumes
        used = sum(c[part]["usedBytes"] for c in containers for part in ("rootfs", "logs"))
        used += sum(volume["usedBytes"] for volume in volumes)
        return tree | {"ephemeral-storage": disk | {"usedBytes": used}}

    async def _volumes(self, worker: PodWorker, disk: Tree) -> list[Tree]:
        measured = []
        for volume in spec_of(worker.pod).volumes or ():
            if volume.hostPath is not None or not worker.record.volumes.mounted:
                continue
            try:
                used = await self._drivers.volumes.usage(worker.uid, volume.name)
            except (HostError, OSError):
                continue  # it is being taken away
            measured.append(disk | {"usedBytes": used, "name": volume.name})
        return measured

    async def _container(
        self, worker: PodWorker, seen: ContainerSeen, disk: Tree, now: Instant, asked: set[str]
    ) -> Tree:
        began = seen.started_at or now
        tree: Tree = {"name": seen.name, "startTime": format_time(began)}
        usage = self._drivers.runtime.usage(seen.id)
        if usage is not None:
            asked.add(seen.id)
            tree |= self._measured(seen.id, usage, began, now)
        identity, state = identity_of(worker.pod), self._drivers.state
        logs = Path(state.pod_logs(identity.namespace, identity.name, worker.uid), seen.name)
        return tree | {
            "rootfs": disk | {"usedBytes": await self._drivers.runtime.writable_bytes(seen.id)},
            "logs": disk | {"usedBytes": await asyncio.to_thread(tree_bytes, logs)},
        }

    def _measured(self, key: str, usage: Usage, began: Instant, now: Instant) -> Tree:
        time = format_time(now)
        return {
            "cpu": {
                "time": time,
                "usageNanoCores": self._rate(key, usage.cpu_nanos, began, now),
                "usageCoreNanoSeconds": usage.cpu_nanos,
            },
            "memory": {
                "time": time,
                "usageBytes": usage.memory_bytes,
                "workingSetBytes": usage.working_set_bytes,
                "rssBytes": usage.rss_bytes,
                "pageFaults": usage.page_faults,
                "majorPageFaults": usage.major_page_faults,
            },
        }

    def _rate(self, key: str, cpu_nanos: int, began: Instant, now: Instant) -> int:
        last = self._samples.get(key)
        if last is not None and now - last.at < SETTLED:
            return last.rate
        since, before = (began, 0) if last is None else (last.at, last.cpu_nanos)
        rate = max(0, round((cpu_nanos - before) / max(now - since, 0.001)))
        self._samples[key] = _Sample(now, cpu_nanos, rate)
        return rate


def _disk(folder: str, now: Instant) -> Tree:
    disk = os.statvfs(folder)
    return {
        "time": format_time(now),
        "availableBytes": disk.f_bavail * disk.f_frsize,
        "capacityBytes": disk.f_blocks * disk.f_frsize,
    }
