"""Container statuses: a ContainerView and the container's spec, written as the API writes them."""

from __future__ import annotations

import datetime

from pillion.lifecycle import ContainerView, Running, Terminated, Waiting
from pillion.lifecycle.record import ContainerState
from pillion.objects.models import core_v1
from pillion.plan.containerspec import Identity
from pillion.plan.podplan import Role
from pillion.units import Instant

RUNTIME_NAME = "pillion"
"""What stands before `://` in a containerID."""
MESSAGES_LIMIT = 12 * 1024
"""Bytes that a pod's containers share evenly for their termination messages (status_manager.go: normalizeStatus)."""


def to_time(at: Instant | None) -> datetime.datetime | None:
    """metav1.Time: UTC, whole seconds."""
    return None if at is None else datetime.datetime.fromtimestamp(int(at), datetime.UTC)


def container_status(
    view: ContainerView, spec: core_v1.Container | core_v1.EphemeralContainer, message_limit: int
) -> core_v1.ContainerStatus:
    """One entry of `containerStatuses`. `message_limit`: bytes of a termination message to show."""
    resources = getattr(spec, "resources", None)
    return core_v1.ContainerStatus(
        name=view.plan.name,
        state=_state(view.state, message_limit),
        lastState=_state(view.last, message_limit) if view.last is not None else core_v1.ContainerState(),
        ready=view.ready,
        # Nobody asks it of an ephemeral container (prober_manager.go: UpdatePodStatus).
        started=None if view.plan.role is Role.EPHEMERAL else view.started,
        restartCount=view.restart_count,
        image=view.image or (spec.image or ""),
        imageID=view.image_id,
        containerID=f"{RUNTIME_NAME}://{view.id}" if view.id else None,
        resources=resources,
        allocatedResources=resources.requests if resources is not None else None,
        volumeMounts=[
            core_v1.VolumeMountStatus(
                name=mount.name,
                mountPath=mount.mountPath,
                readOnly=mount.readOnly,
                recursiveReadOnly=_recursive_read_only(mount),
            )
            for mount in spec.volumeMounts or []
        ]
        or None,
        user=_user(view.identity) if view.identity is not None else None,
    )


def _user(identity: Identity) -> core_v1.ContainerUser:
    return core_v1.ContainerUser(
        linux=core_v1.LinuxContainerUser(
            uid=identity.uid, gid=identity.gid, supplementalGroups=list(identity.process_groups)
        )
    )


def _recursive_read_only(mount: core_v1.VolumeMount) -> str | None:
    """Said of read-only mounts alone: what it came to, not what was asked (convertToAPIContainerStatuses)."""
    if not mount.readOnly:
        return None
    return "Disabled" if mount.recursiveReadOnly in (None, "Disabled") else "Enabled"


def _state(state: ContainerState, message_limit: int) -> core_v1.ContainerState:
    match state:
        case Waiting():
            return core_v1.ContainerState(
                waiting=core_v1.ContainerStateWaiting(
                    reason=state.reason or None, message=state.message or None
                )
            )
        case Running():
            return core_v1.ContainerState(
                running=core_v1.ContainerStateRunning(startedAt=to_time(state.started_at))
            )
        case Terminated():
            return core_v1.ContainerState(
                terminated=core_v1.ContainerStateTerminated(
                    exitCode=state.exit_code,
                    reason=state.reason or None,
                    message=state.message.encode()[:message_limit].decode(errors="ignore") or None,
                    startedAt=to_time(state.started_at),
                    finishedAt=to_time(state.finished_at),
                    containerID=f"{RUNTIME_NAME}://{state.id}" if state.id else None,
                )
            )
