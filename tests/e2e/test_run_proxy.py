"""The lesson's second scenario: an agent with three sidecars, and a Pod that calls it over mutual TLS.

The agent's certificate is a Secret that was issued by hand; the caller's is its identity, by the annotation. Both come
from the server's own authority.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.architecture.pages import ROOT
from tests.e2e.lab import PILLION, Tree
from tests.e2e.served import Served, needs_kubectl, served
from tests.integration.collector.process import until

pytestmark = [
    pytest.mark.host,
    pytest.mark.slow,
    needs_kubectl,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl"),
]

MANIFESTS = ROOT / "examples/manifests"
AGENT = "agent-with-all-sidecars"
CALLER = "mtls-client"
ANSWER = '{"label":"positive","score":0.6369}'
IDENTITY = "/var/run/secrets/pillion.dev/identity"
SECRETS = "/var/run/secrets/tls"


def documents(name: str, **values: str) -> list[Tree]:
    text = (MANIFESTS / f"{name}.yaml").read_text()
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return list(yaml.safe_load_all(text))


def with_identity(configs: Tree, pod: Tree) -> list[Tree]:
    """The same without a Secret: the Pod's annotation asks for its certificate."""
    pod["metadata"]["annotations"] = {"pillion.dev/identity": "true"}
    pod["spec"]["volumes"] = [one for one in pod["spec"]["volumes"] if one["name"] != "identity"]
    for container in pod["spec"]["initContainers"]:
        container["volumeMounts"] = [one for one in container["volumeMounts"] if one["name"] != "identity"]
    configs["data"]["proxy.yaml"] = configs["data"]["proxy.yaml"].replace(SECRETS, IDENTITY)
    return [configs, pod]


def authority(cluster: Served, *arguments: str) -> str:
    folder = cluster.state / "pki/workload"
    argv = (*PILLION, "authority", *arguments, "--folder", str(folder))
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def wait_ready(cluster: Served, pod: str) -> None:
    until(
        lambda: cluster.call("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=10s").returncode == 0
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    image = f"myregistry.azurecr.io/agent:v1={ROOT / 'examples/agent'}"
    with served(tmp_path_factory.mktemp("proxy"), "--image", image) as cluster:
        authority(cluster, "init")
        secret = authority(cluster, "issue", "agent-identity", "--service-account=agent", "-o", "yaml")
        cluster.kubectl("apply", "-f", "-", stdin=secret)
        cluster.apply(*documents("mtls-accounts"), *documents(AGENT))
        wait_ready(cluster, AGENT)
        address = cluster.get("pod", AGENT)["status"]["podIP"]
        cluster.apply(*with_identity(*documents(CALLER, AGENT_IP=address)))
        wait_ready(cluster, CALLER)
        yield cluster


def answers(cluster: Served) -> list[str]:
    return cluster.kubectl("logs", CALLER, "-c", "client").splitlines()


def call(cluster: Served, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """curl, in the second Pod."""
    return cluster.call(
        "exec", CALLER, "-c", "client", "--", "curl", "-sS", "--max-time", "10", *options, url
    )


def agents_address(cluster: Served) -> str:
    address: str = cluster.get("pod", AGENT)["status"]["podIP"]
    return address


def shipped(cluster: Served) -> list[Tree]:
    lines = cluster.kubectl("logs", AGENT, "-c", "logging-sidecar").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_four_containers_run_and_started_in_their_order(cluster: Served) -> None:
    [_, row] = cluster.kubectl("get", "pod", AGENT).splitlines()
    assert row.split()[:4] == [AGENT, "4/4", "Running", "0"]
    status = cluster.get("pod", AGENT)["status"]
    containers = [*status["initContainerStatuses"], *status["containerStatuses"]]
    starts = [container["state"]["running"]["startedAt"] for container in containers]
    names = [container["name"] for container in containers]
    assert names == ["logging-sidecar", "metrics-sidecar", "security-sidecar", "agent"]
    assert starts == sorted(starts)


def test_a_second_pod_calls_the_agent_over_mutual_tls(cluster: Served) -> None:
    until(lambda: len(answers(cluster)) > 2)
    assert set(answers(cluster)) == {ANSWER}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://AGENT:8443/inference", "alert"),
        ("http://AGENT:8443/inference", "Empty reply from server|reset by peer"),
        ("http://AGENT:8000/inference", "Couldn't connect to server"),
    ],
    ids=["no certificate", "plain text", "past the proxy"],
)
def test_nobody_else_gets_to_the_agent(cluster: Served, url: str, said: str) -> None:
    # With TLS 1.3 the alert comes after the handshake, and curl may meet a closed connection first.
    called = call(cluster, url.replace("AGENT", agents_address(cluster)), "-k", "--tls-max", "1.2")
    assert called.returncode != 0
    assert re.search(said, called.stderr), called.stderr


