"""What the world looks like to `decide`: the runtime's facts, and the outcomes of what was asked for before.

Values only. `Instant`s are wall time; the node derives them from one clock, so they never run backwards.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pillion.plan.admission import Rejection
from pillion.plan.containerspec import Identity
from pillion.units import Instant


class RuntimeState(StrEnum):
    """A container instance, as the runtime knows it (CRI's words)."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


class ContainerSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One instance of a container."""

    id: str
    name: str
    attempt: int
    """The restartCount this instance was created with."""
    state: RuntimeState
    hash: str
    image: str = ""
    image_id: str = ""
    identity: Identity | None = None
    """Who its first process began as."""
    sandbox_attempt: int = 0
    created_at: Instant = Instant(0)
    started_at: Instant | None = None
    finished_at: Instant | None = None
    exit_code: int | None = None
    reason: str = ""
    """`Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerCannotRun` once exited."""
    message: str = ""
    """The termination message, read when the container exited."""


class SandboxSeen(msgspec.Struct, frozen=True, kw_only=True):
    attempt: int
    is_ready: bool
    ips: tuple[str, ...] = ()
    host_network: bool = False
    created_at: Instant = Instant(0)


class ProbeKind(StrEnum):
    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


class ProbeOutcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"
    """The prober itself could not run it: no result changes."""


class Hook(StrEnum):
    POST_START = "postStart"
    PRE_STOP = "preStop"


class VolumesMounted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at: Instant


class VolumesFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at: Instant
    failures: tuple[tuple[str, str], ...]
    """(volume, message); the message is what follows `MountVolume.SetUp failed for volume "v" : `."""


class SandboxCreated(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at: Instant
    attempt: int


class SandboxFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at: Instant
    attempt: int
    message: str


class SandboxStopped(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at: Instant


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """An Event that a driver gives rise to (Pulling, Pulled, …); `decide` places it."""

    type: str  # Normal or Warning
    reason: str
    message: str


class ContainerStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at: Instant
    name: str
    id: str
    notes: tuple[Note, ...] = ()


class ContainerStartFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`reason` is a waiting reason: ErrImagePull, CreateContainerConfigError, RunContainerError, …"""

    at: Instant
    name: str
    reason: str
    message: str
    notes: tuple[Note, ...] = ()


class HookFinished(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at: Instant
    name: str
    id: str
    hook: Hook
    error: str | None = None
    """None: success. Else as the kubelet words it, with what the hook has put out: status only, it may hold secrets."""
    cause: str = ""
    """Why it failed, for people."""
    notes: tuple[Note, ...] = ()


class ProbeAnswered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at: Instant
    name: str
    id: str
    """The instance that was probed."""
    kind: ProbeKind
    outcome: ProbeOutcome
    message: str = ""
    warning: bool = False
    """A success with a warning (a redirect to another host): event ProbeWarning."""


class ReferencesChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A ConfigMap, Secret or image the pod waits for may be there now: try again at once."""

    at: Instant


class TornDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Volumes unmounted, sandboxes and cgroups gone."""

    at: Instant


Outcome = (
    VolumesMounted
    | VolumesFailed
    | SandboxCreated
    | SandboxFailed
    | SandboxStopped
    | ContainerStarted
    | ContainerStartFailed
    | HookFinished
    | ProbeAnswered
    | ReferencesChanged
    | TornDown
)


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """The pod is to go away: API deletion, or Ctrl-C. `grace_seconds` may only shrink.

    Zero never reaches a kubelet (it uses 1 at least); here it means "at once": SIGKILL, no hooks, no order.
    """

    grace_seconds: int
    requested_at: Instant


class Eviction(msgspec.Struct, frozen=True, kw_only=True):
    reason: str
    message: str
    grace_seconds: int


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    sandboxes: tuple[SandboxSeen, ...] = ()
    """Newest first."""
    containers: tuple[ContainerSeen, ...] = ()
    """Every instance that is left, newest first. Instances made ahead of their start are not shown."""
    outcomes: tuple[Outcome, ...] = ()
    """What ended since the last decision, in order."""
    deletion: Deletion | None = None
    eviction: Eviction | None = None
    rejection: Rejection | None = None
    """The node's answer to whether it takes the pod in; asked once, before the pod's first decision."""
