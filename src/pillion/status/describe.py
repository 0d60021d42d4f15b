"""`describe`: a pod's status, from the plan, the record and what was seen."""

from __future__ import annotations

import msgspec

from pillion.lifecycle import Observation, PodRecord, Stage
from pillion.lifecycle.states import TERMINAL, ContainerView, view_all
from pillion.lifecycle.turn import Turn
from pillion.objects.models import core_v1
from pillion.plan.podplan import PodPlan
from pillion.status import conditions
from pillion.status.conditions import Claim
from pillion.status.containers import MESSAGES_LIMIT, container_status, to_time
from pillion.status.settling import settle
from pillion.units import Instant


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    host_ip: str = ""
    pod_ips: tuple[str, ...] = ()
    """Kept after the sandbox is gone, as the kubelet keeps them."""


def describe(
    pod: core_v1.Pod, plan: PodPlan, record: PodRecord, seen: Observation, now: Instant, addresses: Addresses
) -> core_v1.PodStatus:
    """The whole status, as the API shows it (kubelet_pods.go: generateAPIPodStatus; status_manager.go).

    `pod.status` is what was published before: times of conditions that did not change, and conditions of others, come
    from it. A terminal phase is shown only once no container runs any more (mergePodStatus). Of a pod that the node did
    not take in, there is nothing to show but that (kubelet.go: rejectPod).
    """
    before = pod.status or core_v1.PodStatus()
    generation = pod.metadata.generation if pod.metadata is not None else None
    if record.ending is not None and record.ending.rejected:
        return core_v1.PodStatus(
            phase=record.phase,
            reason=record.ending.reason,
            message=record.ending.message,
            observedGeneration=generation,
            startTime=to_time(record.started_at),
            qosClass=before.qosClass,
        )
    views = view_all(Turn(plan, record, seen, now))
    if record.stage in (Stage.TERMINATED, Stage.FINISHED):
        views = settle(plan, views)
    phase = record.phase
    claims = _claims(plan, record, seen, views, phase, before.conditions or [])
    limit = MESSAGES_LIMIT // len(plan.containers)
    spec = pod.spec
    assert spec is not None
    ended = record.ending if phase == "Failed" else None
    return core_v1.PodStatus(
        phase=phase,
        reason=ended.reason if ended is not None else before.reason if phase == before.phase else None,
        message=ended.message if ended is not None else before.message if phase == before.phase else None,
        observedGeneration=generation,
        conditions=conditions.write(claims, before.conditions or [], now, generation),
        startTime=to_time(record.started_at),
        hostIP=addresses.host_ip or None,
        hostIPs=[core_v1.HostIP(ip=addresses.host_ip)] if addresses.host_ip else None,
        podIP=addresses.pod_ips[0] if addresses.pod_ips else None,
        podIPs=[core_v1.PodIP(ip=ip) for ip in addresses.pod_ips] or None,
        qosClass=before.qosClass,
        initContainerStatuses=_statuses(spec.initContainers, views, limit),
        containerStatuses=_statuses(sorted(spec.containers, key=lambda c: c.name), views, limit),
        ephemeralContainerStatuses=_statuses(spec.ephemeralContainers, views, limit),
    )


def _claims(
    plan: PodPlan,
    record: PodRecord,
    seen: Observation,
    views: dict[str, ContainerView],
    phase: str,
    before: list[core_v1.PodCondition],
) -> list[Claim]:
    sandbox_ready = record.stage in (Stage.SYNCING, Stage.TERMINATING) and any(
        s.is_ready for s in seen.sandboxes
    )
    containers = conditions.containers_ready(plan, views, phase, "ContainersReady")
    claims = []
    if record.ending is not None and record.ending.reason == "Evicted" and phase in TERMINAL:
        claims.append(Claim("DisruptionTarget", "True", "TerminationByKubelet", record.ending.message))
    claims += [
        Claim("PodReadyToStartContainers", "True" if sandbox_ready else "False"),
        conditions.initialized(plan, views, phase, was_initialized=record.initialized),
        conditions.ready(containers, plan.readiness_gates, before),
        containers,
        Claim("PodScheduled", "True"),
    ]
    if any(rule.action == "RestartAllContainers" for c in plan.containers for rule in c.restart_rules):
        claims.append(conditions.all_restarting(phase, is_restarting=record.restarting_all))
    return claims


def _statuses(
    specs: list[core_v1.Container] | list[core_v1.EphemeralContainer] | None,
    views: dict[str, ContainerView],
    limit: int,
) -> list[core_v1.ContainerStatus] | None:
    if not specs:
        return None
    return [container_status(views[spec.name], spec, limit) for spec in specs if spec.name in views]
