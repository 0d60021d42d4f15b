"""The downward API: fields of the pod as variables, and the resources of its containers as text."""

from decimal import ROUND_CEILING, Decimal

from pillion.objects.models import core_v1
from pillion.plan.facts import Allocatable, NodeFacts, PodFacts
from pillion.plan.fieldpath import extract_field
from pillion.plan.pods import AnyContainer, container_named, spec_of
from pillion.plan.references import ConfigError
from pillion.units import parse_quantity


def field_value(pod: core_v1.Pod, path: str, node: NodeFacts, facts: PodFacts) -> str:
    """The value of `fieldRef` (kubelet_pods.go: podFieldSelectorRuntimeValue). A missing label gives "".

    Raises ConfigError for a path that is not supported here.
    """
    spec = spec_of(pod)
    of_the_moment = {
        "spec.nodeName": spec.nodeName or node.name,
        "spec.serviceAccountName": spec.serviceAccountName,
        "status.hostIP": next(iter(node.host_ips), ""),
        "status.hostIPs": ",".join(node.host_ips),
        "status.podIP": next(iter(facts.ips), ""),
        "status.podIPs": ",".join(facts.ips),
    }
    if path in of_the_moment:
        return of_the_moment[path] or ""
    return extract_field(pod, path)


def resource_value(
    pod: core_v1.Pod,
    container: AnyContainer,
    selector: core_v1.ResourceFieldSelector,
    allocatable: Allocatable,
) -> str:
    """The value of `resourceFieldRef`, divided by the divisor and rounded up.

    A missing request is 0. A missing limit is the pod's own (`spec.resources`), else what the node has for all pods
    (pkg/api/v1/resource/helpers.go: ExtractContainerResourceValue, MergeContainerResourceLimits). Raises ConfigError.
    """
    chosen: AnyContainer | None = container
    if selector.containerName:
        chosen = container_named(pod, selector.containerName)
    if chosen is None:
        raise ConfigError(f"container {selector.containerName} not found")
    kind, _, resource = selector.resource.partition(".")
    supported = resource in {"cpu", "memory", "ephemeral-storage"} or resource.startswith("hugepages-")
    if kind not in {"limits", "requests"} or not supported:
        raise ConfigError(f"unsupported container resource : {selector.resource}")
    own = chosen.resources or core_v1.ResourceRequirements()
    if kind == "requests":
        amount = _amount(own.requests, resource) or Decimal(0)
    else:
        amount = _limit(own, spec_of(pod).resources, resource, allocatable)
    divisor = parse_quantity(selector.divisor or "0") or Decimal(1)
    if resource == "cpu":
        # Thousandths first: the kubelet works with whole millicores, on both sides of the division.
        amount, divisor = _ceil(amount * 1000), _ceil(divisor * 1000)
    else:
        amount, divisor = _ceil(amount), _ceil(divisor)
    return str(_ceil(amount / divisor))


def _limit(
    own: core_v1.ResourceRequirements,
    pod_level: core_v1.ResourceRequirements | None,
    resource: str,
    allocatable: Allocatable,
) -> Decimal:
    limit = _amount(own.limits, resource)
    if limit is None and pod_level is not None:
        limit = _amount(pod_level.limits, resource)
    if limit:
        return limit
    defaults = {
        "cpu": Decimal(allocatable.cpu_millis) / 1000,
        "memory": Decimal(allocatable.memory_bytes),
        "ephemeral-storage": Decimal(allocatable.ephemeral_storage_bytes),
    }
    return defaults.get(resource, Decimal(0))


def _amount(amounts: dict[str, str] | None, resource: str) -> Decimal | None:
    text = (amounts or {}).get(resource)
    return None if text is None else parse_quantity(str(text))


def _ceil(amount: Decimal) -> Decimal:
    return amount.to_integral_value(rounding=ROUND_CEILING)
