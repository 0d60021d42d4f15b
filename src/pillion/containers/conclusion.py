"""How a container ended: found out once and for all when its monitor has.

conmon writes the exit status in two places: in memory, where a full disk has room, and then on the disk, where a later
boot finds it. Without either, what is reported is what is known.
"""

from __future__ import annotations

from pathlib import Path

from pillion.containers import termination
from pillion.containers.cgroups import Cgroups
from pillion.containers.instance import Instance, InstanceRecord
from pillion.statedir import StateDir
from pillion.units import Instant


def conclude(instance: Instance, state: StateDir, cgroups: Cgroups, now: Instant) -> None:
    record = instance.record
    exited = _read_exit(ends_of(state, record) / "exit") or _read_exit(Path(state.exits, record.id))
    ran_on = exited is None and bool(cgroups.processes(record.cgroup))
    if ran_on or not record.owns_pids:
        # conmon was killed and its container runs on, or others of its processes outlive the first.
        cgroups.kill(record.cgroup)
    if exited is not None:
        status, finished_at = exited[0], Instant(min(exited[1], now))
    else:
        status = termination.KILLED_STATUS if ran_on else termination.UNKNOWN_STATUS
        finished_at = now
    instance.advance(
        finished_at=finished_at,
        exit_code=status,
        reason=(
            termination.UNKNOWN_REASON
            if exited is None and not ran_on
            else termination.exit_reason(status, cgroups.oom_kills(record.cgroup))
        ),
        message=termination.termination_message(
            Path(record.termination_message_host_path),
            record.termination_message_policy,
            status,
            Path(record.log_path),
        ),
    )
    instance.ended.set()


def ends_of(state: StateDir, record: InstanceRecord) -> Path:
    """The folder in memory into which conmon writes how the container ended."""
    return Path(state.sandbox(record.pod_uid, record.sandbox_attempt), "ends", record.id)


def _read_exit(file: Path) -> tuple[int, float] | None:
    """(status, seconds since the epoch); None when conmon did not live to write it, or had no room."""
    try:
        return int(file.read_text()), file.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
