"""Taking away everything that was made of a container, however far its creation had come."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from pillion import process
from pillion.containers import overlay
from pillion.containers.cgroups import Cgroups
from pillion.containers.host import HostCapabilities
from pillion.containers.instance import Instance
from pillion.statedir import StateDir

_LETTING_GO = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds. The kernel takes a dead process out of its cgroup a moment after it has told everybody of the death, and
nothing tells us when; runc waits in the same way (libcontainer/cgroups/utils.go: RemovePath)."""


async def destroy_container(
    instance: Instance, state: StateDir, host: HostCapabilities, cgroups: Cgroups
) -> None:
    """Whatever still runs of it is killed. Its log stays. Raises HostError, OSError."""
    container_id, cgroup = instance.record.id, instance.record.cgroup
    if Path(state.runc, container_id).exists():
        await process.run((host.runc, "--root", str(state.runc), "delete", "--force", container_id))
    await end_processes(cgroups, cgroup)
    await _once_let_go(cgroups.remove_container, cgroup)
    overlay.unmount_rootfs(instance.folder)
    await asyncio.to_thread(shutil.rmtree, instance.folder, ignore_errors=True)
    Path(state.exits, container_id).unlink(missing_ok=True)


async def remove_pod_cgroup(cgroups: Cgroups, cgroup: str) -> None:
    await end_processes(cgroups, cgroup)
    await _once_let_go(cgroups.remove_pod, cgroup)


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
    """End conmon and runc where an earlier process left them in the middle of making this container."""
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
    await _all_ended(pidfds)


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
