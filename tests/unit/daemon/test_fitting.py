"""Which pods fit a node, as the scheduler's filters say."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.daemon.controllers.fitting import why_not

Tree = dict[str, Any]

SELECTOR = "node(s) didn't match Pod's node affinity/selector"
HOSTNAME = "kubernetes.io/hostname"


def a_node(taints: list[Tree] | None = None, **spec: Any) -> Tree:
    labels = {HOSTNAME: "node-1", "disk": "ssd", "rank": "7"}
    return {"metadata": {"name": "node-1", "labels": labels}, "spec": {"taints": taints or [], **spec}}


def a_pod(labels: Tree | None = None, **spec: Any) -> Tree:
    metadata = {"name": "p", "namespace": "default", "labels": labels or {}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "main"}], **spec}}


def node_affinity(*expressions: Tree, fields: list[Tree] | None = None) -> Tree:
    term = {"matchExpressions": list(expressions), "matchFields": fields or []}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": required}}


def pod_affinity(kind: str, **labels: str) -> Tree:
    term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": labels}}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def reason(pod: Tree, node: Tree, *others: Tree) -> str | None:
    said = why_not(pod, node, others)
    if said is None:
        return None
    start, end = (
        "0/1 nodes are available: 1 ",
        (". preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."),
    )
    assert said.startswith(start)
    assert said.endswith(end)
    return said.removeprefix(start).removesuffix(end)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({}, None),
        ({"nodeSelector": {"disk": "ssd"}}, None),
        ({"nodeSelector": {"disk": "hdd"}}, SELECTOR),
        ({"nodeSelector": {"gpu": "yes"}}, SELECTOR),
        (node_affinity({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}), None),
        (node_affinity({"key": "disk", "operator": "In", "values": ["hdd"]}), SELECTOR),
        (node_affinity({"key": "disk", "operator": "NotIn", "values": ["ssd"]}), SELECTOR),
        (node_affinity({"key": "gpu", "operator": "NotIn", "values": ["ssd"]}), None),
        (node_affinity({"key": "disk", "operator": "Exists"}), None),
        (node_affinity({"key": "gpu", "operator": "Exists"}), SELECTOR),
        (node_affinity({"key": "gpu", "operator": "DoesNotExist"}), None),
        (node_affinity({"key": "rank", "operator": "Gt", "values": ["6"]}), None),
        (node_affinity({"key": "rank", "operator": "Lt", "values": ["7"]}), SELECTOR),
        (node_affinity({"key": "disk", "operator": "Gt", "values": ["6"]}), SELECTOR),
        (node_affinity(), SELECTOR),
        (
            node_affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]),
            None,
        ),
    ],
)
def test_a_pod_chooses_its_node(spec: Tree, why: str | None) -> None:
    assert reason(a_pod(**spec), a_node()) == why


@pytest.mark.parametrize(
    ("taint", "toleration", "why"),
    [
        ({"effect": "NoSchedule"}, None, "node(s) had untolerated taint {k: v}"),
        ({"effect": "NoExecute"}, None, "node(s) had untolerated taint {k: v}"),
        ({"effect": "PreferNoSchedule"}, None, None),
        ({"effect": "NoSchedule"}, {"operator": "Exists"}, None),
        ({"effect": "NoSchedule"}, {"key": "k", "operator": "Exists"}, None),
        ({"effect": "NoSchedule"}, {"key": "k", "value": "v"}, None),
        ({"effect": "NoSchedule"}, {"key": "k", "value": "w"}, "node(s) had untolerated taint {k: v}"),
        (
            {"effect": "NoSchedule"},
            {"key": "k", "operator": "Exists", "effect": "NoExecute"},
            "node(s) had untolerated taint {k: v}",
        ),
    ],
)
def test_a_taint_keeps_those_away_who_do_not_tolerate_it(
    taint: Tree, toleration: Tree | None, why: str | None
) -> None:
    pod = a_pod(tolerations=[toleration] if toleration else [])
    assert reason(pod, a_node([{"key": "k", "value": "v", **taint}])) == why


def test_a_cordoned_node_takes_nobody_new() -> None:
    assert reason(a_pod(), a_node(unschedulable=True)) == "node(s) were unschedulable"


@pytest.mark.parametrize(
    ("ours", "theirs", "free"),
    [
        ({}, {}, False),
        ({}, {"protocol": "UDP"}, True),
        ({"hostIP": "127.0.0.1"}, {"hostIP": "127.0.0.2"}, True),
        ({"hostIP": "127.0.0.1"}, {}, False),
        ({"hostPort": 81}, {}, True),
    ],
)
def test_a_host_port_is_had_once(ours: Tree, theirs: Tree, free: bool) -> None:
    def with_port(changes: Tree) -> Tree:
        return a_pod(
            containers=[{"name": "main", "ports": [{"containerPort": 80, "hostPort": 80, **changes}]}]
        )

    why = None if free else "node(s) didn't have free ports for the requested pod ports"
    assert reason(with_port(ours), a_node(), with_port(theirs)) == why


@pytest.mark.parametrize(
    ("pod", "others", "why"),
    [
        (a_pod(**pod_affinity("podAffinity", app="db")), [], "node(s) didn't match pod affinity rules"),
        (a_pod(**pod_affinity("podAffinity", app="db")), [a_pod({"app": "db"})], None),
        (a_pod({"app": "db"}, **pod_affinity("podAffinity", app="db")), [], None),
        (
            a_pod(**pod_affinity("podAntiAffinity", app="db")),
            [a_pod({"app": "db"})],
            "node(s) didn't match pod anti-affinity rules",
        ),
        (a_pod({"app": "db"}, **pod_affinity("podAntiAffinity", app="db")), [], None),
        (
            a_pod({"app": "web"}),
            [a_pod(**pod_affinity("podAntiAffinity", app="web"))],
            "node(s) didn't satisfy existing pods anti-affinity rules",
        ),
    ],
)
def test_pods_like_and_dislike_each_other(pod: Tree, others: list[Tree], why: str | None) -> None:
    assert reason(pod, a_node(), *others) == why


def test_a_device_that_nobody_has_is_insufficient() -> None:
    resources = {"requests": {"nvidia.com/gpu": "1", "cpu": "64"}}
    pod = a_pod(containers=[{"name": "main", "resources": resources}])
    assert reason(pod, a_node()) == "Insufficient nvidia.com/gpu"
