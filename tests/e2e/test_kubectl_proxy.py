"""`kubectl get --raw` through the proxies: to a server in a pod, and to the kubelet's pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.lab import a_pod, shell
from tests.e2e.served import Served, needs_kubectl, served

pytestmark = [pytest.mark.host, needs_kubectl]

WWW = "mkdir /www; cd /www; echo fine > healthz; exec python3 -m http.server 8000"
LISTENS = {
    "httpGet": {"path": "/healthz", "port": 8000},
    "periodSeconds": 1,
}
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("proxy")) as running:
        main = shell("main", WWW, ports=[{"containerPort": 8000}], readinessProbe=LISTENS)
        running.apply(a_pod("web", main))
        running.wait_ready("web")
        yield running


@pytest.mark.parametrize("name", ["web", "web:8000", "http:web:8000"])
def test_a_pods_server_answers_through_the_api(server: Served, name: str) -> None:
    assert server.kubectl("get", "--raw", f"{PODS}/{name}/proxy/healthz") == "fine\n"


def test_a_port_where_nobody_listens(server: Served) -> None:
    ip = server.get("pod", "web")["status"]["podIP"]
    assert server.fails("get", "--raw", f"{PODS}/web:9/proxy/") == (
        "Error from server (ServiceUnavailable): error trying to reach service: "
        f"dial tcp {ip}:9: connect: connection refused\n"
    )


def test_a_pod_that_is_not_there(server: Served) -> None:
    said = server.fails("get", "--raw", f"{PODS}/nobody:80/proxy/")
    assert said == 'Error from server (NotFound): pods "nobody" not found\n'


def test_the_kubelets_pages(server: Served) -> None:
    node = server.get("nodes")["items"][0]["metadata"]["name"]
    page = server.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics")
    assert "\nkubelet_running_pods 1\n" in page
    page = server.kubectl("get", "--raw", f"/api/v1/nodes/{node}:10250/proxy/metrics/resource")
    assert 'pod_memory_working_set_bytes{namespace="default",pod="web"} ' in page
