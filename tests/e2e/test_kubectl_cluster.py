"""What a cluster does by itself, seen with kubectl; and what is left of it when its server is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.lab import WAIT_FOR_TERM, a_pod, config_map, shell
from tests.e2e.lab import server as a_server
from tests.e2e.served import Served, needs_kubectl, needs_new_kubectl, served

pytestmark = [pytest.mark.host, needs_kubectl]

Tree = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def labelled(pod: Tree, **labels: str) -> Tree:
    return pod | {"metadata": pod["metadata"] | {"labels": labels}}


def container(server: Served, pod: str) -> Tree:
    found: Tree = server.get("pod", pod)["status"]["containerStatuses"][0]
    return found


def test_a_namespace_has_what_pods_need_and_takes_everything_with_it(server: Served) -> None:
    assert server.kubectl("create", "namespace", "shop") == "namespace/shop created\n"
    made = a_pod("p", a_server("main"))
    server.kubectl("-n", "shop", "apply", "-f", "-", stdin=json.dumps(made))
    server.kubectl("-n", "shop", "wait", "--for=condition=Ready", "pod/p", "--timeout=10s")
    names = server.kubectl("-n", "shop", "get", "serviceaccounts,configmaps", "-o", "name")
    assert names == "serviceaccount/default\nconfigmap/kube-root-ca.crt\n"
    server.kubectl("-n", "shop", "create", "secret", "generic", "s", "--from-literal=a=b")
    assert server.kubectl("delete", "namespace", "shop") == 'namespace "shop" deleted\n'
    assert 'namespaces "shop" not found' in server.fails("get", "namespace", "shop")
    assert server.kubectl("get", "pods,secrets,configmaps", "-n", "shop", "-o", "name") == ""


def test_nothing_is_made_in_a_namespace_that_is_not_there(server: Served) -> None:
    assert server.fails("create", "configmap", "c", "-n", "nowhere") == (
        'error: failed to create configmap: namespaces "nowhere" not found\n'
    )


def test_the_first_namespaces_stay(server: Served) -> None:
    assert server.fails("delete", "namespace", "default") == (
        'Error from server (Forbidden): namespaces "default" is forbidden: this namespace may not be deleted\n'
    )


@needs_new_kubectl
def test_a_pod_may_look_at_its_namespace_and_no_further(server: Served) -> None:
    server.apply(a_pod("looker", a_server("main")))
    server.wait_ready("looker")
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    token, namespace = (
        server.kubectl("exec", "looker", "--", "cat", f"{folder}/{name}") for name in ("token", "namespace")
    )
    assert namespace == "default"
    assert "looker" in server.kubectl("--token", token, "get", "pods")
    assert server.fails("--token", token, "get", "secrets") == (
        'Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:default:default" '
        'cannot list resource "secrets" in API group "" in the namespace "default"\n'
    )
    assert "is forbidden" in server.fails("--token", token, "exec", "looker", "--", "true")
    assert server.call("--token", token, "auth", "can-i", "delete", "pods").stdout == "no\n"
    server.kubectl("delete", "pod", "looker")
    assert "You must be logged in to the server" in server.fails("--token", token, "get", "pods")


def test_nobody_without_a_token_gets_in(server: Served) -> None:
    assert "Unauthorized" in server.fails("--token", "guessed", "get", "pods")


def test_a_pod_that_does_not_fit_says_why_and_runs_once_it_does(server: Served) -> None:
    server.apply(a_pod("fussy", a_server("main"), nodeSelector={"disk": "ssd"}))
    why = (
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are "
        "available: 1 Preemption is not helpful for scheduling."
    )
    server.until(why, "get", "events", "-w", "--field-selector", "involvedObject.name=fussy")
    pod = server.get("pod", "fussy")
    assert pod["status"]["phase"] == "Pending"
    scheduled = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    assert (scheduled["status"], scheduled["reason"], scheduled["message"]) == ("False", "Unschedulable", why)
    node = server.get("nodes")["items"][0]["metadata"]["name"]
    server.kubectl("label", "node", node, "disk=ssd")
    server.wait_ready("fussy")
    server.kubectl("label", "node", node, "disk-")


def test_a_forced_deletion_frees_the_name_at_once(server: Served) -> None:
    stubborn = shell("main", "trap '' TERM; sleep 1000 & wait; sleep 1000")
    server.apply(a_pod("twice", stubborn, terminationGracePeriodSeconds=60))
    server.wait_ready("twice")
    first = server.get("pod", "twice")["metadata"]["uid"]
    server.kubectl("delete", "pod", "twice", "--force")
    server.apply(a_pod("twice", a_server("main")))
    server.wait_ready("twice")
    assert server.get("pod", "twice")["metadata"]["uid"] != first


def test_a_pod_with_a_finalizer_ends_and_stays_until_it_is_let_go(server: Served) -> None:
    held = a_pod("held", a_server("main"))
    server.apply(held | {"metadata": held["metadata"] | {"finalizers": ["example.com/hold"]}})
    server.wait_ready("held")
    server.kubectl("delete", "pod", "held", "--wait=false")
    server.kubectl(
        "wait", "--for=jsonpath={.metadata.deletionGracePeriodSeconds}=0", "pod/held", "--timeout=10s"
    )
    assert server.get("pod", "held")["status"]["phase"] == "Succeeded"
    release = '[{"op": "remove", "path": "/metadata/finalizers"}]'
    server.kubectl("patch", "pod", "held", "--type=json", "-p", release)
    assert "not found" in server.fails("get", "pod", "held")


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_what_is_owned_goes_with_its_owner_or_is_left_alone(server: Served, cascade: str) -> None:
    server.apply(config_map("owner", a="b"))
    uid = server.get("configmap", "owner")["metadata"]["uid"]
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": uid,
        "blockOwnerDeletion": True,
    }
    owned = config_map("owned", a="b")
    server.apply(owned | {"metadata": owned["metadata"] | {"ownerReferences": [reference]}})
    server.kubectl("delete", "configmap", "owner", f"--cascade={cascade}")
    if cascade == "orphan":
        assert "ownerReferences" not in server.get("configmap", "owned")["metadata"]
        server.kubectl("delete", "configmap", "owned")
    else:
        server.kubectl("wait", "--for=delete", "configmap/owned", "--timeout=5s")


def test_services_have_addresses_and_containers_their_variables(server: Served) -> None:
    server.kubectl("create", "service", "clusterip", "web", "--tcp=80:8080")
    ip = server.get("service", "web")["spec"]["clusterIP"]
    server.apply(a_pod("env", shell("main", "env")))
    server.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/env", "--timeout=10s")
    variables = server.kubectl("logs", "env").splitlines()
    assert f"WEB_SERVICE_HOST={ip}" in variables
    assert "KUBERNETES_SERVICE_HOST=10.96.0.1" in variables


def test_a_readiness_gate_is_opened_by_somebody_else(server: Served) -> None:
    server.apply(a_pod("gated", a_server("main"), readinessGates=[{"conditionType": "example.com/open"}]))
    server.kubectl("wait", "--for=condition=ContainersReady", "pod/gated", "--timeout=10s")
    conditions = {"status": {"conditions": [{"type": "example.com/open", "status": "True"}]}}
    patch = (
        "patch",
        "pod",
        "gated",
        "--subresource=status",
        "--type=strategic",
        "-p",
        json.dumps(conditions),
    )
    server.kubectl(*patch)
    server.wait_ready("gated")


def test_a_killed_server_loses_nothing_and_restarts_nothing(tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.mkdir()
    with served(tmp_path) as server:
        server.apply(
            labelled(a_pod("runs", a_server("main"), restartPolicy="Always"), app="a"),
            a_pod("ends", shell("main", "echo gone; exit 3")),
            a_pod(
                "later",
                shell(
                    "main",
                    "while [ ! -e /told/end ]; do sleep 0.05; done; exit 7",
                    volumeMounts=[{"name": "told", "mountPath": "/told"}],
                ),
                volumes=[{"name": "told", "hostPath": {"path": str(told)}}],
            ),
            config_map("kept", a="b"),
        )
        server.wait_ready("runs", "later")
        server.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/ends", "--timeout=10s")
        before = {pod: container(server, pod)["containerID"] for pod in ("runs", "ends", "later")}
        server.kill()
        (told / "end").touch()
        server.start()
        server.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/later", "--timeout=10s")
        assert {pod: container(server, pod)["containerID"] for pod in before} == before
        assert container(server, "later")["state"]["terminated"]["exitCode"] == 7
        assert container(server, "runs")["restartCount"] == 0
        assert server.kubectl("logs", "ends") == "gone\n"
        assert server.get("configmap", "kept")["data"] == {"a": "b"}
        server.kubectl("delete", "pod", "--all")
        assert server.kubectl("get", "pods", "-o", "name") == ""


def test_pods_can_be_kept_when_the_server_ends(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.apply(a_pod("kept", a_server("main")))
        server.wait_ready("kept")
        before = container(server, "kept")["containerID"]
        server.stop("--keep-pods")
        server.start()
        assert container(server, "kept")["containerID"] == before
        server.stop()
        server.start()
        assert server.kubectl("get", "pods", "-o", "name") == ""


def test_a_pod_of_which_only_the_object_is_left_is_run_again_and_its_restarts_counted(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.apply(a_pod("again", shell("main", f"{WAIT_FOR_TERM}"), restartPolicy="Always"))
        server.wait_ready("again")
        server.kill()
        # What a reboot leaves of the node's notes, at worst: nothing.
        for note in (server.state / "pods").glob("*/pod.json"):
            note.unlink()
        server.start()
        restarted = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
        server.kubectl("wait", restarted, "pod/again", "--timeout=10s")
        server.wait_ready("again")
        last = container(server, "again")["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (137, "ContainerStatusUnknown")
