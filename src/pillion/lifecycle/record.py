"""What must be remembered between two decisions about a pod. Everything else is observed or derived.

The record is a value: `decide` returns a new one. It is written to disk as JSON, so a new process goes on where a
killed one stopped, with restart counts and probe results intact (`resumption`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

import msgspec

from pillion.lifecycle.observation import ProbeKind, ProbeOutcome
from pillion.units import Instant


class Stage(StrEnum):
    """Where the pod's worker is (pod_workers.go: PodWorkerState)."""

    SYNCING = "syncing"
    TERMINATING = "terminating"
    """Containers are being stopped; nothing is started any more."""
    TERMINATED = "terminated"
    """No container runs; volumes and cgroups are being removed."""
    FINISHED = "finished"
    """Nothing of the pod is left on the node."""


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Crash-loop or image-pull backoff of one container."""

    key: str
    delay: int
    """Seconds between the last finish (or the failed pull) and the next start."""
    updated_at: Instant


class Terminated(msgspec.Struct, frozen=True, kw_only=True, tag="terminated"):
    """How an instance ended, as `state.terminated` says it."""

    exit_code: int
    reason: str = ""
    message: str = ""
    started_at: Instant | None = None
    finished_at: Instant | None = None
    id: str = ""


class Waiting(msgspec.Struct, frozen=True, kw_only=True, tag="waiting"):
    reason: str
    message: str = ""


class Running(msgspec.Struct, frozen=True, kw_only=True, tag="running"):
    started_at: Instant


ContainerState = Waiting | Running | Terminated


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the status said last: all that is left of an instance the runtime does not know any more."""

    state: ContainerState
    last: Terminated | None = None
    restart_count: int = 0


class StartError(msgspec.Struct, frozen=True, kw_only=True):
    """Why the last start attempt failed (the kubelet's reason cache)."""

    reason: str
    message: str
    retry_at: Instant | None = None
    """Not before this moment, unless something the container refers to changed. None: another rule decides when."""
    key: str = ""
    """The container's backoff key then: another image or other resources are tried at once."""


class ContainerRecord(msgspec.Struct, frozen=True, kw_only=True):
    attempts: int = 0
    """Instances begun so far; the next one's restartCount when no instance is left to count from."""
    crash_backoff: Backoff | None = None
    image_backoff: Backoff | None = None
    start_error: StartError | None = None
    shown: Shown | None = None
    """None: the container has only ever been waiting for its first start."""


class ProbeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One probe worker (prober/worker.go)."""

    container_id: str
    result: ProbeOutcome
    """The published result: readiness begins as FAILURE, liveness as SUCCESS, startup as UNKNOWN."""
    last: ProbeOutcome | None = None
    run: int = 0
    """How often `last` came in a row. Survives a new instance, as the kubelet's counter does."""
    on_hold: bool = False
    """Nothing more to ask until a new instance appears."""
    in_flight: bool = False
    next_at: Instant | None = None
    is_resumed: bool = False
    """A new process goes on with it: what nobody asked meanwhile is left out, and the beat is kept. All that is overdue
    at once would be a stampede; a fresh kubelet lets its workers wait for that reason (prober/worker.go: run)."""


class StopStage(StrEnum):
    PRE_STOP = "preStop"
    TURN = "turn"
    """preStop is over; mains, or later sidecars, are still running."""
    SIGNALLED = "signalled"
    KILLED = "killed"


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One container being stopped (kuberuntime_container.go: killContainer)."""

    name: str
    id: str
    grace: int
    """Whole seconds left of the grace period when the present stage began."""
    stage: StopStage
    since: Instant
    """When the present stage began."""
    deadline: Instant
    """When the present stage ends by itself."""
    ordered: bool
    """Sidecars wait for their turn. Only when the whole pod is stopped."""


class StartStage(StrEnum):
    STARTING = "starting"
    POST_START = "postStart"
    UNDOING = "undoing"
    """postStart failed: the container is being stopped again."""


class Starting(msgspec.Struct, frozen=True, kw_only=True):
    """The one container a pod starts at a time."""

    name: str
    attempt: int
    stage: StartStage = StartStage.STARTING
    id: str = ""
    error: str = ""
    """Why it is being undone; becomes the message of waiting reason PostStartHookError."""


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """A single container the sync has decided to stop."""

    name: str
    id: str
    message: str
    grace: int
    run_hook: bool = True


class Sync(msgspec.Struct, frozen=True, kw_only=True):
    """What one sync decided, and how much of it is left: it is worked off before anything is decided anew.

    The kubelet's worker does the same by being synchronous: kills one after the other, then starts one after the other,
    each with its postStart hook (kuberuntime_manager.go: SyncPod).
    """

    kill_pod: bool = False
    """Stop every container in order, then the sandbox."""
    stop_sandbox: bool = False
    kills: tuple[Kill, ...] = ()
    remove: tuple[str, ...] = ()
    """Instances to remove after the kills (init instances before a new sandbox; all, for RestartAllContainers)."""
    create_sandbox: int | None = None
    """Attempt of the sandbox to create before the starts."""
    starts: tuple[str, ...] = ()
    finishes: dict[str, Instant] = {}
    """When the newest exited instance of each start had finished, as the sync saw it: backoff counts from it."""
    starting: Starting | None = None
    asked: bool = False
    """The present step has been asked for; its outcome is still to come."""


class VolumesRecord(msgspec.Struct, frozen=True, kw_only=True):
    mounted: bool = False
    in_flight: bool = False
    delay: float = 0.0
    """Seconds until the next attempt; doubles from 0.5 to 122."""
    retry_at: Instant | None = None


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """A reason of the pod's own (`status.reason`): DeadlineExceeded, Evicted, … The phase is Failed."""

    reason: str
    message: str
    rejected: bool = False
    """The node did not take the pod in: there never was anything of it, and the status has nothing more to say."""


class PodRecord(msgspec.Struct, frozen=True, kw_only=True):
    stage: Stage = Stage.SYNCING
    started_at: Instant | None = None
    """status.startTime: when this node first saw the pod."""
    containers: dict[str, ContainerRecord] = {}
    probes: dict[str, ProbeRecord] = {}
    """By `container/kind`."""
    volumes: VolumesRecord = VolumesRecord()
    sync: Sync | None = None
    stops: tuple[Stop, ...] = ()
    sandbox_retry_at: Instant | None = None
    sandbox_attempts: int = 0
    restarting_all: bool = False
    initialized: bool = False
    """The Initialized condition was True once; it stays so."""
    ending: Ending | None = None
    grace: int | None = None
    """The grace period the termination began with."""
    phase: str = "Pending"
    """As published: a terminal phase waits here until the last container is gone."""
    stopping_sandbox: bool = False


NO_CONTAINER = ContainerRecord()


def probe_key(name: str, kind: ProbeKind) -> str:
    return name + "/" + kind


T = TypeVar("T", bound=msgspec.Struct)


def replaced(value: T, **changes: object) -> T:
    """A copy with some fields changed."""
    return msgspec.structs.replace(value, **changes)
