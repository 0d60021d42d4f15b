"""Specs for runtime tests, and a runtime on a state directory of its own that must leave nothing behind."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

from pillion.clock import LoopClock
from pillion.containers import OciRuntime, Runtime, check_host
from pillion.lifecycle.observation import ContainerSeen, RuntimeState
from pillion.plan.containerspec import ContainerSpec, Identity, Resources, SandboxSpec, Security
from pillion.plan.podplan import Role
from pillion.statedir import StateDir

UID = "0a1b2c3d-0000-4000-8000-00000000c0de"


def state_of(folder: Path) -> StateDir:
    return StateDir(PurePosixPath(folder))


def sandbox_spec(**changes: object) -> SandboxSpec:
    fields: dict[str, object] = {
        "pod_uid": UID,
        "namespace": "default",
        "pod_name": "pod",
        "attempt": 0,
        "hostname": "pod",
    }
    return SandboxSpec(**(fields | changes))  # type: ignore[arg-type]


def container_spec(state: StateDir, name: str, *argv: str, **changes: object) -> ContainerSpec:
    uid = str(changes.get("pod_uid", UID))
    attempt = int(str(changes.get("attempt", 0)))
    fields: dict[str, object] = {
        "pod_uid": uid,
        "namespace": "default",
        "pod_name": "pod",
        "sandbox_attempt": 0,
        "name": name,
        "role": Role.MAIN,
        "attempt": attempt,
        "hash": "hash",
        "image": "host",
        "image_id": "host:host",
        "root_layers": ("/",),
        "argv": argv,
        "env": (),
        "cwd": "/",
        "identity": Identity(),
        "mounts": (),
        "resources": Resources(),
        "security": Security(),
        "hostname": "pod",
        "termination_message_host_path": str(state.termination_message(uid, name, attempt)),
        "log_path": str(state.container_log(state.pod_logs("default", "pod", uid), name, attempt)),
    }
    return ContainerSpec(**(fields | changes))  # type: ignore[arg-type]


class Waiter:
    """Waits for facts of a runtime, woken by its notices."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._news = asyncio.Event()
        self.notices: list[str] = []
        runtime.subscribe(self._told)

    def _told(self, pod_uid: str) -> None:
        self.notices.append(pod_uid)
        self._news.set()

    async def until(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not fact():
                self._news.clear()
                await self._news.wait()

    async def exited(self, container_id: str, pod_uid: str = UID) -> ContainerSeen:
        await self.until(lambda: self.seen(container_id, pod_uid).state is RuntimeState.EXITED)
        return self.seen(container_id, pod_uid)

    def seen(self, container_id: str, pod_uid: str = UID) -> ContainerSeen:
        return next(seen for seen in self._runtime.containers(pod_uid) if seen.id == container_id)


@asynccontextmanager
async def open_oci_runtime(folder: Path) -> AsyncIterator[OciRuntime]:
    """At the end every pod is removed, and nothing may be left of any."""
    runtime = OciRuntime(state_of(folder), LoopClock(), check_host())
    await runtime.open()
    try:
        yield runtime
    finally:
        for uid in runtime.pods():
            await runtime.remove_pod(uid)
        await runtime.close()
    assert what_is_left(folder) == []


def what_is_left(folder: Path) -> list[str]:
    """Mounts, cgroups, processes and files of containers below the state directory."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]
    found = subprocess.run(
        ["find", "/sys/fs/cgroup", "-path", "*/pillion/*", "-name", f"pod{UID}*"],
        capture_output=True,
        text=True,
    )
    processes = subprocess.run(
        ["pgrep", "-af", str(folder)], capture_output=True, text=True
    ).stdout.splitlines()
    conmons = [line for line in processes if "conmon" in line or "runc" in line]
    files = [
        str(path)
        for name in ("containers", "sandboxes", "exits", "runc")
        for path in (folder / name).glob("*")
    ]
    return mounts + found.stdout.splitlines() + conmons + files
