"""Running one more command in a container: for probes, hooks and `exec`.

conmon starts it through `runc exec` and stays for its exit status, so that a process which the command leaves in the
background, with the command's output still open, keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from pathlib import Path
from typing import Any

import msgspec

from pillion.containers.cgroups import Cgroups
from pillion.containers.instance import Instance
from pillion.containers.monitor import Monitor, RunningExec, runtime_message
from pillion.containers.runtime import ExecError, ExecResult

KILL_PATIENCE = 2.0
"""Seconds that a command has to be gone after SIGKILL, before we let its conmon go without it."""


class _Bundle(msgspec.Struct):
    process: dict[str, Any]


async def execute(
    monitor: Monitor,
    cgroups: Cgroups,
    instance: Instance,
    command: tuple[str, ...],
    *,
    timeout: float | None,
    max_output: int,
) -> ExecResult:
    """Raises ExecError. After `timeout` seconds, or when cancelled, the command and its children are killed."""
    spec = instance.folder / f"exec-{secrets.token_hex(8)}.json"
    spec.write_bytes(msgspec.json.encode(process_spec(instance.folder, command)))
    timed_out = False
    try:
        running = monitor.start_exec(instance.record.id, instance.folder, spec, max_output)
        try:
            async with asyncio.timeout(timeout):
                await running.ended()
        except TimeoutError:
            timed_out = True
            await _end(running, cgroups, instance.record.cgroup)
        except asyncio.CancelledError:
            await _end(running, cgroups, instance.record.cgroup)
            raise
        finally:
            status, output = running.close()
    finally:
        for path in (spec, spec.with_suffix(".pid")):
            path.unlink(missing_ok=True)
    if timed_out:
        return ExecResult(exit_code=128 + signal.SIGKILL, output=output, timed_out=True)
    if status is None:
        raise ExecError(
            f"OCI runtime exec failed: {runtime_message(output.decode(errors='replace'))}: unknown"
        )
    return ExecResult(exit_code=status, output=output)


def process_spec(bundle: Path, command: tuple[str, ...], *, terminal: bool = False) -> dict[str, Any]:
    """The container's own process with another command: same user, environment, folder and rights."""
    process = msgspec.json.decode((bundle / "config.json").read_bytes(), type=_Bundle).process
    return process | {"args": list(command), "terminal": terminal}


async def _end(running: RunningExec, cgroups: Cgroups, cgroup: str) -> None:
    """Kill the command with everything it started. Its conmon then ends by itself."""
    try:
        async with asyncio.timeout(KILL_PATIENCE):
            pid = await running.pid()
            if pid is not None and pid > 0:
                kill_session(cgroups, cgroup, pid)
            await running.ended()
    except TimeoutError:
        return


def kill_session(cgroups: Cgroups, cgroup: str, leader: int) -> None:
    """runc makes the command a session leader: its session and its descendants, as far as they are in the container."""
    killed: set[int] = set()
    while victims := _members(cgroups.processes(cgroup), leader) - killed:
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        killed |= victims


def _members(pids: frozenset[int], leader: int) -> set[int]:
    """Processes alive that belong to the command, by session or by descent."""
    facts = {pid: fact for pid in pids if (fact := _parent_and_session(pid)) is not None}
    members = {pid for pid, (_, session) in facts.items() if session == leader or pid == leader}
    while True:
        children = {pid for pid, (parent, _) in facts.items() if parent in members} - members
        if not children:
            return members
        members |= children


def _parent_and_session(pid: int) -> tuple[int, int] | None:
    """None for a process that has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent, _, session, *_ = stat.rpartition(")")[2].split()
    return None if state in "ZX" else (int(parent), int(session))
