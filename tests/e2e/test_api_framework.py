# ruff: noqa: E501 - long words in rows
"""What Kubernetes' own test framework asks of a server, before its first test and in nearly all of them.

Sources: test/e2e/e2e.go (setupSuite), test/e2e/framework/framework.go and util.go (CreateTestingNS), pod/exec_util.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.apilab import (
    CONFIG_MAPS,
    NAMESPACES,
    PODS,
    Api,
    config_map,
    phase,
    shared,
)
from tests.e2e.lab import a_pod, server, shell

pytestmark = pytest.mark.host
Tree = dict[str, Any]
WATCH_LIST = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with shared(tmp_path_factory.mktemp("framework")) as api:
        yield api


@pytest.fixture(scope="module")
def node(api: Api) -> str:
    (node,) = api.get("/api/v1/nodes").tree["items"]
    name: str = node["metadata"]["name"]
    return name


def test_the_suite_can_start(api: Api) -> None:
    query = "fieldSelector=spec.unschedulable%3Dfalse&resourceVersion=0"
    (node,) = api.get(f"/api/v1/nodes?{query}").tree["items"]
    conditions = {c["type"]: c["status"] for c in node["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    assert conditions.get("NetworkUnavailable", "False") == "False"
    assert not node["spec"].get("taints")
    assert {a["type"] for a in node["status"]["addresses"]} >= {"InternalIP", "Hostname"}
    assert set(node["status"]["allocatable"]) >= {"cpu", "memory", "pods"}
    assert node["metadata"]["labels"]["kubernetes.io/os"] == "linux"
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == node["metadata"]["name"]
    for path in (
        "/api/v1/namespaces/kube-system/replicationcontrollers",
        "/apis/apps/v1/namespaces/kube-system/replicasets",
        "/apis/apps/v1/namespaces/kube-system/daemonsets",
        "/api/v1/namespaces/kube-system/pods",
    ):
        assert api.get(path).tree["items"] == [], path
    assert api.get("/version").tree["minor"] == "36"
    assert api.get(f"{NAMESPACES}/default/services/kubernetes").tree["spec"]["clusterIP"]


def test_a_namespace_is_furnished_and_emptied(api: Api) -> None:
    name = "init-container-4711"
    levels = {f"pod-security.kubernetes.io/{mode}": "baseline" for mode in ("enforce", "warn", "audit")}
    api.create(
        NAMESPACES, {"metadata": {"name": name, "labels": {"e2e-framework": "x", "e2e-run": "y"} | levels}}
    )
    inside = f"{NAMESPACES}/{name}"
    for kind, wanted in (("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")):
        with api.watching(f"{inside}/{kind}?fieldSelector=metadata.name%3D{wanted}&{WATCH_LIST}") as watch:
            while (event := watch.next())["type"] == "BOOKMARK":
                pass
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", wanted)
    api.create(f"{inside}/pods", a_pod("p", server("main")))
    api.create(f"{inside}/configmaps", config_map("c") | {"metadata": {"name": "c", "finalizers": ["x/y"]}})
    deleted = api.call("DELETE", inside)
    assert (deleted.code, deleted.tree["status"]["phase"]) == (200, "Terminating")
    refused = api.call("POST", f"{inside}/configmaps", config_map("late")).refusal
    assert refused[:2] == (403, "Forbidden")
    assert f"unable to create new content in namespace {name} because it is being terminated" in refused[2]
    api.until(lambda: api.get(f"{inside}/pods").tree["items"] == [])
    assert api.get(inside).code == 200  # the finalizer holds it
    body = {"metadata": {"finalizers": None}}
    patched = api.call("PATCH", f"{inside}/configmaps/c", body, content_type="application/merge-patch+json")
    assert patched.code == 200
    api.until(lambda: api.get(inside).code == 404)


def test_an_informer_is_told_where_the_beginning_ends(api: Api) -> None:
    for name in ("i1", "i2"):
        api.create(
            CONFIG_MAPS, config_map(name) | {"metadata": {"name": name, "labels": {"informer": "yes"}}}
        )
    with api.watching(f"{CONFIG_MAPS}?labelSelector=informer%3Dyes&{WATCH_LIST}") as watch:
        assert [watch.next_object(), watch.next_object()] == [("ADDED", "i1"), ("ADDED", "i2")]
        bookmark = watch.next()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert (bookmark["object"]["kind"], bookmark["object"]["apiVersion"]) == ("ConfigMap", "v1")
        api.delete(f"{CONFIG_MAPS}/i1")
        assert watch.next_object() == ("DELETED", "i1")
    revision = bookmark["object"]["metadata"]["resourceVersion"]
    # RetryWatcher: from any revision that was seen, exactly what came after it.
    with api.watching(
        f"{CONFIG_MAPS}?labelSelector=informer%3Dyes&watch=1&resourceVersion={revision}&timeoutSeconds=1"
    ) as watch:
        (event,) = watch.rest()
    assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "i1")


def test_pods_are_found_by_what_tests_look_for(api: Api, node: str) -> None:
    pod = a_pod("placed", shell("main", "exit 0"), nodeName=node, dnsPolicy="Default")
    pod["metadata"]["labels"] = {"name": "foo", "time": "1"}
    api.create(PODS, pod)
    api.until(lambda: phase(api, "placed") == "Succeeded")
    for query, found in (
        ("fieldSelector=metadata.name%3Dplaced", True),
        ("fieldSelector=metadata.name!%3Dplaced", False),
        (f"fieldSelector=spec.nodeName%3D{node},status.phase%3DSucceeded", True),
        ("fieldSelector=status.phase%3DRunning", False),
        ("fieldSelector=metadata.namespace%3Ddefault&labelSelector=time%3D1", True),
        ("labelSelector=name%20in%20(foo,bar),!other", True),
        ("labelSelector=name%20notin%20(foo)", False),
        ("resourceVersion=0&limit=500", True),
    ):
        names = [item["metadata"]["name"] for item in api.get(f"{PODS}?{query}").tree["items"]]
        assert ("placed" in names) is found, query
    events = "/api/v1/namespaces/default/events?fieldSelector="
    where = "involvedObject.kind%3DPod,involvedObject.name%3Dplaced,source%3Dkubelet,reason%3DStarted,type%3DNormal"
    api.until(lambda: len(api.get(f"{events}{where}").tree["items"]) == 1)


PATCHES: list[tuple[str, Any]] = [
    ("application/merge-patch+json", {"metadata": {"labels": {"a": "1"}}}),
    ("application/strategic-merge-patch+json", {"metadata": {"labels": {"a": "2"}}}),
    ("application/json-patch+json", [{"op": "replace", "path": "/metadata/labels/a", "value": "3"}]),
    ("application/apply-patch+yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pt", "labels": {"a": "4"}}}),
]  # fmt: skip


def test_patches_of_every_type_are_taken(api: Api) -> None:
    api.create(CONFIG_MAPS, config_map("pt"))
    for index, (content_type, body) in enumerate(PATCHES, start=1):
        path = f"{CONFIG_MAPS}/pt" + ("?fieldManager=e2e&force=true" if "apply" in content_type else "")
        reply = api.call("PATCH", path, body, content_type=content_type)
        assert (reply.code, reply.tree["metadata"]["labels"]) == (200, {"a": str(index)})


def test_the_nodes_configuration_is_told_through_its_proxy(api: Api, node: str) -> None:
    config = api.get(f"/api/v1/nodes/{node}/proxy/configz").tree["kubeletconfig"]
    assert config["syncFrequency"] == "1m0s"  # tests wait for so long


def test_a_list_comes_in_pieces_of_one_moment(api: Api) -> None:
    for index in range(5):
        tree = config_map(f"piece{index}")
        tree["metadata"]["labels"] = {"piece": "yes"}
        api.create(CONFIG_MAPS, tree)
    first = api.get(f"{CONFIG_MAPS}?labelSelector=piece%3Dyes&limit=2").tree
    names, page = [], first
    while True:
        names += [item["metadata"]["name"] for item in page["items"]]
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        token = page["metadata"].get("continue")
        if not token:
            break
        page = api.get(f"{CONFIG_MAPS}?labelSelector=piece%3Dyes&limit=2&continue={token}").tree
    assert names == [f"piece{index}" for index in range(5)]
