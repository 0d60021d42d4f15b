"""Finding what an earlier process left in the state directory: what to take over, what to tidy up."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from pillion.containers import overlay
from pillion.containers.instance import Instance
from pillion.containers.sandbox import Sandbox, destroy_leftover
from pillion.statedir import StateDir


class Found(msgspec.Struct, frozen=True, kw_only=True):
    sandboxes: tuple[Sandbox, ...]
    """Oldest first."""
    instances: tuple[Instance, ...]
    """Oldest first. Those whose conmon is alive have `monitor` open."""
    leftovers: tuple[Instance, ...]
    """Never started: nobody will ask for them any more."""


def survey(state: StateDir, boot_id: str) -> Found:
    """Read every record. Folders without a readable record are removed on the way."""
    sandboxes: list[Sandbox] = []
    for folder in Path(state.sandboxes).iterdir():
        sandbox = Sandbox.load(folder)
        if sandbox is None:
            destroy_leftover(folder)
            continue
        if sandbox.record.is_ready and (sandbox.record.boot_id != boot_id or sandbox.is_lost):
            sandbox.update(is_ready=False)
        sandboxes.append(sandbox)
    instances: list[Instance] = []
    leftovers: list[Instance] = []
    for folder in Path(state.containers).iterdir():
        instance = Instance.load(folder)
        if instance is None:
            overlay.unmount_rootfs(folder)
            shutil.rmtree(folder, ignore_errors=True)
        elif not instance.progress.start_asked or _waits_for_start(state, instance):
            leftovers.append(instance)
        else:
            if instance.progress.exit_code is None and instance.record.boot_id == boot_id:
                instance.monitor = _monitor_of(instance)
            instances.append(instance)
    return Found(
        sandboxes=tuple(sorted(sandboxes, key=lambda found: (found.record.created_at, found.record.attempt))),
        instances=tuple(sorted(instances, key=lambda found: found.record.created_at)),
        leftovers=tuple(leftovers),
    )


def _waits_for_start(state: StateDir, instance: Instance) -> bool:
    """The start was recorded but runc did not come to it: its fifo is still there."""
    return Path(state.runc, instance.record.id, "exec.fifo").exists()


def _monitor_of(instance: Instance) -> int | None:
    try:
        pid = int((instance.folder / "conmon.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return open_monitor(pid, instance.record.id)


def open_monitor(pid: int, container_id: str) -> int | None:
    """A pidfd of the container's conmon; None when it has ended (its number may be another process' by now)."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        if container_id.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pidfd
    except FileNotFoundError:
        pass
    os.close(pidfd)
    return None
