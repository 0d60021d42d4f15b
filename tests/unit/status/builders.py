"""A simulated pod as the API shows it: every decision is described, as a node does it."""

from __future__ import annotations

import datetime

from pillion.lifecycle import Observation, Stage
from pillion.objects.models import core_v1, meta_v1
from pillion.plan.podplan import PodPlan, Role
from pillion.status import Addresses, PodRow, describe, pod_row
from pillion.testing.simulation import Simulation
from pillion.units import Instant

ADDRESSES = Addresses(host_ip="192.0.2.1", pod_ips=("10.0.0.2",))
EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)


def pod_object(plan: PodPlan) -> core_v1.Pod:
    """The least Pod that has this plan."""
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            name=plan.name, namespace=plan.namespace, uid=plan.uid, generation=3, creationTimestamp=EPOCH
        ),
        spec=core_v1.PodSpec(
            containers=[core_v1.Container(name=c.name, image=c.image) for c in plan.mains],
            initContainers=[
                core_v1.Container(
                    name=c.name, image=c.image, restartPolicy="Always" if c.role is Role.SIDECAR else None
                )
                for c in plan.inits
            ]
            or None,
            ephemeralContainers=[
                core_v1.EphemeralContainer(name=c.name, image=c.image) for c in plan.ephemerals
            ]
            or None,
            nodeName="node-1",
            readinessGates=[core_v1.PodReadinessGate(conditionType=gate) for gate in plan.readiness_gates]
            or None,
        ),
    )


def shown(sim: Simulation, pod: core_v1.Pod | None = None) -> core_v1.Pod:
    """The pod with its status after the last decision. `pod`: as it was before, for what is carried over."""
    pod = pod or pod_object(sim.plan)
    assert pod.metadata is not None
    seen: Observation = sim.seen()
    if sim.deletion is not None:
        pod.metadata.deletionTimestamp = EPOCH
    assert sim.record.stage is not None
    pod.status = describe(pod, sim.plan, sim.record, seen, Instant(sim.now), ADDRESSES)
    return pod


def row(sim: Simulation) -> PodRow:
    return pod_row(shown(sim), Instant(sim.now))


def status_of(pod: core_v1.Pod) -> core_v1.PodStatus:
    assert pod.status is not None
    return pod.status


def container_status(pod: core_v1.Pod, name: str) -> core_v1.ContainerStatus:
    status = status_of(pod)
    listed = [
        *(status.initContainerStatuses or []),
        *(status.containerStatuses or []),
        *(status.ephemeralContainerStatuses or []),
    ]
    return next(s for s in listed if s.name == name)


def condition(pod: core_v1.Pod, type_: str) -> core_v1.PodCondition:
    return next(c for c in status_of(pod).conditions or [] if c.type == type_)


def is_over(sim: Simulation) -> bool:
    return sim.record.stage is Stage.FINISHED
