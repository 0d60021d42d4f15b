"""Performing what `decide` asked for: each action becomes a task whose end is told as an outcome."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import assert_never

from pillion.containers.runtime import CreateError
from pillion.errors import HostError
from pillion.lifecycle import (
    Action,
    CreateSandbox,
    EventNote,
    HookFinished,
    KillContainer,
    MountVolumes,
    Outcome,
    ProbeAnswered,
    RemoveContainer,
    RunHook,
    RunProbe,
    SandboxCreated,
    SandboxFailed,
    SandboxStopped,
    StartContainer,
    StopContainer,
    StopSandbox,
    TearDown,
    TornDown,
    VolumesFailed,
    VolumesMounted,
)
from pillion.node.drivers import Drivers
from pillion.node.probers import ProbeTarget
from pillion.node.starting import PodAtHand, Starter
from pillion.plan.facts import PodFacts
from pillion.plan.podfiles import build_pod_files
from pillion.plan.pods import container_named
from pillion.plan.references import ConfigError
from pillion.plan.resources import pod_resources
from pillion.plan.sandbox import build_sandbox
from pillion.plan.volumes import mounted_volumes

RETRY = 1.0
RETRY_CAP = 60.0
"""Seconds until a step of the end that the host refused is tried again: the first time, and at most; it doubles."""


class Performer:
    """Does the work of one pod.

    `tell` takes outcomes, `note` Events that no outcome carries; `nudge` says that the runtime shows something new.
    """

    def __init__(
        self,
        drivers: Drivers,
        at_hand: Callable[[], PodAtHand],
        tell: Callable[[Outcome], None],
        note: Callable[[EventNote], None],
        nudge: Callable[[], None],
    ) -> None:
        self._drivers = drivers
        self._at_hand = at_hand
        self._tell = tell
        self._note = note
        self._nudge = nudge
        self._starter = Starter(drivers)
        self._running: set[asyncio.Task[None]] = set()

    def perform(self, action: Action, tasks: asyncio.TaskGroup) -> None:
        """Begin. Never blocks, never raises for what can go wrong outside."""
        task = tasks.create_task(self._do(action, tasks), name=type(action).__name__)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def abandon(self) -> None:
        """Nobody waits any more for what still runs (hooks and probes that outlived their pod)."""
        for task in self._running:
            task.cancel()

    async def _do(self, action: Action, tasks: asyncio.TaskGroup) -> None:
        runtime, clock = self._drivers.runtime, self._drivers.clock
        match action:
            case MountVolumes():
                self._tell(await self._mount())
            case CreateSandbox():
                self._tell(await self._create_sandbox(action.attempt, tasks))
            case StartContainer(name=name, attempt=attempt):
                at_hand = self._at_hand()
                plan = next(c for c in at_hand.plan.containers if c.name == name)
                self._tell(await self._starter.start(at_hand, plan, attempt))
            case RunHook():
                self._tell(await self._run_hook(action))
            case RunProbe():
                self._tell(await self._run_probe(action))
            case StopContainer(id=container_id):
                await runtime.stop(container_id)
            case KillContainer(id=container_id):
                await runtime.kill(container_id)
            case RemoveContainer(id=container_id):
                await self._insist(
                    lambda: runtime.remove(container_id), "FailedSync", "error removing container"
                )
                self._nudge()
            case StopSandbox():
                await self._insist(self._stop_sandbox, "FailedKillPod", "error killing pod")
                self._tell(SandboxStopped(at=clock.now()))
            case TearDown():
                await self._insist(self._tear_down, "FailedKillPod", "error killing pod")
                self._tell(TornDown(at=clock.now()))
            case _:
                assert_never(action)

    async def _mount(self) -> VolumesMounted | VolumesFailed:
        drivers, at_hand = self._drivers, self._at_hand()
        failures = await drivers.volumes.mount_all(
            at_hand.pod,
            mounted_volumes(at_hand.pod),
            drivers.configs,
            drivers.node,
            pod_memory_bytes=pod_resources(at_hand.pod).memory_limit_bytes,
        )
        if failures:
            return VolumesFailed(at=drivers.clock.now(), failures=failures)
        return VolumesMounted(at=drivers.clock.now())

    async def _create_sandbox(self, attempt: int, tasks: asyncio.TaskGroup) -> SandboxCreated | SandboxFailed:
        drivers, at_hand = self._drivers, self._at_hand()
        uid = at_hand.plan.uid
        try:
            spec = build_sandbox(at_hand.pod, at_hand.plan, attempt=attempt, node=drivers.node)
            handle = await drivers.runtime.create_sandbox(spec)
            if handle.netns is None:
                ips = drivers.node.host_ips
            else:
                ips = await drivers.network.attach(uid, attempt, handle.netns, spec.ports)
            self._write_pod_files(ips)
            # Last: from here on a process that takes over holds the sandbox for complete.
            drivers.runtime.set_addresses(uid, attempt, ips)
        except (CreateError, ConfigError, HostError, OSError) as error:
            await self._undo_sandbox(uid)
            return SandboxFailed(at=drivers.clock.now(), attempt=attempt, message=str(error))
        self._starter.prepare(self._at_hand(), tasks)
        return SandboxCreated(at=drivers.clock.now(), attempt=attempt)

    async def _undo_sandbox(self, uid: str) -> None:
        """A sandbox without a network is none. Containers of an earlier one keep their records."""
        with contextlib.suppress(HostError, OSError):
            await self._drivers.network.detach(uid)
            if self._drivers.runtime.containers(uid):
                await self._drivers.runtime.stop_sandbox(uid)
            else:
                await self._drivers.runtime.remove_pod(uid)

    def _write_pod_files(self, ips: tuple[str, ...]) -> None:
        """/etc/hosts, /etc/hostname and /etc/resolv.conf of the pod. Raises ConfigError."""
        drivers, at_hand = self._drivers, self._at_hand()
        facts = PodFacts(ips=ips)
        files = build_pod_files(at_hand.pod, drivers.node, facts)
        folder = Path(drivers.state.pod(at_hand.plan.uid))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        contents = {
            "etc-hosts": files.etc_hosts,
            "hostname": files.hostname,
            "resolv.conf": files.resolv_conf,
        }
        for name, content in contents.items():
            path = folder / name
            path.write_text(content)
            path.chmod(0o644)
        for warning in files.warnings:
            if warning.reason == "MissingClusterDNS":
                continue  # true of every pod here: one machine has no cluster's name server, and nobody can mend that
            self._note(EventNote(type="Warning", reason=warning.reason, message=warning.message))

    async def _run_hook(self, action: RunHook) -> HookFinished:
        result = await self._drivers.hooks.run(
            self._target(action.name, action.id), action.hook, action.handler
        )
        return HookFinished(
            at=self._drivers.clock.now(),
            name=action.name,
            id=action.id,
            hook=action.hook,
            error=result.error,
            cause=result.cause,
            notes=result.notes,
        )

    async def _run_probe(self, action: RunProbe) -> ProbeAnswered:
        result = await self._drivers.prober.probe(
            self._target(action.name, action.id), action.kind, action.probe
        )
        return ProbeAnswered(
            at=self._drivers.clock.now(),
            name=action.name,
            id=action.id,
            kind=action.kind,
            outcome=result.outcome,
            message=result.message,
            warning=result.warning,
        )

    def _target(self, name: str, container_id: str) -> ProbeTarget:
        at_hand = self._at_hand()
        container = container_named(at_hand.pod, name)
        plan = at_hand.plan
        return ProbeTarget(
            container_id=container_id,
            pod_ip=at_hand.facts.ips[0] if at_hand.facts.ips else "",
            ports={p.name: p.containerPort for p in (container.ports if container else None) or () if p.name},
            container=name,
            pod=f"{plan.name}_{plan.namespace}({plan.uid})",
        )

    async def _stop_sandbox(self) -> None:
        uid = self._at_hand().plan.uid
        await self._starter.discard()
        await self._drivers.runtime.stop_sandbox(uid)
        await self._drivers.network.detach(uid)

    async def _tear_down(self) -> None:
        uid = self._at_hand().plan.uid
        await self._starter.discard()
        await self._drivers.runtime.remove_pod(uid)
        await self._drivers.network.detach(uid)
        await self._drivers.volumes.unmount_all(uid)

    async def _insist(self, step: Callable[[], Coroutine[None, None, None]], reason: str, what: str) -> None:
        """What ends is not optional: say what the host refused (a full disk, a busy mount), and try again."""
        delay = RETRY
        while True:
            try:
                await step()
            except (HostError, OSError) as error:
                self._note(EventNote(type="Warning", reason=reason, message=f"{what}: {error}"))
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_CAP)
            else:
                return
