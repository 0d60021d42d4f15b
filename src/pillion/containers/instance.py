"""One container instance: what is remembered of it on disk, and what it looks like to the node.

DIR/containers/ID/container.json   what it is; written before anything else of it exists
                  progress.json    how far it came; written before each step that it describes
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import msgspec

from pillion.containers.durable import load, save
from pillion.lifecycle.observation import ContainerSeen, RuntimeState
from pillion.plan.containerspec import ContainerSpec, Identity
from pillion.units import Instant


class InstanceRecord(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    pod_uid: str
    sandbox_attempt: int
    name: str
    attempt: int
    hash: str
    image: str
    image_id: str
    identity: Identity
    boot_id: str
    created_at: Instant
    cgroup: str
    owns_pids: bool
    """It has a process namespace of its own, which ends with its first process."""
    stop_signal: str
    log_path: str
    termination_message_host_path: str
    termination_message_policy: str


def record_of(
    spec: ContainerSpec, *, container_id: str, boot_id: str, created_at: Instant, cgroup: str
) -> InstanceRecord:
    return InstanceRecord(
        id=container_id,
        pod_uid=spec.pod_uid,
        sandbox_attempt=spec.sandbox_attempt,
        name=spec.name,
        attempt=spec.attempt,
        hash=spec.hash,
        image=spec.image,
        image_id=spec.image_id,
        identity=spec.identity,
        boot_id=boot_id,
        created_at=created_at,
        cgroup=cgroup,
        owns_pids=not (spec.host_pid or spec.share_process_namespace or spec.target_id),
        stop_signal=spec.stop_signal,
        log_path=spec.log_path,
        termination_message_host_path=spec.termination_message_host_path,
        termination_message_policy=spec.termination_message_policy,
    )


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    pid: int | None = None
    """Its first process, as the host numbers it."""
    failure: str | None = None
    """runc could not create it: told when somebody starts it, as containerd does."""
    start_asked: bool = False
    started_at: Instant | None = None
    finished_at: Instant | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""


class Instance:
    """A container instance that this process knows."""

    def __init__(self, folder: Path, record: InstanceRecord, progress: Progress) -> None:
        self.folder = folder
        self.record = record
        self.progress = progress
        self.monitor: int | None = None
        """pidfd of its conmon, while it is watched."""
        self.ended = asyncio.Event()
        """Nothing of it runs any more."""
        self.removal = asyncio.Lock()

    @classmethod
    def load(cls, folder: Path) -> Instance | None:
        record = load(folder / "container.json", InstanceRecord)
        if record is None:
            return None
        return cls(folder, record, load(folder / "progress.json", Progress) or Progress())

    def save_record(self) -> None:
        save(self.folder / "container.json", self.record)

    def advance(self, **changes: object) -> None:
        """Change the progress, on disk first. Raises OSError, unless it has ended: an end counts anyway."""
        progress = msgspec.structs.replace(self.progress, **changes)
        try:
            save(self.folder / "progress.json", progress)
        except OSError:
            if progress.exit_code is None:
                raise
        self.progress = progress

    @property
    def state(self) -> RuntimeState:
        if self.progress.exit_code is not None:
            return RuntimeState.EXITED
        if self.progress.started_at is not None:
            return RuntimeState.RUNNING
        return RuntimeState.CREATED

    def seen(self) -> ContainerSeen:
        record, progress = self.record, self.progress
        return ContainerSeen(
            id=record.id,
            name=record.name,
            attempt=record.attempt,
            state=self.state,
            hash=record.hash,
            image=record.image,
            image_id=record.image_id,
            identity=record.identity,
            sandbox_attempt=record.sandbox_attempt,
            created_at=record.created_at,
            started_at=progress.started_at,
            finished_at=progress.finished_at,
            exit_code=progress.exit_code,
            reason=progress.reason,
            message=progress.message,
        )

    def signal(self, number: int) -> None:
        """Send a signal to the first process. No error when it has ended."""
        pid = self.progress.pid
        if pid is None or self.ended.is_set():
            return
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            # Between the exit and our learning of it the number may be given to another process: its cgroup tells.
            if self.record.id in Path(f"/proc/{pid}/cgroup").read_text():
                signal.pidfd_send_signal(pidfd, number)
        except (FileNotFoundError, ProcessLookupError):
            pass
        finally:
            os.close(pidfd)


def signal_number(name: str) -> int:
    """`SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`: as an image's STOPSIGNAL may spell it. Unknown names mean SIGTERM."""
    if name.isdigit():
        return int(name) if 1 <= int(name) < signal.NSIG else signal.SIGTERM.value
    bare = name.upper().removeprefix("SIG")
    base, _, offset = bare.partition("+")
    if base == "RTMIN" and offset.isdigit():
        return min(signal.SIGRTMIN + int(offset), signal.SIGRTMAX)
    return getattr(signal.Signals, f"SIG{bare}", signal.SIGTERM).value