def test_a_certificate_of_the_same_authority_for_somebody_else_is_refused(
    cluster: Served, tmp_path: Path
) -> None:
    authority(cluster, "issue", "stranger", "--to", str(tmp_path))
    shown = ("--cert", str(tmp_path / "tls.crt"), "--key", str(tmp_path / "tls.key"))
    called = subprocess.run(
        ("curl", "-sSk", "--max-time", "10", *shown, f"https://{agents_address(cluster)}:8443/"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert called.returncode != 0, called.stdout


def test_the_logging_sidecar_ships_who_called(cluster: Served) -> None:
    peer = "spiffe://cluster.local/ns/default/sa/client"
    until(lambda: any(record.get("peer") == peer for record in shipped(cluster)))
    records = shipped(cluster)
    access = next(record for record in records if record.get("peer") == peer)
    assert (access["status"], access["method"], access["path"]) == (200, "POST", "/inference")
    agents = {record.get("request_id") for record in records if record.get("message") == "request"}
    assert access["request_id"] in agents, "the agent's own line is found by the same id"


def test_the_metrics_sidecar_scrapes_the_agent_and_the_proxy(cluster: Served) -> None:
    def jobs_up() -> set[str]:
        asked = ("curl", "-s", "localhost:9090/api/v1/query?query=up")
        said = json.loads(cluster.kubectl("exec", AGENT, "-c", "metrics-sidecar", "--", *asked))
        return {one["metric"]["job"] for one in said["data"]["result"] if one["value"][1] == "1"}

    until(lambda: jobs_up() == {"agent", "proxy"})


def kill_sidecar(cluster: Served, number: int) -> None:
    """`kill -9`, from outside; returns when it has been started again and is ready."""

    def status() -> Tree:
        found: Tree = cluster.get("pod", AGENT)["status"]["initContainerStatuses"][number]
        return found

    before = status()
    id_ = before["containerID"].removeprefix("pillion://")
    runc = ("runc", "--root", str(cluster.state / "runc"), "kill", id_, "KILL")
    subprocess.run(runc, check=True)
    until(lambda: status()["restartCount"] == before["restartCount"] + 1 and status()["ready"])


def restarts(cluster: Served) -> list[int]:
    status = cluster.get("pod", AGENT)["status"]
    return [one["restartCount"] for one in [*status["initContainerStatuses"], *status["containerStatuses"]]]


def test_requests_are_answered_while_the_metrics_sidecar_is_away(cluster: Served) -> None:
    before = len(answers(cluster))
    kill_sidecar(cluster, 1)
    until(lambda: len(answers(cluster)) > before + 2)
    assert set(answers(cluster)) == {ANSWER}
    assert restarts(cluster) == [0, 1, 0, 0]


def test_the_agent_is_there_again_when_its_proxy_is_and_was_not_restarted(cluster: Served) -> None:
    kill_sidecar(cluster, 2)
    before = answers(cluster).count(ANSWER)
    until(lambda: answers(cluster).count(ANSWER) > before)
    assert restarts(cluster) == [0, 1, 1, 0]
