"""What a pod asks for: effective requests and limits, QoS class, OOM score.

Sources: component-helpers/resource/helpers.go (PodRequests, PodLimits, AggregateContainerRequests),
pkg/apis/core/v1/helper/qos/qos.go (ComputePodQOS), pkg/kubelet/qos/policy.go
(GetContainerOOMScoreAdjust).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from pillion.objects.models import core_v1
from pillion.units import format_quantity, parse_quantity, quantity_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

GUARANTEED = "Guaranteed"
BURSTABLE = "Burstable"
BEST_EFFORT = "BestEffort"

GUARANTEED_OOM_SCORE_ADJ = -997
BEST_EFFORT_OOM_SCORE_ADJ = 1000

Amounts: TypeAlias = dict[str, Decimal]
"""Resource name → amount: cores, bytes, pieces."""

AnyContainer: TypeAlias = core_v1.Container | core_v1.EphemeralContainer

_COMPUTE = ("cpu", "memory")


def is_pod_level_resource(name: str) -> bool:
    """Whether `spec.resources` may name it."""
    return name in _COMPUTE or name.startswith("hugepages-")


def is_overcommit_allowed(name: str) -> bool:
    """Of these a container may be promised less than its limit."""
    return ("/" not in name or "kubernetes.io/" in name) and not name.startswith("hugepages-")


def pod_requests(pod: core_v1.Pod) -> Amounts:
    """What the scheduler and the pod's cgroup count for a pod, overhead included."""
    total = aggregate_requests(pod)
    pod_level = pod.spec.resources.requests if pod.spec and pod.spec.resources else None
    total |= {name: amount for name, amount in amounts(pod_level).items() if is_pod_level_resource(name)}
    return _plus(total, amounts(pod.spec.overhead if pod.spec else None))


def pod_limits(pod: core_v1.Pod) -> Amounts:
    """The same for limits. A container without one adds nothing: the caller has to know it is unlimited.

    Overhead is added where there is a limit.
    """
    total = aggregate_limits(pod)
    pod_level = pod.spec.resources.limits if pod.spec and pod.spec.resources else None
    total |= {name: amount for name, amount in amounts(pod_level).items() if is_pod_level_resource(name)}
    overhead = amounts(pod.spec.overhead if pod.spec else None)
    return _plus(total, {name: amount for name, amount in overhead.items() if total.get(name)})


def aggregate_requests(pod: core_v1.Pod) -> Amounts:
    """Over the containers alone, without `spec.resources` and overhead."""
    return _aggregate(pod, lambda container: container.resources.requests if container.resources else None)


def aggregate_limits(pod: core_v1.Pod) -> Amounts:
    return _aggregate(pod, lambda container: container.resources.limits if container.resources else None)


def compute_qos(pod: core_v1.Pod) -> str:
    """Decided when the pod is created, and kept: cpu and memory of mains and inits, or of the pod alone."""
    spec = pod.spec
    if spec is None:
        return BEST_EFFORT
    asked = (
        [spec.resources]
        if _has_pod_level_resources(spec)
        else [container.resources for container in [*spec.containers, *(spec.initContainers or [])]]
    )
    requests: Amounts = {}
    limits: Amounts = {}
    has_all_limits = True
    for resources in asked:
        own_limits = _positive_compute(resources.limits if resources else None)
        requests = _plus(requests, _positive_compute(resources.requests if resources else None))
        limits = _plus(limits, own_limits)
        has_all_limits &= len(own_limits) == len(_COMPUTE)
    if not requests and not limits:
        return BEST_EFFORT
    return GUARANTEED if has_all_limits and requests == limits else BURSTABLE


