"""`make run`: the tour itself, and that it can fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"


@pytest.fixture
def leftovers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(TOOLS))
    import leftovers

    yield leftovers
    sys.modules.pop("leftovers")


@pytest.fixture
def watchedchild(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(TOOLS))
    import watchedchild

    yield watchedchild
    sys.modules.pop("watchedchild")


def run_tour(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, str(root / "tools/tour.py")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.host
@pytest.mark.slow
def test_the_tour_shows_the_table_the_log_lines_the_metrics_and_the_order_and_leaves_nothing_behind() -> None:
    tour = run_tour(ROOT)
    assert tour.returncode == 0, tour.stdout + tour.stderr
    for expected in (
        r"(?m)^agent-with-sidecars +3/3 +Running +0 ",
        r'(?m)^agent-with-sidecars/logging-sidecar \| \{.*"request_id": "tour-8"',
        r'agent_requests_total\{method="POST", path="/inference", status="200"\} 8',
        r"(?m)^agent-with-sidecars +3/3 +Running +1 \(",
        r"\d+ requests were answered around it, 0 failed",
        r"stopped: agent, then metrics-sidecar, then logging-sidecar; each with exit code 0",
        r"none is lost",
        r"nothing is left",
    ):
        assert re.search(expected, tour.stdout), f"{expected} is not in:\n{tour.stdout}"


@pytest.mark.parametrize(
    ("script", "saw"),
    [
        ("echo 'pillion: no such pod'; exit 2", "the command's end, exit status 2"),
        ("echo 'agent-with-sidecars   2/3   Init:Error   0   1s'; exit 1", "exit status 1"),
    ],
)
def test_the_tour_fails_with_what_it_expected_and_what_it_saw(tmp_path: Path, script: str, saw: str) -> None:
    shutil.copytree(TOOLS, tmp_path / "tools")
    command = tmp_path / ".venv/bin/pillion"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    tour = run_tour(tmp_path)
    assert tour.returncode == 1
    assert "expected: the row agent-with-sidecars   3/3   Running   0" in tour.stdout
    assert saw in tour.stdout


def test_a_process_that_names_the_state_directory_is_a_leftover(
    leftovers: ModuleType, tmp_path: Path
) -> None:
    traces = leftovers.Traces(str(tmp_path))
    child = subprocess.Popen(("/bin/sh", "-c", "read line", str(tmp_path)), stdin=subprocess.PIPE)
    try:
        assert leftovers.find_leftovers(traces) == [f"process {child.pid}: /bin/sh -c read line {tmp_path}"]
    finally:
        child.communicate()
    assert leftovers.find_leftovers(traces) == []


@pytest.mark.host
def test_a_mount_in_the_state_directory_is_a_leftover(leftovers: ModuleType, tmp_path: Path) -> None:
    traces = leftovers.Traces(str(tmp_path))
    (tmp_path / "shm").mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "shm", str(tmp_path / "shm")), check=True)
    try:
        assert leftovers.find_leftovers(traces) == [f"mount {tmp_path}/shm"]
    finally:
        subprocess.run(("umount", str(tmp_path / "shm")), check=True)
    assert leftovers.find_leftovers(traces) == []


def test_lines_of_a_child_are_shown_kept_and_waited_for(watchedchild: ModuleType) -> None:
    shown: list[str] = []
    child = watchedchild.WatchedChild(("/bin/sh", "-c", "echo one; echo two >&2; exit 3"), shown.append)
    assert child.expect("two", "^t(.*)$", within=10)[1] == "wo"
    with pytest.raises(
        watchedchild.UnexpectedError, match=r"a third line\nsaw: +the command's end, exit status 3"
    ):
        child.expect("a third line", "three", within=10)
    assert child.wait(within=10) == 3
    assert shown == child.lines == ["one", "two"]


def test_a_line_that_does_not_come_in_time_is_named_with_the_last_that_came(watchedchild: ModuleType) -> None:
    child = watchedchild.WatchedChild(("/bin/sh", "-c", "echo one; exec sleep 60"), lambda _line: None)
    try:
        child.expect("one", "one", within=10)
        with pytest.raises(
            watchedchild.UnexpectedError, match=r"expected: two\nsaw: +not within 0.01 s.*: one"
        ):
            child.expect("two", "two", within=0.01)
    finally:
        child.end()
    assert not child.is_running
