"""`pillion serve`, `stop`, `kubeconfig` and `kubectl` as commands: what they print, refuse and leave."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.e2e.lab import PILLION, a_pod, call
from tests.e2e.lab import server as a_server
from tests.e2e.served import WITHIN, Served, needs_kubectl, served

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("serve")) as running:
        yield running


def test_the_kubeconfig_is_for_its_owner_and_names_the_server(server: Served) -> None:
    assert stat.S_IMODE(server.kubeconfig.stat().st_mode) == 0o600
    printed = call("kubeconfig", "--state-dir", str(server.state)).stdout
    assert printed == server.kubeconfig.read_text()
    port = json.loads((server.state / "serve.json").read_bytes())["port"]
    assert yaml.safe_load(printed)["clusters"][0]["cluster"]["server"] == f"https://127.0.0.1:{port}"
    said = call("kubeconfig", "--env", "--state-dir", str(server.state)).stdout
    assert said == f"export KUBECONFIG={server.kubeconfig}\n"


def test_the_kubeconfig_goes_into_ones_own(server: Served, tmp_path: Path) -> None:
    own = tmp_path / "home" / ".kube" / "config"
    own.parent.mkdir(parents=True)
    own.write_text(yaml.safe_dump({"contexts": [{"name": "prod", "context": {}}], "current-context": "prod"}))
    env = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"} | {
        "HOME": str(tmp_path / "home")
    }
    merged = call("kubeconfig", "--merge", "--state-dir", str(server.state), env=env)
    assert merged.stdout == f'Context "pillion" is the current one in {own}.\n'
    tree = yaml.safe_load(own.read_text())
    assert [context["name"] for context in tree["contexts"]] == ["prod", "pillion"]
    assert stat.S_IMODE(own.stat().st_mode) == 0o600


def test_somebody_outside_may_have_an_identity_before_any_pod_has(server: Served, tmp_path: Path) -> None:
    env = dict(os.environ) | {"PILLION_STATE_DIR": str(server.state)}
    issued = call("authority", "issue", "laptop", "--to", str(tmp_path / "laptop"), env=env).stdout
    assert "spiffe://cluster.local/ns/default/sa/laptop" in issued


@needs_kubectl
def test_kubectl_by_way_of_pillion_needs_no_kubeconfig(server: Served) -> None:
    env = dict(os.environ) | {"PILLION_STATE_DIR": str(server.state)}
    named = call("kubectl", "get", "namespaces", "-o", "name", env=env).stdout.splitlines()
    assert named == [
        f"namespace/{name}" for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]
    assert call("kubectl", "get", "pod", "nope", env=env).returncode == 1


def test_without_kubectl_one_is_told_where_to_get_it(server: Served) -> None:
    env = dict(os.environ) | {"PATH": "/nowhere", "PILLION_STATE_DIR": str(server.state)}
    said = call("kubectl", "get", "pods", env=env)
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert "apt-get install kubernetes-client" in said.stderr


def test_a_second_server_is_refused_and_the_first_goes_on(server: Served) -> None:
    for how in ((), ("--detach",)):
        said = call("serve", "--port", "0", "--state-dir", str(server.state), *how)
        assert said.returncode == 2
        assert said.stderr.startswith(
            f"pillion: cannot use the state directory {server.state}: another pillion"
        )
    assert call("kubeconfig", "--state-dir", str(server.state)).returncode == 0


def test_nor_may_a_run_use_its_folder(server: Served, tmp_path: Path) -> None:
    manifest = tmp_path / "pod.json"
    manifest.write_text(json.dumps(a_pod("p", a_server("main"))))
    said = call("run", str(manifest), "--state-dir", str(server.state), "--image", "box=host")
    assert said.returncode == 2
    assert "another pillion" in said.stderr


@pytest.mark.parametrize("how", [(), ("--detach",)], ids=["foreground", "detached"])
def test_a_port_in_use_is_said_to_be_in_use(tmp_path: Path, how: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = call("serve", "--port", str(port), "--state-dir", str(tmp_path / "state"), *how)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == (
        f"pillion: cannot listen on 127.0.0.1:{port}: Address already in use; choose another port with --port, "
        "0 for any\n"
    )


def test_without_a_server_there_is_nothing_to_stop_and_no_kubeconfig(tmp_path: Path) -> None:
    assert call("stop", "--state-dir", str(tmp_path)).stdout == "No server runs.\n"
    said = call("kubeconfig", "--state-dir", str(tmp_path))
    assert said.returncode == 2
    assert said.stderr == (
        "pillion: cannot find a kubeconfig: no server has run here; start one with pillion serve\n"
    )
    assert call("stop", "--keep-pods", "--now", "--state-dir", str(tmp_path)).returncode == 2


@needs_kubectl
def test_ctrl_c_ends_the_pods_and_then_the_server(tmp_path: Path) -> None:
    state = tmp_path / "state"
    argv = (*PILLION, "serve", "--port", "0", "--state-dir", str(state), "--image", "box=host")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The API answers at https://127.0.0.1:")
        env = dict(os.environ) | {"PILLION_STATE_DIR": str(state)}
        call("kubectl", "apply", "-f", "-", input=json.dumps(a_pod("p", a_server("main"))), env=env)
        call("kubectl", "wait", "--for=condition=Ready", "pod/p", "--timeout=10s", env=env)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=WITHIN)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert list((state / "pods").iterdir()) == []


@needs_kubectl
def test_a_second_ctrl_c_waits_for_nobody(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        stubborn = a_server("main", "trap '' TERM; sleep 1000; sleep 1000")
        server.apply(a_pod("stubborn", stubborn, terminationGracePeriodSeconds=600))
        server.wait_ready("stubborn")
        began = time.monotonic()
        server.stop("--now")
        assert time.monotonic() - began < WITHIN
        assert not (server.state / "serve.json").exists()
