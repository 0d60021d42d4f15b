"""docs/lesson.md is right: its Pods, all run at once, do what the page says of them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from tests import leaks
from tests.architecture.pages import ROOT

pytestmark = [pytest.mark.host, pytest.mark.slow]
RUN_SECONDS = 6
"""Enough for the second crash of broken-first-sidecar; then the Pods that still run are told to end."""


class Lives:
    """What happened to each Pod: its story, its rows, its log lines."""

    def __init__(self, output: bytes) -> None:
        self._records: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]

    def story(self, pod: str) -> list[tuple[str | None, str]]:
        """(container, text) in order of time."""
        finished = next(r for r in self._records if r["type"] == "finished" and r["pod"] == pod)
        return [(e["container"], e["text"]) for e in sorted(finished["story"], key=lambda entry: entry["at"])]

    def containers(self, pod: str, text: str) -> list[str | None]:
        """Of which containers that was told, in order."""
        return [container for container, told in self.story(pod) if told == text]

    def at(self, pod: str, container: str, text: str) -> float:
        finished = next(r for r in self._records if r["type"] == "finished" and r["pod"] == pod)
        moments = [e["at"] for e in finished["story"] if (e["container"], e["text"]) == (container, text)]
        return float(moments[0])

    def rows(self, pod: str) -> list[tuple[str, str]]:
        return [(r["ready"], r["status"]) for r in self._records if r["type"] == "row" and r["name"] == pod]

    def lines(self, pod: str) -> list[str]:
        return [r["line"] for r in self._records if r["type"] == "log" and r["pod"] == pod]

    def phase(self, pod: str) -> str:
        return str(next(r["phase"] for r in self._records if r["type"] == "finished" and r["pod"] == pod))


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    state = str(tmp_path_factory.mktemp("lesson"))
    leaks.watch(state)
    argv = (sys.executable, "-m", "pillion", "run", str(ROOT / "docs/lesson"), "-o", "json")
    ran = subprocess.run(
        (*argv, "--timeout", str(RUN_SECONDS), "--state-dir", state),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 124, ran.stderr.decode()
    return Lives(ran.stdout)


def test_1_a_sidecar_that_is_never_ready_does_not_hold_the_agent_back(lives: Lives) -> None:
    assert lives.containers("never-ready", "running") == ["sidecar", "agent"]
    assert ("1/2", "Running") in lives.rows("never-ready")
    assert ("2/2", "Running") not in lives.rows("never-ready")


def test_2_without_a_startup_probe_the_agent_starts_before_the_sidecar_serves(lives: Lives) -> None:
    assert lives.lines("no-startup-probe") == ["the sidecar does not serve yet"]


def test_2_with_a_startup_probe_the_agent_waits_until_the_sidecar_serves(lives: Lives) -> None:
    assert lives.lines("startup-probe") == ["the sidecar serves"]


def test_3_only_a_plain_init_container_has_to_end_before_the_next_one_starts(lives: Lives) -> None:
    told = lives.story("init-order")
    order = [
        ("sidecar", "running"),
        ("migrate", "running"),
        ("migrate", "exited with code 0"),
        ("agent", "running"),
    ]
    assert [entry for entry in told if entry in order] == order
    assert told.index(("agent", "exited with code 0")) < told.index(("sidecar", "stop signal"))


def test_4_the_agent_runs_beside_a_sidecar_that_crashes_again_and_again(lives: Lives) -> None:
    assert lives.containers("broken-first-sidecar", "running") == ["broken", "sound", "agent"]
    assert lives.containers("broken-first-sidecar", "running (restart 1)") == ["broken"]
    assert ("1/3", "Init:CrashLoopBackOff") in lives.rows("broken-first-sidecar")


def test_5_the_main_containers_are_stopped_together_then_the_sidecars_from_the_last_to_the_first(
    lives: Lives,
) -> None:
    told = [entry for entry in lives.story("shutdown") if entry[1] in ("stop signal", "exited with code 0")]
    assert set(told[:2]) == {("agent", "stop signal"), ("worker", "stop signal")}
    assert set(told[2:4]) == {("agent", "exited with code 0"), ("worker", "exited with code 0")}
    assert told[4:] == [
        ("second-sidecar", "stop signal"),
        ("second-sidecar", "exited with code 0"),
        ("first-sidecar", "stop signal"),
        ("first-sidecar", "exited with code 0"),
    ]
    hook = lives.at("shutdown", "first-sidecar", "run preStop hook")
    assert hook <= lives.at("shutdown", "second-sidecar", "stop signal")


def test_5_when_the_grace_period_is_used_up_the_sidecars_have_two_seconds(lives: Lives) -> None:
    used = lives.at("grace", "sidecar", "stop signal") - lives.at("grace", "agent", "stop signal")
    assert used == pytest.approx(3, abs=0.5)
    assert lives.lines("grace") == ["SIGTERM, flushing", "flushed"]
    assert lives.phase("grace") == "Failed"


def test_a_pod_is_over_when_its_main_containers_are(lives: Lives) -> None:
    assert lives.phase("job") == "Succeeded"
    assert lives.containers("job", "stop signal") == ["sidecar"]
