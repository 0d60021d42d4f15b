"""Effective requests and limits, QoS classes and OOM scores."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pillion.objects.codec import decode
from pillion.objects.defaults import default
from pillion.objects.models import core_v1
from pillion.objects.qos import compute_qos, oom_score_adj, pod_limits, pod_requests

GIB = 1024**3


def container(cpu: str | None = None, memory: str | None = None, **fields: Any) -> dict[str, Any]:
    """With requests; a name is given by `pod`."""
    requests = {name: text for name, text in (("cpu", cpu), ("memory", memory)) if text}
    return {"image": "x:1", "resources": {"requests": requests}, **fields}


def pod(mains: list[dict[str, Any]], inits: list[dict[str, Any]] | None = None, **fields: Any) -> core_v1.Pod:
    named = [
        [c | {"name": f"{kind}{i}"} for i, c in enumerate(cs)]
        for kind, cs in (("main", mains), ("init", inits or []))
    ]
    tree = {"metadata": {"name": "p"}, "spec": {"containers": named[0], "initContainers": named[1], **fields}}
    decoded, problems = decode(core_v1.Pod, tree)
    assert problems == []
    return default(decoded)


def limited(cpu: str, memory: str, **fields: Any) -> dict[str, Any]:
    return {"image": "x:1", "resources": {"limits": {"cpu": cpu, "memory": memory}}, **fields}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("mains", "inits", "cpu"),
    [
        ([container("1"), container("500m")], [], "1.5"),
        ([container("1")], [container("3")], "3"),
        ([container("1")], [container("1", **SIDECAR)], "2"),
        # An init container runs beside the sidecars before it, not beside those after it.
        ([container("1")], [container("2", **SIDECAR), container("3")], "5"),
        ([container("1")], [container("3"), container("2", **SIDECAR)], "3"),
        ([container("1")], [container("1", **SIDECAR), container("5"), container("1", **SIDECAR)], "6"),
    ],
)
def test_a_pod_requests_its_greediest_moment(mains: Any, inits: Any, cpu: str) -> None:
    assert pod_requests(pod(mains, inits)) == {"cpu": Decimal(cpu)}


def test_overhead_is_added_to_requests_and_to_limits_that_exist() -> None:
    asked = pod([limited("1", "1Gi")], overhead={"cpu": "250m", "ephemeral-storage": "1"})
    assert pod_requests(asked)["cpu"] == Decimal("1.25")
    assert pod_requests(asked)["ephemeral-storage"] == 1
    assert pod_limits(asked) == {"cpu": Decimal("1.25"), "memory": Decimal(GIB)}


def test_resources_of_the_pod_replace_the_sum() -> None:
    asked = pod([container("1", "1Gi")], resources={"requests": {"cpu": "4"}})
    assert pod_requests(asked) == {"cpu": Decimal(4), "memory": Decimal(GIB)}


@pytest.mark.parametrize(
    ("asked", "qos_class"),
    [
        (pod([{"image": "x"}]), "BestEffort"),
        (pod([container("0")]), "BestEffort"),
        (pod([container("1")]), "Burstable"),
        (pod([limited("1", "1Gi")]), "Guaranteed"),
        (pod([limited("1", "1Gi"), {"image": "x"}]), "Burstable"),
        (pod([limited("1", "1Gi")], [{"image": "x", **SIDECAR}]), "Burstable"),
        (pod([limited("1", "1Gi")], [limited("1", "1Gi")]), "Guaranteed"),
        (pod([{"image": "x", "resources": {"limits": {"cpu": "1"}}}]), "Burstable"),
        (pod([{"image": "x"}], resources={"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
        (pod([limited("1", "1Gi")], resources={"requests": {"cpu": "4"}}), "Burstable"),
        (pod([{"image": "x", "resources": {"requests": {"ephemeral-storage": "1Gi"}}}]), "BestEffort"),
    ],
)
def test_the_qos_class_is_computed_over_mains_and_inits(asked: core_v1.Pod, qos_class: str) -> None:
    assert compute_qos(asked) == qos_class


def score(asked: core_v1.Pod, which: int = 0, *, init: bool = False) -> int:
    assert asked.spec is not None
    containers = (asked.spec.initContainers or []) if init else asked.spec.containers
    return oom_score_adj(asked, containers[which], 8 * GIB)


def test_the_oom_score_follows_the_share_of_memory() -> None:
    assert score(pod([{"image": "x"}])) == 1000
    assert score(pod([limited("1", "1Gi")])) == -997
    assert score(pod([container("1", "2Gi")])) == 750
    assert score(pod([container("1")])) == 999
    assert score(pod([container("1", "8Gi")])) == 3


def test_a_sidecar_is_as_safe_as_the_least_of_the_mains() -> None:
    asked = pod([container("1", "2Gi"), container("1", "4Gi")], [container("1", "1Mi", **SIDECAR)])
    assert score(asked, init=True) == 750
    greedy = pod([container("1", "2Gi")], [container("1", "4Gi", **SIDECAR)])
    assert score(greedy, init=True) == 500
    plain = pod([container("1", "2Gi")], [container("1", "1Gi")])
    assert score(plain, init=True) == 875


def test_a_node_critical_pod_is_spared() -> None:
    assert score(pod([{"image": "x"}], priorityClassName="system-node-critical")) == -997


def test_memory_of_the_pod_beyond_its_containers_is_shared_out() -> None:
    asked = pod([container("1", "1Gi"), container("1", "1Gi")], resources={"requests": {"memory": "4Gi"}})
    assert score(asked) == 750
