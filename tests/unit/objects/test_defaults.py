"""What is filled in, and that it is filled in once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.objects.basepod import Tree, main, pod_with, spec

from pillion.objects.codec import decode, encode
from pillion.objects.defaults import default, default_pull_policy
from pillion.objects.models import core_v1


def spec_of(change: Tree) -> dict[str, Any]:
    found: dict[str, Any] = encode(pod_with(change))["spec"]
    return found


def container_of(change: Tree) -> dict[str, Any]:
    found: dict[str, Any] = spec_of(change)["containers"][0]
    return found


def test_a_spec_has_kubernetes_defaults() -> None:
    found = spec_of({})
    assert {key: found[key] for key in found if key not in ("containers", "initContainers", "volumes")} == {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }


def test_zero_is_a_grace_and_not_an_absence() -> None:
    assert spec_of(spec(terminationGracePeriodSeconds=0))["terminationGracePeriodSeconds"] == 0


def test_every_container_has_kubernetes_defaults() -> None:
    found = spec_of(spec(ephemeralContainers=[{"name": "debug", "image": "x"}]))
    for container in (*found["containers"], *found["initContainers"], *found["ephemeralContainers"]):
        assert container["terminationMessagePath"] == "/dev/termination-log"
        assert container["terminationMessagePolicy"] == "File"
        assert container["imagePullPolicy"] in ("Always", "IfNotPresent")


DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("localhost:5000/busybox", "Always"),
        (f"busybox:latest@{DIGEST}", "Always"),
        ("busybox:1.36", "IfNotPresent"),
        ("localhost:5000/busybox:1", "IfNotPresent"),
        (f"busybox@{DIGEST}", "IfNotPresent"),
        ("0" * 64, "IfNotPresent"),
        ("No Image", "IfNotPresent"),
        ("", "IfNotPresent"),
    ],
)
def test_latest_is_pulled_always_and_everything_else_when_absent(image: str, policy: str) -> None:
    assert default_pull_policy(image) == policy


def test_a_probe_has_kubernetes_defaults() -> None:
    assert container_of(main(livenessProbe={"httpGet": {"port": 80}}))["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_the_hooks_of_a_container_have_a_path_and_a_scheme() -> None:
    hook = {"httpGet": {"port": 80}}
    assert container_of(main(lifecycle={"preStop": hook}))["lifecycle"]["preStop"]["httpGet"] == {
        "port": 80,
        "path": "/",
        "scheme": "HTTP",
    }


def test_a_limit_is_a_request_and_quantities_have_one_spelling() -> None:
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": "0.00001"}}
    assert container_of(main(resources=resources))["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "1m", "memory": "1Gi"},
    }


def test_requests_of_the_pod_come_from_its_containers_and_then_from_its_limits() -> None:
    found = spec_of(
        {
            "spec": {
                "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
                "containers": [{"resources": {"requests": {"cpu": "250m"}}}],
                "initContainers": [{"resources": {"requests": {"cpu": "250m"}}}],
            }
        }
    )
    assert found["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


def test_limits_of_the_pod_come_from_containers_that_all_have_one() -> None:
    limits = {"limits": {"memory": "128Mi"}}
    asked = {"spec": {"resources": {"requests": {"memory": "1Gi"}}, "containers": [{"resources": limits}]}}
    assert "limits" not in spec_of(asked)["resources"]
    asked["spec"]["initContainers"] = [{"resources": limits}]
    assert spec_of(asked)["resources"]["limits"] == {"memory": "256Mi"}


def test_ports_speak_tcp_and_are_the_hosts_on_its_network() -> None:
    ports = [{"containerPort": 80}]
    assert container_of(main(ports=ports))["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    change = main(ports=ports)
    change["spec"]["hostNetwork"] = True
    assert container_of(change)["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_volumes_have_kubernetes_defaults() -> None:
    token = {"serviceAccountToken": {"path": "token"}}
    field = {"path": "f", "fieldRef": {"fieldPath": "metadata.name"}}
    change = spec(
        volumes=[
            {"name": "empty", "emptyDir": None},
            {"name": "files"},
            {"name": "host", "hostPath": {"path": "/x"}},
            {"name": "both", "projected": {"sources": [token, {"downwardAPI": {"items": [field]}}]}},
            {"name": "code", "image": {"reference": "code:1"}},
        ]
    )
    assert spec_of(change)["volumes"] == [
        {"name": "empty", "emptyDir": {}},
        {"name": "files", "configMap": {"name": "files", "defaultMode": 0o644}},
        {"name": "host", "hostPath": {"path": "/x", "type": ""}},
        {
            "name": "both",
            "projected": {
                "defaultMode": 0o644,
                "sources": [
                    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
                    {
                        "downwardAPI": {
                            "items": [
                                {
                                    "path": "f",
                                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"},
                                }
                            ]
                        }
                    },
                ],
            },
        },
        {"name": "code", "image": {"reference": "code:1", "pullPolicy": "IfNotPresent"}},
    ]


def test_the_older_name_of_the_service_account_is_kept_in_step() -> None:
    found = spec_of(spec(serviceAccount="agent"))
    assert (found["serviceAccountName"], found["serviceAccount"]) == ("agent", "agent")


def test_a_secret_is_opaque_and_a_namespace_is_active_and_labelled() -> None:
    assert default(core_v1.Secret()).type == "Opaque"
    namespace, _ = decode(core_v1.Namespace, {"metadata": {"name": "team"}})
    default(namespace)
    assert encode(namespace)["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert encode(namespace)["status"] == {"phase": "Active"}


def test_what_is_written_stays() -> None:
    written = {
        "restartPolicy": "Never",
        "dnsPolicy": "Default",
        "terminationGracePeriodSeconds": 5,
        "schedulerName": "mine",
        "enableServiceLinks": False,
        "securityContext": {"runAsUser": 1},
    }
    found = spec_of({"spec": copy.deepcopy(written)})
    assert {key: found[key] for key in written} == written
