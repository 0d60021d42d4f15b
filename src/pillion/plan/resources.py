"""Requests and limits as cgroup numbers.

kuberuntime_container_linux.go: calculateLinuxResources; pkg/kubelet/cm/helpers_linux.go: MilliCPUToShares,
MilliCPUToQuota, ResourceConfigForPod.
"""

from pillion.objects.models import core_v1
from pillion.objects.qos import compute_qos, oom_score_adj, pod_limits, pod_requests
from pillion.plan.containerspec import Resources
from pillion.plan.podplan import Role
from pillion.plan.pods import AnyContainer, containers_of, spec_of
from pillion.units import quantity_millis, quantity_value

CPU_PERIOD_US = 100_000
_MIN_SHARES, _MAX_SHARES = 2, 262_144
_MIN_QUOTA_US = 1000


def container_resources(pod: core_v1.Pod, container: AnyContainer, node_memory_bytes: int) -> Resources:
    """Limits of one container. A limit of the pod (`spec.resources`) counts where the container has none."""
    own = container.resources or core_v1.ResourceRequirements()
    for_pod = spec_of(pod).resources or core_v1.ResourceRequirements()
    limits = {**(for_pod.limits or {}), **(own.limits or {})}
    requests = own.requests or {}
    cpu_limit = quantity_millis(str(limits.get("cpu", "0")))
    # Without a request the limit is the request, as the API server's defaulting has it too.
    cpu_request = quantity_millis(str(requests["cpu"])) if "cpu" in requests else cpu_limit
    return Resources(
        cpu_shares=cpu_shares(cpu_request),
        cpu_quota_us=cpu_quota_us(cpu_limit),
        cpu_period_us=CPU_PERIOD_US,
        memory_limit_bytes=quantity_value(str(limits.get("memory", "0"))) or None,
        oom_score_adj=oom_score_adj(pod, container, node_memory_bytes),
    )


def pod_resources(pod: core_v1.Pod) -> Resources:
    """Limits of the pod's cgroup: each only if every container (or the pod itself) has that limit."""
    qos = compute_qos(pod)
    if qos == "BestEffort":
        return Resources(cpu_shares=_MIN_SHARES)
    limits = pod_limits(pod)
    cpu_limit = quantity_millis(str(limits.get("cpu", "0"))) if _is_limited(pod, "cpu") else 0
    memory_limit = quantity_value(str(limits.get("memory", "0"))) if _is_limited(pod, "memory") else 0
    return Resources(
        cpu_shares=cpu_shares(quantity_millis(str(pod_requests(pod).get("cpu", "0")))),
        cpu_quota_us=cpu_quota_us(cpu_limit),
        cpu_period_us=CPU_PERIOD_US,
        memory_limit_bytes=memory_limit or None,
    )


def cpu_shares(millis: int) -> int:
    return max(_MIN_SHARES, min(millis * 1024 // 1000, _MAX_SHARES))


def cpu_quota_us(millis: int) -> int | None:
    """Microseconds per period; None without a limit. The kernel takes no less than 1 ms."""
    if millis == 0:
        return None
    return max(_MIN_QUOTA_US, millis * CPU_PERIOD_US // 1000)


def _is_limited(pod: core_v1.Pod, resource: str) -> bool:
    for_pod = spec_of(pod).resources
    if for_pod is not None and _has_limit(for_pod, resource):
        return True
    containers = (c for role, c in containers_of(pod) if role is not Role.EPHEMERAL)
    return all(c.resources is not None and _has_limit(c.resources, resource) for c in containers)


def _has_limit(resources: core_v1.ResourceRequirements, resource: str) -> bool:
    return quantity_millis(str((resources.limits or {}).get(resource, "0"))) > 0
