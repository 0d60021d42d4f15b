"""Pod conditions (pkg/kubelet/status/generate.go). Each is a function of the views; times come from what was before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from pillion.lifecycle import ContainerView
from pillion.objects.models import core_v1
from pillion.plan.podplan import PodPlan, Role
from pillion.status.containers import to_time
from pillion.units import Instant


class Claim(msgspec.Struct, frozen=True):
    """A condition before it has times."""

    type: str
    status: str
    """`True` or `False`."""
    reason: str = ""
    message: str = ""


def initialized(
    plan: PodPlan, views: Mapping[str, ContainerView], phase: str, *, was_initialized: bool
) -> Claim:
    """GeneratePodInitializedCondition. Once true it stays true (since 1.36)."""
    if phase == "Succeeded":
        return Claim("Initialized", "True", "PodCompleted")
    if was_initialized or not plan.inits:
        return Claim("Initialized", "True")
    incomplete = [
        c.name
        for c in plan.inits
        if not (views[c.name].started if c.role is Role.SIDECAR else views[c.name].ready)
    ]
    if not incomplete:
        return Claim("Initialized", "True")
    return Claim(
        "Initialized",
        "False",
        "ContainersNotInitialized",
        f"containers with incomplete status: {_names(incomplete)}",
    )


def containers_ready(plan: PodPlan, views: Mapping[str, ContainerView], phase: str, type_: str) -> Claim:
    """GenerateContainersReadyCondition: sidecars in the order of the spec, then mains; plain inits do not count."""
    if phase == "Succeeded":
        return Claim(type_, "False", "PodCompleted")
    if phase == "Failed":
        return Claim(type_, "False", "PodFailed")
    counted = [c.name for c in plan.inits if c.role is Role.SIDECAR] + [c.name for c in plan.mains]
    unready = [name for name in counted if not views[name].ready]
    if unready:
        return Claim(
            type_, "False", "ContainersNotReady", f"containers with unready status: {_names(unready)}"
        )
    return Claim(type_, "True")


def ready(containers: Claim, gates: Iterable[str], current: Iterable[core_v1.PodCondition]) -> Claim:
    """GeneratePodReadyCondition: the containers, and every readiness gate."""
    if containers.status != "True":
        return Claim("Ready", "False", containers.reason, containers.message)
    by_type = {condition.type: condition.status for condition in current}
    problems = []
    for gate in gates:
        status = by_type.get(gate)
        if status is None:
            problems.append(f'corresponding condition of pod readiness gate "{gate}" does not exist.')
        elif status != "True":
            problems.append(f'the status of pod readiness gate "{gate}" is not "True", but {status}')
    if problems:
        return Claim("Ready", "False", "ReadinessGatesNotReady", ", ".join(problems))
    return Claim("Ready", "True")


def all_restarting(phase: str, *, is_restarting: bool) -> Claim:
    """GenerateAllContainersRestartingCondition; for pods with a RestartAllContainers rule only."""
    type_ = "AllContainersRestarting"
    if phase == "Succeeded":
        return Claim(type_, "False", "PodCompleted")
    if phase == "Failed":
        return Claim(type_, "False", "PodFailed")
    if not is_restarting:
        return Claim(type_, "False")
    return Claim(type_, "True", "RestartAllContainersStarted", "container exited with restart policy rule")


def write(
    claims: Iterable[Claim], before: Iterable[core_v1.PodCondition], now: Instant, generation: int | None
) -> list[core_v1.PodCondition]:
    """Give claims their times: `lastTransitionTime` moves only when the status does. Foreign conditions come first."""
    old = {condition.type: condition for condition in before}
    claims = list(claims)
    owned = {claim.type for claim in claims} | {"AllContainersRestarting"}
    written = [condition for condition in before if condition.type not in owned]
    for claim in claims:
        known = old.get(claim.type)
        kept = known is not None and known.status == claim.status
        written.append(
            core_v1.PodCondition(
                type=claim.type,
                status=claim.status,
                reason=claim.reason or None,
                message=claim.message or None,
                lastTransitionTime=known.lastTransitionTime if kept and known is not None else to_time(now),
                observedGeneration=generation,
            )
        )
    return written


OWN = frozenset(
    (
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
        "AllContainersRestarting",
    )
)
"""The kubelet's conditions (pkg/kubelet/types/pod_status.go); all others are somebody else's to write."""


def with_foreign_conditions(own: core_v1.PodStatus, other: core_v1.PodStatus | None) -> core_v1.PodStatus:
    """Our status with the conditions that others have written into `other`, such as readiness gates.

    DisruptionTarget is written by both: ours wins once there is one (status_manager.go: mergePodStatus).
    """
    conditions = own.conditions or []
    known = {condition.type for condition in conditions}
    theirs = [
        condition
        for condition in (other.conditions if other is not None else None) or ()
        if condition.type not in OWN and not (condition.type == _SHARED and _SHARED in known)
    ]
    kept = [condition for condition in conditions if condition.type in OWN or condition.type == _SHARED]
    return msgspec.structs.replace(own, conditions=[*theirs, *kept] or None)


_SHARED = "DisruptionTarget"


def _names(names: list[str]) -> str:
    return f"[{' '.join(names)}]"
