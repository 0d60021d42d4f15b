"""The columns of `kubectl get pods`, which the server computes (pkg/printers/internalversion/printers.go: printPod)."""

from __future__ import annotations

import datetime

import msgspec

from pillion.objects.models import core_v1
from pillion.units import Instant, human_duration

NONE = "<none>"


class PodRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row; the fields in the order of the columns, the last four only with `-o wide`."""

    name: str
    ready: str
    status: str
    restarts: str
    age: str
    ip: str
    node: str
    nominated_node: str
    readiness_gates: str


class _Walk(msgspec.Struct):
    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    restarted_at: datetime.datetime | None = None


def pod_row(pod: core_v1.Pod, now: Instant) -> PodRow:
    """The row of one pod."""
    meta, spec, status = pod.metadata, pod.spec, pod.status or core_v1.PodStatus()
    assert meta is not None
    assert spec is not None
    inits = spec.initContainers or []
    sidecars = {c.name for c in inits if c.restartPolicy == "Always"}
    walk = _Walk(reason=status.reason or status.phase or "", total=len(spec.containers) + len(sidecars))
    conditions = {c.type: c for c in status.conditions or []}
    scheduled = conditions.get("PodScheduled")
    if scheduled is not None and scheduled.reason == "SchedulingGated":
        walk.reason = "SchedulingGated"
    is_initializing, sidecar_walk = _walk_inits(
        walk, status.initContainerStatuses or [], sidecars, len(inits)
    )
    initialized = conditions.get("Initialized")
    if not is_initializing or (initialized is not None and initialized.status == "True"):
        walk.restarts, walk.restarted_at = sidecar_walk.restarts, sidecar_walk.restarted_at
        ready = conditions.get("Ready")
        _walk_mains(
            walk, status.containerStatuses or [], pod_is_ready=ready is not None and ready.status == "True"
        )
    if meta.deletionTimestamp is not None:
        if status.reason == "NodeLost":
            walk.reason = "Unknown"
        elif status.phase not in ("Succeeded", "Failed"):
            walk.reason = "Terminating"
    restarts = str(walk.restarts)
    if walk.restarts and walk.restarted_at is not None:
        restarts += f" ({human_duration(now - walk.restarted_at.timestamp())} ago)"
    created = meta.creationTimestamp
    gates = [gate.conditionType for gate in spec.readinessGates or []]
    true_gates = sum((c := conditions.get(gate)) is not None and c.status == "True" for gate in gates)
    return PodRow(
        name=meta.name or "",
        ready=f"{walk.ready}/{walk.total}",
        status=walk.reason,
        restarts=restarts,
        age=human_duration(now - created.timestamp()) if created is not None else "<unknown>",
        ip=status.podIP or NONE,
        node=spec.nodeName or NONE,
        nominated_node=status.nominatedNodeName or NONE,
        readiness_gates=f"{true_gates}/{len(gates)}" if gates else NONE,
    )


def _walk_inits(
    walk: _Walk, statuses: list[core_v1.ContainerStatus], sidecars: set[str], init_count: int
) -> tuple[bool, _Walk]:
    """The first unfinished init container names the status and ends the walk. Sidecars' restarts are counted apart."""
    of_sidecars = _Walk(reason="", total=0)
    for index, status in enumerate(statuses):
        is_sidecar = status.name in sidecars
        _count_restarts(walk, status)
        if is_sidecar:
            _count_restarts(of_sidecars, status)
        state = status.state or core_v1.ContainerState()
        ended, waiting = state.terminated, state.waiting
        if ended is not None and ended.exitCode == 0:
            continue
        if is_sidecar and status.started:
            walk.ready += status.ready
            continue
        if ended is not None:
            walk.reason = f"Init:{ended.reason or _ending(ended)}"
        elif waiting is not None and waiting.reason and waiting.reason != "PodInitializing":
            walk.reason = f"Init:{waiting.reason}"
        else:
            walk.reason = f"Init:{index}/{init_count}"
        return True, of_sidecars
    return False, of_sidecars


def _walk_mains(walk: _Walk, statuses: list[core_v1.ContainerStatus], *, pod_is_ready: bool) -> None:
    has_running = False
    error_reason = ""
    for status in reversed(statuses):
        _count_restarts(walk, status)
        state = status.state or core_v1.ContainerState()
        if state.waiting is not None and state.waiting.reason:
            walk.reason = state.waiting.reason
        elif state.terminated is not None:
            walk.reason = state.terminated.reason or _ending(state.terminated)
            if state.terminated.exitCode != 0:
                error_reason = walk.reason
        elif status.ready and state.running is not None:
            has_running = True
            walk.ready += 1
    if walk.reason != "Completed":
        return
    if has_running and pod_is_ready:
        walk.reason = "Running"
    elif error_reason:
        walk.reason = error_reason
    elif has_running:
        walk.reason = "NotReady"


def _count_restarts(walk: _Walk, status: core_v1.ContainerStatus) -> None:
    walk.restarts += status.restartCount
    last = status.lastState.terminated if status.lastState is not None else None
    finished_at = last.finishedAt if last is not None else None
    if finished_at is not None and (walk.restarted_at is None or finished_at > walk.restarted_at):
        walk.restarted_at = finished_at


def _ending(ended: core_v1.ContainerStateTerminated) -> str:
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exitCode}"
