"""The lesson's Pod under load: an agent that logs to a shared volume, and what stands in for Fluent Bit ships it."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.e2e.lab import Tree, Watched, a_pod, config_map, started
from tests.integration.collector.process import until

from pillion.testing.drills import Ledger

pytestmark = pytest.mark.host

_LOGS: Tree = {"name": "log-volume", "mountPath": "/var/log/agent"}
_TAIL = """\
[SERVICE]
    Flush         1
    Log_Level     info
[INPUT]
    Name              tail
    Path              /var/log/agent/*.log
    Tag               agent.*
    Read_from_Head    On
    Refresh_Interval  1
"""
_TO_STDOUT = """\
[OUTPUT]
    Name           stdout
    Match          *
    Format         json_lines
    json_date_key  false
"""
_TO_FILE = """\
[OUTPUT]
    Name    file
    Match   *
    Path    /shipped
    File    out
    Format  plain
"""


def agent(*options: str) -> Tree:
    """Writes numbered lines, as an agent that logs much, and rotates its file."""
    program = [sys.executable, "-m", "pillion.testing.drills.logwriter", "/var/log/agent/requests.log"]
    return {"name": "agent", "image": "box", "command": [*program, *options], "volumeMounts": [_LOGS]}


def logging_pod(folder: Path, *options: str, output: str) -> tuple[Tree, Tree]:
    logger: Tree = {
        "name": "logging-sidecar",
        "image": "fluent/fluent-bit:latest",
        "restartPolicy": "Always",
        "args": ["-c", "/fluent-bit/etc/fluent-bit.conf"],
        "volumeMounts": [
            _LOGS,
            {"name": "config", "mountPath": "/fluent-bit/etc"},
            {"name": "shipped", "mountPath": "/shipped"},
        ],
    }
    pod = a_pod(
        "agent-with-logging",
        agent(*options),
        inits=[logger],
        terminationGracePeriodSeconds=30,
        volumes=[
            {"name": "log-volume", "emptyDir": {}},
            {"name": "config", "configMap": {"name": "fluent-bit-config"}},
            {"name": "shipped", "hostPath": {"path": str(folder / "shipped"), "type": "DirectoryOrCreate"}},
        ],
    )
    return pod, config_map("fluent-bit-config", **{"fluent-bit.conf": _TAIL + output})


def written(run: Watched) -> int:
    """What the agent says at its end."""
    [said] = run.logs("agent-with-logging", "agent")
    amount: int = json.loads(said)["written"]
    return amount


def shipped(folder: Path) -> list[str]:
    path = folder / "shipped/out"
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line)["log"] for line in whole.split(b"\n") if line]


def kill_sidecar(run: Watched) -> None:
    """`kill -9`, from outside."""
    uid = run.pod("agent-with-logging")["metadata"]["uid"]
    killed = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group, words = (folder / "cgroup").read_text(), (folder / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if (uid in group or uid.replace("-", "_") in group) and b"/fluent-bit/etc/fluent-bit.conf" in words:
            os.kill(int(folder.name), signal.SIGKILL)
            killed += 1
    assert killed == 1


def test_every_line_reaches_the_sidecars_standard_output_the_last_ones_included(tmp_path: Path) -> None:
    with started(tmp_path, *logging_pod(tmp_path, "--seconds=1", "--rate=5000", output=_TO_STDOUT)) as run:
        assert run.end(60) == 0
        amount = written(run)
        ledger = Ledger()
        ledger.take(
            json.loads(line)["log"]
            for line in run.logs("agent-with-logging", "logging-sidecar")
            if line.startswith("{")
        )
    account = ledger.account({"w": amount})
    assert not ledger.lost({"w": amount}), account
    assert not ledger.strangers, account
    assert not ledger.duplicates, account
    assert not ledger.out_of_order, account


@pytest.mark.slow
@pytest.mark.parametrize("deleted", [False, True], ids=["the agent ends", "the Pod is deleted"])
def test_a_sidecar_that_is_killed_under_load_loses_nothing(tmp_path: Path, deleted: bool) -> None:
    """Its checkpoints are beside the logs: they outlive the container."""
    seconds = 60 if deleted else 4
    with started(tmp_path, *logging_pod(tmp_path, f"--seconds={seconds}", output=_TO_FILE)) as run:
        until(lambda: len(shipped(tmp_path)) > 5000)
        kill_sidecar(run)
        run.until(lambda: run.container("agent-with-logging", "logging-sidecar").get("restartCount") == 1, 30)
        before = len(shipped(tmp_path))
        until(lambda: len(shipped(tmp_path)) > before + 5000)
        if deleted:
            run.signal()
        assert run.end(60) == (130 if deleted else 0)
        amount = written(run)
    ledger = Ledger()
    ledger.take(shipped(tmp_path))
    account = ledger.account({"w": amount})
    assert not ledger.lost({"w": amount}), account
    assert not ledger.strangers, account
    assert ledger.duplicates < amount / 2, account
