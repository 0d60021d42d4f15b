"""The Python clients that people have drive the lesson, each in a process of its own as in a user's."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.lab import a_pod, sidecar
from tests.e2e.lab import server as a_server
from tests.e2e.served import WITHIN, Served, served

pytestmark = pytest.mark.host

CLIENTS = Path(__file__).with_name("clients")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.mark.parametrize("client", ["kubernetes", "kr8s", "lightkube"])
def test_a_client_drives_the_lesson(server: Served, client: str, tmp_path: Path) -> None:
    """An agent with a logging sidecar that share a folder: made, awaited, read, entered, changed, deleted."""
    if importlib.util.find_spec(client) is None:
        pytest.skip(f"needs {client}")
    mounts = [{"name": "log-volume", "mountPath": "/var/log/agent"}]
    agent = a_server(
        "agent", "echo request >> /var/log/agent/requests.log; echo started", volumeMounts=mounts
    )
    side = sidecar("logging-sidecar", volumeMounts=mounts)
    pod = a_pod(client, agent, inits=[side], volumes=[{"name": "log-volume", "emptyDir": {}}])
    (tmp_path / "pod.json").write_text(json.dumps(pod))
    done = subprocess.run(
        (sys.executable, CLIENTS / f"with_{client}.py", server.kubeconfig, tmp_path / "pod.json"),
        capture_output=True,
        text=True,
        timeout=2 * WITHIN,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    left = server.kubectl("get", "pods,configmaps", "-o", "name").split()
    assert left == ["configmap/kube-root-ca.crt"]
