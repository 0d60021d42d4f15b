"""Whether a pod may run on a node: the scheduler's filters, as far as a single node can fail them. Pure.

CPU and memory are not added up: a laptop is smaller than the cluster a manifest is written for, and what the pods do
use is theirs to share. Sources: pkg/scheduler/framework/plugins (nodename, nodeunschedulable, nodeaffinity,
tainttoleration, nodeports, interpodaffinity), component-helpers/scheduling/corev1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Tree = dict[str, Any]
Labels = Mapping[str, str]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_NOT_HELPFUL = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def why_not(pod: Tree, node: Tree, others: Iterable[Tree]) -> str | None:
    """The sentence of the event FailedScheduling; None: the pod fits. `others` are the pods on the node."""
    present = list(others)
    for reason in (
        _unschedulable(pod, node),
        _taints(pod, node),
        _node_affinity(pod, node),
        _ports(pod, present),
        _extended_resources(pod, node),
        _pod_affinity(pod, node, present),
    ):
        if reason:
            return f"0/1 nodes are available: 1 {reason}. {_NOT_HELPFUL}"
    return None


def _unschedulable(pod: Tree, node: Tree) -> str | None:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if node.get("spec", {}).get("unschedulable") and not _is_tolerated(pod, taint):
        return "node(s) were unschedulable"
    return None


def _taints(pod: Tree, node: Tree) -> str | None:
    for taint in node.get("spec", {}).get("taints", ()):
        if taint["effect"] in ("NoSchedule", "NoExecute") and not _is_tolerated(pod, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    return None


def _is_tolerated(pod: Tree, taint: Tree) -> bool:
    return any(
        known.get("effect") in (None, "", taint["effect"])
        and known.get("key") in (None, "", taint["key"])
        and (known.get("operator") == "Exists" or known.get("value", "") == taint.get("value", ""))
        for known in pod["spec"].get("tolerations", ())
    )


def _node_affinity(pod: Tree, node: Tree) -> str | None:
    labels: Labels = node["metadata"].get("labels", {})
    wanted = pod["spec"].get("nodeSelector", {})
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get(_REQUIRED)
    fits = all(labels.get(key) == value for key, value in wanted.items())
    if affinity is not None:
        terms = affinity.get("nodeSelectorTerms", ())
        fits = fits and any(_term_matches(term, node) for term in terms)
    return None if fits else "node(s) didn't match Pod's node affinity/selector"


def _term_matches(term: Tree, node: Tree) -> bool:
    expressions, fields = term.get("matchExpressions", ()), term.get("matchFields", ())
    if not expressions and not fields:
        return False  # an empty term matches nothing
    labels: Labels = node["metadata"].get("labels", {})
    names = {"metadata.name": node["metadata"]["name"]}
    return all(_matches(known, labels) for known in expressions) and all(
        _matches(known, names) for known in fields
    )


def _matches(requirement: Tree, labels: Labels) -> bool:
    """One requirement of a node selector, or of a label selector: the same operators and two more."""
    value, values = labels.get(requirement["key"]), requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _compare(value, values, lambda have, limit: have > limit)
        case "Lt":
            return _compare(value, values, lambda have, limit: have < limit)
        case _:
            return False


def _compare(value: str | None, values: Iterable[str], holds: Callable[[int, int], bool]) -> bool:
    try:
        return value is not None and all(holds(int(value), int(limit)) for limit in values)
    except ValueError:
        return False


def _ports(pod: Tree, others: list[Tree]) -> str | None:
    taken = [port for other in others for port in _host_ports(other)]
    for ip, protocol, number in _host_ports(pod):
        for other_ip, other_protocol, other_number in taken:
            if (protocol, number) == (other_protocol, other_number) and (
                ip == other_ip or "0.0.0.0" in (ip, other_ip)  # noqa: S104 - the wildcard is the question
            ):
                return "node(s) didn't have free ports for the requested pod ports"
    return None


def _host_ports(pod: Tree) -> list[tuple[str, str, int]]:
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    return [
        (port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), port["hostPort"])  # noqa: S104
        for container in (*sidecars, *spec.get("containers", ()))
        for port in container.get("ports", ())
        if port.get("hostPort")
    ]


def _extended_resources(pod: Tree, node: Tree) -> str | None:
    allocatable = node.get("status", {}).get("allocatable", {})
    for container in (*pod["spec"].get("initContainers", ()), *pod["spec"].get("containers", ())):
        for name, amount in sorted(container.get("resources", {}).get("requests", {}).items()):
            if "/" in name and name not in allocatable and str(amount) != "0":
                return f"Insufficient {name}"
    return None


def _pod_affinity(pod: Tree, node: Tree, others: list[Tree]) -> str | None:
    affinity = pod["spec"].get("affinity", {})
    for term in affinity.get("podAffinity", {}).get(_REQUIRED, ()):
        # A pod that fits its own term may be the first.
        if not any(_is_near(term, pod, node, other) for other in (*others, pod)):
            return "node(s) didn't match pod affinity rules"
    for term in affinity.get("podAntiAffinity", {}).get(_REQUIRED, ()):
        if any(_is_near(term, pod, node, other) for other in others):
            return "node(s) didn't match pod anti-affinity rules"
    for other in others:
        theirs = other["spec"].get("affinity", {}).get("podAntiAffinity", {}).get(_REQUIRED, ())
        if any(_is_near(term, other, node, pod) for term in theirs):
            return "node(s) didn't satisfy existing pods anti-affinity rules"
    return None


def _is_near(term: Tree, owner: Tree, node: Tree, other: Tree) -> bool:
    """Whether `other` is one of the pods that the term of `owner` means; all are on the same node."""
    if term.get("topologyKey") not in node["metadata"].get("labels", {}):
        return False
    namespaces = term.get("namespaces") or [owner["metadata"]["namespace"]]
    everywhere = term.get("namespaceSelector") == {}
    if not everywhere and other["metadata"]["namespace"] not in namespaces:
        return False
    selector = term.get("labelSelector")
    if selector is None:
        return False
    labels: Labels = other["metadata"].get("labels", {})
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _matches(known, labels) for known in selector.get("matchExpressions", ())
    )
