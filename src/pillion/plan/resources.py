"""Requests and limits as cgroup numbers.

kuberuntime_container_linux.go: calculateLinuxResources; pkg/kubelet/cm/helpers_linux.go: MilliCPUToShares,
MilliCPUToQuota, ResourceConfigForPod.
"""

from decimal import ROUND_CEILING, Decimal

from pillion.objects.models import core_v1
from pillion.objects.qos import (
    BEST_EFFORT,
    Amounts,
    amounts,
    compute_qos,
    oom_score_adj,
    pod_limits,
    pod_requests,
)
from pillion.plan.containerspec import Resources
from pillion.plan.podplan import Role
from pillion.plan.pods import AnyContainer, containers_of, spec_of
from pillion.units import parse_quantity

CPU_PERIOD_US = 100_000
_MIN_SHARES, _MAX_SHARES = 2, 262_144
_MIN_QUOTA_US = 1000
_NOTHING = Decimal(0)
_HUGEPAGES = "hugepages-"


def container_resources(pod: core_v1.Pod, container: AnyContainer, node_memory_bytes: int) -> Resources:
    """Limits of one container. A limit of the pod (`spec.resources`) counts where the container has none."""
    limits = _limits(spec_of(pod).resources) | _limits(container.resources)
    requests = amounts(container.resources.requests if container.resources else None)
    # Without a request the limit is the request, as the API server's defaulting has it too.
    request = requests.get("cpu", limits.get("cpu", _NOTHING))
    return Resources(
        cpu_shares=cpu_shares(_millis(request)),
        cpu_quota_us=cpu_quota_us(_millis(limits.get("cpu", _NOTHING))),
        cpu_period_us=CPU_PERIOD_US,
        memory_limit_bytes=_whole(limits.get("memory", _NOTHING)) or None,
        hugepage_limits=hugepage_limits(limits),
        oom_score_adj=oom_score_adj(pod, container, node_memory_bytes),
    )


def pod_resources(pod: core_v1.Pod) -> Resources:
    """Limits of the pod's cgroup: each only if every container (or the pod itself) has that limit."""
    if compute_qos(pod) == BEST_EFFORT:
        return Resources(cpu_shares=_MIN_SHARES)
    limits = {name: amount for name, amount in pod_limits(pod).items() if _is_limited(pod, name)}
    return Resources(
        cpu_shares=cpu_shares(_millis(pod_requests(pod).get("cpu", _NOTHING))),
        cpu_quota_us=cpu_quota_us(_millis(limits.get("cpu", _NOTHING))),
        cpu_period_us=CPU_PERIOD_US,
        memory_limit_bytes=_whole(limits.get("memory", _NOTHING)) or None,
    )


def cpu_shares(millis: int) -> int:
    return max(_MIN_SHARES, min(millis * 1024 // 1000, _MAX_SHARES))


def cpu_quota_us(millis: int) -> int | None:
    """Microseconds per period; None without a limit. The kernel takes no less than 1 ms."""
    if millis == 0:
        return None
    return max(_MIN_QUOTA_US, millis * CPU_PERIOD_US // 1000)


def hugepage_limits(limits: Amounts) -> tuple[tuple[str, int], ...]:
    """kuberuntime_container_linux.go: GetHugepageLimitsFromResources."""
    return tuple(
        (_page_size(_whole(parse_quantity(name.removeprefix(_HUGEPAGES)))), _whole(amount))
        for name, amount in limits.items()
        if name.startswith(_HUGEPAGES)
    )


def _page_size(size: int) -> str:
    """As cgroups name it: 2 MiB are `2MB`."""
    for unit in ("B", "KB", "MB"):
        if size % 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}GB"


def _is_limited(pod: core_v1.Pod, resource: str) -> bool:
    if _limits(spec_of(pod).resources).get(resource):
        return True
    containers = (c for role, c in containers_of(pod) if role is not Role.EPHEMERAL)
    return all(_limits(container.resources).get(resource) for container in containers)


def _limits(resources: core_v1.ResourceRequirements | None) -> Amounts:
    return amounts(resources.limits if resources else None)


def _millis(cores: Decimal) -> int:
    return _whole(cores * 1000)


def _whole(amount: Decimal) -> int:
    return int(amount.to_integral_value(rounding=ROUND_CEILING))