def oom_score_adj(pod: core_v1.Pod, container: AnyContainer, node_memory_bytes: int) -> int:
    """How ready the kernel should be to kill this container: -997 hardly ever, 1000 first."""
    spec = pod.spec
    if spec is None:
        return BEST_EFFORT_OOM_SCORE_ADJ
    if spec.priorityClassName == "system-node-critical":
        return GUARANTEED_OOM_SCORE_ADJ
    qos_class = (pod.status.qosClass if pod.status else None) or compute_qos(pod)
    if qos_class == GUARANTEED:
        return GUARANTEED_OOM_SCORE_ADJ
    if qos_class == BEST_EFFORT:
        return BEST_EFFORT_OOM_SCORE_ADJ
    share = _unclaimed_memory_per_container(pod, spec)
    score = 1000 - 1000 * (_memory_request(container) + share) // node_memory_bytes
    if container.name in {init.name for init in spec.initContainers or () if init.restartPolicy == "Always"}:
        # A sidecar must not die before the main container it serves.
        smallest = min((_memory_request(main) for main in spec.containers), default=None)
        if smallest is not None:
            score = min(score, 1000 - 1000 * (smallest + share) // node_memory_bytes)
    # A burstable container dies after best-effort ones and before guaranteed ones.
    return max(1000 + GUARANTEED_OOM_SCORE_ADJ, min(score, BEST_EFFORT_OOM_SCORE_ADJ - 1))


def amounts(quantities: Mapping[str, str] | None) -> Amounts:
    """The numbers of a resource list. What cannot be read as one is left out: validation names it."""
    read: Amounts = {}
    for name, text in (quantities or {}).items():
        try:
            read[name] = parse_quantity(text)
        except ValueError:
            continue
    return read


def amount_text(name: str, amount: Decimal) -> str:
    """A sum as a quantity: bytes in binary units where they fit, everything else in decimal ones."""
    in_kibi = name != "cpu" and amount % 1024 == 0
    return format_quantity(f"{int(amount) // 1024}Ki" if in_kibi else f"{amount:f}")


def _aggregate(pod: core_v1.Pod, quantities: Callable[[core_v1.Container], dict[str, str] | None]) -> Amounts:
    """max(mains + sidecars, the greediest moment of the init phase), per resource."""
    if pod.spec is None:
        return {}
    total: Amounts = {}
    for main in pod.spec.containers:
        total = _plus(total, amounts(quantities(main)))
    sidecars: Amounts = {}
    greediest: Amounts = {}
    for init in pod.spec.initContainers or ():
        own = amounts(quantities(init))
        if init.restartPolicy == "Always":
            total = _plus(total, own)
            sidecars = _plus(sidecars, own)
            moment = sidecars
        else:
            moment = _plus(own, sidecars)
        greediest = _greater(greediest, moment)
    return _greater(total, greediest)


def _plus(left: Amounts, right: Amounts) -> Amounts:
    return left | {name: left.get(name, Decimal(0)) + amount for name, amount in right.items()}


def _greater(left: Amounts, right: Amounts) -> Amounts:
    return left | {name: max(left.get(name, amount), amount) for name, amount in right.items()}


def _positive_compute(quantities: Mapping[str, str] | None) -> Amounts:
    return {name: amount for name, amount in amounts(quantities).items() if name in _COMPUTE and amount > 0}


def _has_pod_level_resources(spec: core_v1.PodSpec) -> bool:
    named: Iterable[str] = ()
    if spec.resources is not None:
        named = [*(spec.resources.requests or {}), *(spec.resources.limits or {})]
    return any(is_pod_level_resource(name) for name in named)


def _memory_request(container: AnyContainer) -> int:
    requests = container.resources.requests if container.resources else None
    return quantity_value((requests or {}).get("memory", "0"))


def _unclaimed_memory_per_container(pod: core_v1.Pod, spec: core_v1.PodSpec) -> int:
    """Memory requested for the pod beyond what its containers request, shared out evenly."""
    asked = amounts(spec.resources.requests if spec.resources else None).get("memory")
    if not asked:
        return 0
    count = len(spec.containers) + len(spec.initContainers or ())
    return int((asked - aggregate_requests(pod).get("memory", Decimal(0))) / count) if count else 0
