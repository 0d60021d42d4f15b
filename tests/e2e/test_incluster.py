"""Programs in Pods reach the API server as in a cluster: by the variables, token and CA that every Pod has."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.lab import a_pod, server, sidecar
from tests.e2e.served import Served, needs_kubectl, served

pytestmark = [pytest.mark.host, needs_kubectl]

PROGRAM = str(Path(__file__).parent / "clients/in_cluster.py")
IP_FREEBIND = 15
"""linux/in.h"""
OF_KUBERNETES = [
    "KUBERNETES_PORT=tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1",
    "KUBERNETES_PORT_443_TCP_PORT=443",
    "KUBERNETES_PORT_443_TCP_PROTO=tcp",
    "KUBERNETES_SERVICE_HOST=10.96.0.1",
    "KUBERNETES_SERVICE_PORT=443",
    "KUBERNETES_SERVICE_PORT_HTTPS=443",
]
"""As `kubectl exec POD -- env` prints them in a cluster."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("incluster")) as running:
        running.apply(a_pod("agent", server("main"), inits=[sidecar("side")]))
        running.wait_ready("agent")
        yield running


def ask(cluster: Served, pod: str = "agent", container: str = "main") -> dict[str, Any]:
    pytest.importorskip("kubernetes")
    said: dict[str, Any] = json.loads(
        cluster.kubectl("exec", pod, "-c", container, "--", sys.executable, PROGRAM)
    )
    return said


@pytest.mark.parametrize("container", ["main", "side"])
def test_the_official_client_finds_the_api_in_every_container(cluster: Served, container: str) -> None:
    said = ask(cluster, container=container)
    assert said["server"] == "https://10.96.0.1:443"
    assert said["ip"] == cluster.get("pod", "agent")["status"]["podIP"]
    assert "agent" in said["listed"]
    assert said["config"] == "kube-root-ca.crt"


def test_a_pod_may_do_what_its_account_may_and_nothing_without_one(cluster: Served) -> None:
    said = ask(cluster)
    assert (said["secrets"], said["elsewhere"]) == (403, 403)
    assert said["anonymous"] == {"/readyz": 200, "/version": 401, "/api/v1/namespaces": 401}


def test_the_address_of_no_service_is_refused_at_once(cluster: Served) -> None:
    assert ask(cluster)["foreign"] == "ConnectionRefusedError"


def test_the_variables_are_those_of_a_cluster(cluster: Served) -> None:
    variables = cluster.kubectl("exec", "agent", "-c", "main", "--", "env").splitlines()
    assert sorted(line for line in variables if line.startswith("KUBERNETES_")) == OF_KUBERNETES


def test_without_service_links_only_the_api_server_is_known(cluster: Served) -> None:
    cluster.kubectl("create", "service", "clusterip", "web-site", "--tcp=80:8080")
    web = cluster.get("service", "web-site")["spec"]["clusterIP"]
    own = {"name": "WEB_SITE_SERVICE_PORT", "value": "$(WEB_SITE_SERVICE_HOST)"}
    for name, links in (("linked", True), ("unlinked", False)):
        cluster.apply(a_pod(name, server("main", env=[own]), enableServiceLinks=links))
    cluster.wait_ready("linked", "unlinked")
    linked, unlinked = (
        set(cluster.kubectl("exec", name, "--", "env").splitlines()) for name in ("linked", "unlinked")
    )
    assert set(OF_KUBERNETES) <= linked & unlinked
    assert f"WEB_SITE_PORT_80_TCP=tcp://{web}:80" in linked
    assert f"WEB_SITE_SERVICE_PORT={web}" in linked, (
        "the container's own comes before, and may refer to the others"
    )
    assert {line for line in unlinked if line.startswith("WEB_")} == {
        "WEB_SITE_SERVICE_PORT=$(WEB_SITE_SERVICE_HOST)"
    }


def test_pods_reach_a_server_that_was_killed_and_started_again(tmp_path: Path) -> None:
    with served(tmp_path) as cluster:
        cluster.apply(a_pod("agent", server("main")))
        cluster.wait_ready("agent")
        before = ask(cluster)
        cluster.kill()
        cluster.start()
        assert ask(cluster) == before
        cluster.apply(a_pod("later", server("main")))
        cluster.wait_ready("later")
        assert ask(cluster, "later")["listed"] == ["agent", "later"]
        cluster.stop("--keep-pods")
        cluster.start()
        assert ask(cluster)["ip"] == before["ip"]
        assert cluster.get("pod", "agent")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_pods_of_two_servers_reach_their_own(cluster: Served, tmp_path: Path) -> None:
    with served(tmp_path) as other:
        other.apply(a_pod("stranger", server("main")))
        other.wait_ready("stranger")
        assert ask(other, "stranger")["listed"] == ["stranger"]
        assert "stranger" not in ask(cluster)["listed"]
    assert "agent" in ask(cluster)["listed"], "the other one is gone, with all it had"


def test_a_server_that_pods_cannot_reach_says_so_in_its_log(tmp_path: Path) -> None:
    with served(tmp_path) as cluster, socket.socket() as taken:
        cluster.apply(a_pod("first", server("main")))
        cluster.wait_ready("first")
        port = json.loads((cluster.state / "serve.json").read_bytes())["port"]
        cluster.stop("--now")
        subnet = json.loads((cluster.state / "network.json").read_bytes())["subnet"]
        gateway = str(IPv4Network(subnet)[1])
        # Nobody has this address now; the next bridge will.
        taken.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        taken.bind((gateway, port))
        taken.listen()
        cluster.start()
        cluster.apply(a_pod("second", server("main")))
        cluster.wait_ready("second")
        assert f"pods do not reach the API server: cannot listen on {gateway}:{port}" in cluster.log


def test_a_pod_in_the_network_of_the_host_has_the_variables_too(cluster: Served) -> None:
    cluster.apply(a_pod("hosted", server("main"), hostNetwork=True))
    cluster.wait_ready("hosted")
    assert set(OF_KUBERNETES) <= set(cluster.kubectl("exec", "hosted", "--", "env").splitlines())
