"""Which instance of a container a request for logs means (kubelet_pods.go: validateContainerLogStatus)."""

from __future__ import annotations

from collections.abc import Iterator

from pillion.objects.models import core_v1
from pillion.plan.pods import identity_of
from pillion.streams import NodeRefusal
from pillion.units import quote

_REASONS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def choose_instance(pod: core_v1.Pod, container: str, *, previous: bool) -> tuple[str, int]:
    """(container ID without its scheme, restart count of that instance). Raises NodeRefusal.

    The restart count follows from the status: it counts the newest instance.
    """
    where = f"container {quote(container)} in pod {quote(identity_of(pod).name)}"
    status = next((status for status in _statuses(pod) if status.name == container), None)
    if status is None:
        raise NodeRefusal(400, f"{where} is not available")
    state = status.state or core_v1.ContainerState()
    last = status.lastState.terminated if status.lastState is not None else None
    # A waiting container has its newest instance in lastState, any other one the instance before.
    last_count = status.restartCount - (1 if state.running or state.terminated else 0)
    if previous:
        if last is None or not last.containerID:
            raise NodeRefusal(400, f"previous terminated {where} not found")
        return _bare(last.containerID), last_count
    if state.running is not None:
        return _bare(status.containerID or ""), status.restartCount
    if state.terminated is not None and state.terminated.containerID:
        return _bare(state.terminated.containerID), status.restartCount
    if last is not None and last.containerID:
        return _bare(last.containerID), last_count
    if state.terminated is not None or last is not None:
        raise NodeRefusal(400, f"{where} is terminated")
    if state.waiting is not None:
        reason = state.waiting.reason or ""
        raise NodeRefusal(400, f"{where} is waiting to start: {_REASONS.get(reason, reason)}")
    raise NodeRefusal(400, f"{where} is waiting to start - no logs yet")


def _statuses(pod: core_v1.Pod) -> Iterator[core_v1.ContainerStatus]:
    if pod.status is not None:
        yield from pod.status.containerStatuses or ()
        yield from pod.status.initContainerStatuses or ()
        yield from pod.status.ephemeralContainerStatuses or ()


def _bare(container_id: str) -> str:
    return container_id.rpartition("://")[2]
