"""What `decide` can ask for: a closed union of values. Each carries `because`, the reason for people.

None of them blocks the loop: the performer starts the work and its end comes back as an outcome (named at each class).
"""

from __future__ import annotations

import msgspec

from pillion.lifecycle.observation import Hook, ProbeKind
from pillion.plan.podplan import Handler, ProbePlan, Role


class MountVolumes(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """→ VolumesMounted | VolumesFailed"""

    because: str


class CreateSandbox(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """→ SandboxCreated | SandboxFailed"""

    attempt: int
    because: str


class StopSandbox(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Take the network away and end what is left in the sandboxes. → SandboxStopped"""

    because: str


class StartContainer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Image, configuration, create, start: section 1.2 without the hook. → ContainerStarted | ContainerStartFailed"""

    name: str
    role: Role
    attempt: int
    because: str


class RunHook(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """→ HookFinished"""

    name: str
    id: str
    hook: Hook
    handler: Handler
    because: str


class RunProbe(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One attempt. → ProbeAnswered"""

    name: str
    id: str
    kind: ProbeKind
    probe: ProbePlan
    because: str = ""


class StopContainer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Send the image's stop signal. The exit is seen in the next observation."""

    name: str
    id: str
    because: str


class KillContainer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """SIGKILL to everything in it. The exit is seen in the next observation."""

    name: str
    id: str
    because: str


class RemoveContainer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Delete an instance that is not running. The logs of the container's newest two instances stay."""

    name: str
    id: str
    because: str


class TearDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nothing runs any more: remove containers and sandboxes, unmount volumes, remove cgroups. → TornDown"""

    because: str


Action = (
    MountVolumes
    | CreateSandbox
    | StopSandbox
    | StartContainer
    | RunHook
    | RunProbe
    | StopContainer
    | KillContainer
    | RemoveContainer
    | TearDown
)


class EventNote(msgspec.Struct, frozen=True, kw_only=True):
    """A Kubernetes Event to be recorded (section 8). `container` names whom it is about; None: the pod."""

    type: str
    reason: str
    message: str
    container: str | None = None
