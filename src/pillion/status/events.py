"""Kubernetes Events from the notes of a decision (pkg/kubelet/container/ref.go, client-go tools/record)."""

from __future__ import annotations

from pillion.lifecycle import EventNote
from pillion.objects.models import core_v1, meta_v1
from pillion.plan.podplan import PodPlan, Role
from pillion.status.containers import to_time
from pillion.units import Instant

_FIELDS = {
    Role.INIT: "initContainers",
    Role.SIDECAR: "initContainers",
    Role.MAIN: "containers",
    Role.EPHEMERAL: "ephemeralContainers",
}


def field_path(plan: PodPlan, container: str | None) -> str | None:
    """`spec.containers{NAME}` for an event about a container, nothing for one about the pod."""
    for candidate in plan.containers:
        if candidate.name == container:
            return f"spec.{_FIELDS[candidate.role]}{{{candidate.name}}}"
    return None


def build_event(
    pod: core_v1.Pod, plan: PodPlan, note: EventNote, *, node: str, now: Instant, component: str = "kubelet"
) -> core_v1.Event:
    """A first occurrence; `repeat` counts the next ones."""
    at = to_time(now)
    micros = int(now * 1_000_000)
    return core_v1.Event(
        apiVersion="v1",
        kind="Event",
        metadata=meta_v1.ObjectMeta(
            name=f"{plan.name}.{micros:x}", namespace=plan.namespace, creationTimestamp=at
        ),
        involvedObject=core_v1.ObjectReference(
            apiVersion="v1",
            kind="Pod",
            namespace=plan.namespace,
            name=plan.name,
            uid=plan.uid,
            resourceVersion=pod.metadata.resourceVersion if pod.metadata is not None else None,
            fieldPath=field_path(plan, note.container),
        ),
        type=note.type,
        reason=note.reason,
        message=note.message,
        count=1,
        firstTimestamp=at,
        lastTimestamp=at,
        source=core_v1.EventSource(component=component, host=node),
        reportingComponent=component,
        reportingInstance=node,
    )


def repeat(event: core_v1.Event, now: Instant) -> None:
    """Count one more occurrence of the same event."""
    event.count = (event.count or 1) + 1
    event.lastTimestamp = to_time(now)


def same(event: core_v1.Event, other: core_v1.Event) -> bool:
    """Whether the recorder would merge them: everything but the times is equal."""

    def key(e: core_v1.Event) -> tuple[object, ...]:
        ref = e.involvedObject
        return (ref.uid, ref.fieldPath, e.type, e.reason, e.message)

    return key(event) == key(other)
