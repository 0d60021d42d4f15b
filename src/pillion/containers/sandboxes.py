"""All sandboxes of this machine: made, found again, watched, ended."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from pillion.clock import Clock
from pillion.containers.cgroups import Cgroups, pod_path
from pillion.containers.host import HostCapabilities
from pillion.containers.removal import end_processes, patience, remove_pod_cgroup
from pillion.containers.runtime import CreateError, SandboxHandle
from pillion.containers.sandbox import Sandbox, SandboxRecord
from pillion.lifecycle.observation import SandboxSeen
from pillion.plan.containerspec import SandboxSpec
from pillion.statedir import StateDir


class Sandboxes:
    """`lost(pod_uid)` is called on the loop when a ready sandbox can take no more containers."""

    def __init__(
        self,
        state: StateDir,
        clock: Clock,
        host: HostCapabilities,
        cgroups: Cgroups,
        *,
        lost: Callable[[str], None],
    ) -> None:
        self._state = state
        self._clock = clock
        self._host = host
        self._cgroups = cgroups
        self._lost = lost
        self._by_pod: dict[str, list[Sandbox]] = {}  # newest first

    def take_over(self, sandbox: Sandbox) -> None:
        """It is newer than all that were taken over before."""
        self._by_pod.setdefault(sandbox.record.pod_uid, []).insert(0, sandbox)
        self._watch(sandbox)

    def pods(self) -> frozenset[str]:
        return frozenset(self._by_pod)

    def seen(self, pod_uid: str) -> tuple[SandboxSeen, ...]:
        return tuple(
            SandboxSeen(
                attempt=record.attempt,
                is_ready=record.is_ready,
                ips=record.ips,
                host_network=record.host_network,
                created_at=record.created_at,
            )
            for record in (sandbox.record for sandbox in self._by_pod.get(pod_uid, ()))
        )

    def find(self, pod_uid: str, attempt: int) -> Sandbox:
        """Raises CreateError."""
        for sandbox in self._by_pod.get(pod_uid, ()):
            if sandbox.record.attempt == attempt:
                return sandbox
        raise CreateError(f"cannot find sandbox {attempt} of pod {pod_uid}")

    def create(self, spec: SandboxSpec) -> SandboxHandle:
        """Raises CreateError."""
        record = SandboxRecord(
            pod_uid=spec.pod_uid,
            attempt=spec.attempt,
            boot_id=self._host.boot_id,
            created_at=self._clock.now(),
            cgroup=pod_path(spec.pod_uid, spec.qos_class),
            host_network=spec.host_network,
            host_ipc=spec.host_ipc,
            shares_pids=spec.share_process_namespace,
        )
        sandbox = Sandbox(Path(self._state.sandbox(spec.pod_uid, spec.attempt)), record)
        try:
            sandbox.create(spec, oom_score_adj_floor=self._host.oom_score_adj_floor)
            self._cgroups.create_pod(record.cgroup, spec.resources)
        except OSError as error:
            if sandbox.pause is not None:
                self._watch(sandbox)
                sandbox.pause.kill()  # nothing else is in its namespace: it ends at once
            sandbox.destroy()
            if not self._by_pod.get(spec.pod_uid):
                self._cgroups.remove_pod(record.cgroup)
            raise CreateError(f"cannot create the pod sandbox: {error}", "CreatePodSandboxError") from error
        self.take_over(sandbox)
        return SandboxHandle(attempt=spec.attempt, netns=sandbox.namespace("net"))

    def mark_not_ready(self, pod_uid: str) -> None:
        for sandbox in self._by_pod.get(pod_uid, ()):
            if sandbox.record.is_ready:
                sandbox.update(is_ready=False)

    async def end(self, pod_uid: str, others: Sequence[asyncio.Event]) -> None:
        """End every process that is left in the pod's sandboxes; `others` are ends that were asked for before.

        Raises HostError when one does not die.
        """
        sandboxes = tuple(self._by_pod.get(pod_uid, ()))
        pauses = [sandbox.pause for sandbox in sandboxes if sandbox.pause is not None]
        for pause in pauses:
            pause.kill()
        for group in {sandbox.record.cgroup for sandbox in sandboxes}:
            async with patience(f"the processes of pod {pod_uid}", self._cgroups, group):
                for ended in (*others, *(pause.ended for pause in pauses)):
                    await ended.wait()
                await end_processes(self._cgroups, group)

    async def remove(self, pod_uid: str) -> None:
        """Nothing runs in them any more. Raises HostError."""
        for sandbox in self._by_pod.get(pod_uid, ()):
            await remove_pod_cgroup(self._cgroups, sandbox.record.cgroup)
            sandbox.destroy()
        self._by_pod.pop(pod_uid, None)

    def tell_if_lost(self, pod_uid: str) -> None:
        """Look at once, for who has reason to think so."""
        for sandbox in self._by_pod.get(pod_uid, ()):
            self._tell_if_lost(sandbox)

    def _watch(self, sandbox: Sandbox) -> None:
        if sandbox.pause is not None:
            sandbox.pause.watch(lambda: self._tell_if_lost(sandbox))

    def _tell_if_lost(self, sandbox: Sandbox) -> None:
        """Its process namespace died under it: the pod needs a new sandbox (PodSandboxChanged)."""
        if sandbox.record.is_ready and sandbox.is_lost:
            sandbox.update(is_ready=False)
            self._lost(sandbox.record.pod_uid)

    def unwatch(self) -> None:
        for sandbox in itertools.chain.from_iterable(self._by_pod.values()):
            if sandbox.pause is not None:
                sandbox.pause.unwatch()
