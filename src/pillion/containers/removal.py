"""Taking away everything that was made of a container, however far its creation had come."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pillion import process
from pillion.containers import overlay
from pillion.containers.cgroups import Cgroups
from pillion.containers.conclusion import ends_of
from pillion.containers.host import HostCapabilities
from pillion.containers.instance import Instance
from pillion.errors import HostError
from pillion.statedir import StateDir

PATIENCE = 10.0
"""Seconds that processes may take to die of SIGKILL. Only those that wait in the kernel take longer, perhaps for ever:
nobody else may have to wait with them."""

_LETTING_GO = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds. The kernel takes a dead process out of its cgroup a moment after it has told everybody of the death, and
nothing tells us when; runc waits in the same way (libcontainer/cgroups/utils.go: RemovePath)."""


async def destroy_container(
    instance: Instance, state: StateDir, host: HostCapabilities, cgroups: Cgroups
) -> None:
    """Whatever still runs of it is killed. Its log stays. Raises HostError; a later call goes on from there."""
    container_id, cgroup = instance.record.id, instance.record.cgroup
    async with patience(f"container {instance.record.name}", cgroups, cgroup):
        await end_processes(cgroups, cgroup)
    if Path(state.runc, container_id).exists():
        delete = (host.runc, "--root", str(state.runc), "delete", "--force", container_id)
        await process.run(delete, timeout=PATIENCE)
    try:
        await _once_let_go(cgroups.remove_container, cgroup)
        overlay.unmount_rootfs(instance.folder)
    except OSError as error:
        raise HostError(f"cannot remove container {instance.record.name}: {error}") from error
    await asyncio.to_thread(shutil.rmtree, instance.folder, ignore_errors=True)
    Path(state.exits, container_id).unlink(missing_ok=True)
    shutil.rmtree(ends_of(state, instance.record), ignore_errors=True)


async def remove_pod_cgroup(cgroups: Cgroups, cgroup: str) -> None:
    """Raises HostError."""
    try:
        await _once_let_go(cgroups.remove_pod, cgroup)
    except OSError as error:
        raise HostError(f"cannot remove cgroup {cgroup}: {error.strerror}") from error


@asynccontextmanager
async def patience(what: str, cgroups: Cgroups, cgroup: str) -> AsyncIterator[None]:
    """Wait for the death of `what` in the block, for at most PATIENCE. Raises HostError that names who is left."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError as error:
        hanging = (
            ", ".join(_describe(pid) for pid in sorted(cgroups.processes(cgroup)))
            or "its monitor has not said so"
        )
        raise HostError(f"cannot end {what}, {PATIENCE:.0f} s after SIGKILL: {hanging}") from error


def _describe(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return f"process {pid} has only just ended"
    name = stat.partition("(")[2].rpartition(")")[0]
    state = stat.rpartition(")")[2].split()[0]
    where = " hangs in the kernel, waiting for a disk or a network file system" if state == "D" else ""
    return f"process {pid} ({name}){where or f' is still there, in state {state}'}"


async def end_processes(cgroups: Cgroups, cgroup: str) -> None:
    """Kill everything in the group, and wait until it is dead."""
    while members := cgroups.processes(cgroup):
        pidfds = []
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                pidfds.append(os.pidfd_open(pid))
        cgroups.kill(cgroup)
        await _all_ended(pidfds)
        if not pidfds:
            return  # dead, but still listed


async def end_creation(container_id: str) -> None:
    """End conmon and runc in the middle of making this container. Raises HostError."""
    pidfds = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pidfd = os.pidfd_open(int(entry.name))
            if container_id.encode() in (entry / "cmdline").read_bytes():
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                pidfds.append(pidfd)
            else:
                os.close(pidfd)
    try:
        async with asyncio.timeout(PATIENCE):
            await _all_ended(pidfds)
    except TimeoutError as error:
        raise HostError(
            f"cannot end the creation of container {container_id}: it hangs in the kernel"
        ) from error


async def _all_ended(pidfds: list[int]) -> None:
    try:
        for pidfd in pidfds:
            await process.pidfd_ended(pidfd)
    finally:
        for pidfd in pidfds:
            os.close(pidfd)


async def _once_let_go(remove: Callable[[str], None], cgroup: str) -> None:
    for pause in _LETTING_GO:
        try:
            remove(cgroup)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            await asyncio.sleep(pause)
        else:
            return
    remove(cgroup)
