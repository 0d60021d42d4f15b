"""Going on with a pod of which only the object is left: after a reboot that took the node's own notes with it.

The kubelet has no notes at all: it counts restarts from the status it once wrote (kuberuntime_container.go:
startContainer, calcRestartCountByLogDir; kubelet_pods.go: convertToAPIContainerStatuses).
"""

from __future__ import annotations

from collections.abc import Iterator

from pillion.lifecycle import PodRecord
from pillion.lifecycle.record import ContainerRecord, Running, Shown, Terminated
from pillion.objects import core_v1, meta_v1
from pillion.units import Instant


def record_of(pod: core_v1.Pod) -> PodRecord | None:
    """What the status remembers; None when the pod has not begun."""
    status = pod.status
    if status is None or status.startTime is None:
        return None
    containers = {known.name: record for known in _statuses(status) if (record := _container(known))}
    return PodRecord(
        started_at=_instant(status.startTime),
        containers=containers,
        initialized=any(c.type == "Initialized" and c.status == "True" for c in status.conditions or ()),
        phase=status.phase or "Pending",
    )


def _statuses(status: core_v1.PodStatus) -> Iterator[core_v1.ContainerStatus]:
    yield from status.initContainerStatuses or ()
    yield from status.containerStatuses or ()
    yield from status.ephemeralContainerStatuses or ()


def _container(known: core_v1.ContainerStatus) -> ContainerRecord | None:
    if not known.containerID:
        return None
    last = _terminated(known.lastState)
    state = known.state or core_v1.ContainerState()
    shown: Shown | None = None
    if state.running is not None:
        began = Running(started_at=_instant(state.running.startedAt) or Instant(0.0))
        shown = Shown(state=began, last=last, restart_count=known.restartCount)
    elif (ended := _terminated(state)) is not None:
        shown = Shown(state=ended, last=last, restart_count=known.restartCount)
    return ContainerRecord(attempts=known.restartCount + 1, shown=shown)


def _terminated(state: core_v1.ContainerState | None) -> Terminated | None:
    ended = state.terminated if state is not None else None
    if ended is None:
        return None
    return Terminated(
        exit_code=ended.exitCode,
        reason=ended.reason or "",
        message=ended.message or "",
        started_at=_instant(ended.startedAt),
        finished_at=_instant(ended.finishedAt),
        id=ended.containerID or "",
    )


def _instant(time: meta_v1.Time | None) -> Instant | None:
    return None if time is None else Instant(time.timestamp())
