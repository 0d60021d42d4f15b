"""A pillion that was killed: the next one goes on where it stopped, or ends what is not asked for any more."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.e2e.lab import Tree, Watched, a_pod, launch, run_argv, server, shell, sidecar, started, write

pytestmark = pytest.mark.host

SHARED: Tree = {"volumes": [{"name": "shared", "emptyDir": {}}]}
MOUNTED: Tree = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}


def kill(run: Watched) -> None:
    run.signal(signal.SIGKILL)
    run.end()
    run.close()


def ids(run: Watched, pod: str) -> dict[str, str]:
    status = run.pod(pod)["status"]
    known = status.get("initContainerStatuses", []) + status["containerStatuses"]
    return {one["name"]: one["containerID"] for one in known}


def numbers(run: Watched, pod: str, container: str) -> list[int]:
    return [int(line) for line in run.logs(pod, container)]


def test_the_next_run_of_the_same_file_adopts_what_runs_and_learns_what_ended_meanwhile(
    tmp_path: Path,
) -> None:
    count = "i=0; trap 'exit 0' TERM; while :; do i=$((i+1)); echo $i; sleep 0.05; done"
    # `brief` ends while nobody watches: the file appears when the first pillion is dead.
    brief = "until test -e /shared/go; do sleep 0.02; done; printf bye > /dev/termination-log; exit 6"
    (tmp_path / "go").mkdir()
    pod = a_pod(
        "counter",
        shell("main", count),
        shell("brief", brief, **MOUNTED),
        inits=[sidecar("side", count)],
        volumes=[{"name": "shared", "hostPath": {"path": str(tmp_path / "go")}}],
    )
    manifest = str(write(tmp_path, pod))
    first = launch(tmp_path, manifest)
    try:
        first.until(lambda: len(first.logs("counter", "main")) > 3 and len(first.logs("counter", "side")) > 3)
        first.until(lambda: all(ids(first, "counter").values()))
    finally:
        kill(first)
    (tmp_path / "go/go").touch()
    last = numbers(first, "counter", "main")[-1]
    second = launch(tmp_path, manifest)
    try:
        second.until(lambda: second.container("counter", "brief").get("state", {}).get("terminated"))
        second.until(lambda: numbers(second, "counter", "main")[-1:] > [last + 10])
        assert [said["what"] for said in second.of_type("applied")] == ["adopted"]
        assert ids(second, "counter") == ids(first, "counter")
        for name in ("main", "side", "brief"):
            assert second.container("counter", name)["restartCount"] == 0
        ended = second.container("counter", "brief")["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"], ended["message"]) == (6, "Error", "bye")
        second.signal()
        assert second.end() == 130
    finally:
        second.close()
    for name in ("main", "side"):
        told = numbers(first, "counter", name) + numbers(second, "counter", name)
        assert told == list(range(1, len(told) + 1)), "lines are missing, or came twice"
        assert second.container("counter", name)["state"]["terminated"]["exitCode"] == 0


def test_a_pod_that_ended_while_nobody_watched_is_done_at_once(tmp_path: Path) -> None:
    (tmp_path / "go").mkdir()
    pod = a_pod(
        "brief",
        shell("main", "until test -e /shared/go; do sleep 0.02; done; echo done", **MOUNTED),
        volumes=[{"name": "shared", "hostPath": {"path": str(tmp_path / "go")}}],
    )
    manifest = str(write(tmp_path, pod))
    first = launch(tmp_path, manifest)
    try:
        first.until(lambda: "Running" in first.rows("brief"))
    finally:
        kill(first)
    (tmp_path / "go/go").touch()
    second = launch(tmp_path, manifest)
    try:
        assert second.end() == 0, second.said[-6:]
    finally:
        second.close()
    assert second.logs("brief", "main") == ["done"]
    assert second.container("brief", "main")["restartCount"] == 0


def test_what_is_not_asked_for_any_more_is_stopped_and_said_so(tmp_path: Path) -> None:
    first = launch(tmp_path, str(write(tmp_path, a_pod("old", server("main")), name="old.yaml")))
    try:
        first.until(lambda: "Running" in first.rows("old"))
    finally:
        kill(first)
    new = str(write(tmp_path, a_pod("new", shell("main", "echo hello")), name="new.yaml"))
    second = launch(tmp_path, new)
    try:
        assert second.end() == 0, second.said[-6:]
    finally:
        second.close()
    assert {said["pod"]: said["what"] for said in second.of_type("applied")} == {
        "old": "orphaned",
        "new": "created",
    }
    assert list((tmp_path / "state/pods").iterdir()) == []
    assert list((tmp_path / "state/logs").iterdir()) == []


def test_a_changed_pod_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    first = launch(tmp_path, str(write(tmp_path, a_pod("p", server("main")))))
    try:
        first.until(lambda: "Running" in first.rows("p"))
    finally:
        kill(first)
    second = launch(tmp_path, str(write(tmp_path, a_pod("p", shell("main", "echo changed")))))
    try:
        assert second.end() == 0, second.said[-6:]
    finally:
        second.close()
    assert [said["what"] for said in second.of_type("applied")] == ["orphaned", "created"]
    assert second.logs("p", "main") == ["changed"]


def test_a_pod_that_was_ending_is_ended_by_the_next_run(tmp_path: Path) -> None:
    slow = a_pod("slow", shell("main", "trap '' TERM; echo up; while :; do sleep 1000 & wait; done"))
    manifest = str(write(tmp_path, slow))
    first = launch(tmp_path, manifest)
    try:
        first.until(lambda: first.logs("slow", "main"))
        first.signal()
        first.until(lambda: "Terminating" in first.rows("slow"))
    finally:
        kill(first)
    second = launch(
        tmp_path, str(write(tmp_path, a_pod("new", shell("main", "echo hello")), name="new.yaml"))
    )
    try:
        assert second.end() == 0, second.said[-6:]
    finally:
        second.close()
    assert list((tmp_path / "state/pods").iterdir()) == []


def test_one_state_directory_has_one_pillion(tmp_path: Path) -> None:
    with started(tmp_path, a_pod("p", server("main"))) as run:
        run.until(lambda: "Running" in run.rows("p"))
        other = Watched(run_argv(tmp_path, str(write(tmp_path, a_pod("q", server("main")), name="q.yaml"))))
        assert other.end() == 2
        other.close()
        assert other.stderr == (
            f"pillion: cannot use the state directory {tmp_path}/state: another pillion (process "
            f"{run.process.pid}) works in it; wait for its end, or choose another with --state-dir\n"
        )
        run.signal()
        assert run.end() == 130


@pytest.mark.parametrize("milliseconds", [20, 120, 240, 400])
def test_killed_at_any_moment_of_a_start_the_next_run_leaves_nothing(
    tmp_path: Path, milliseconds: int
) -> None:
    pod = a_pod("p", shell("main", "echo hello"), shell("more", "echo hello"), inits=[sidecar("side")])
    manifest = str(write(tmp_path, pod))
    first = launch(tmp_path, manifest)
    try:
        first.until(lambda: first.of_type("applied"))
        signal.sigtimedwait(set(), milliseconds / 1000)
    finally:
        kill(first)
    second = launch(tmp_path, manifest)
    try:
        assert second.end() == 0, second.said[-6:]
    finally:
        second.close()
    # A pod that was over already is no longer adopted: the manifest is run anew.
    is_adopted = "adopted" in [said["what"] for said in second.of_type("applied")]
    for name in ("main", "more"):
        told = (first.logs("p", name) if is_adopted else []) + second.logs("p", name)
        assert told == ["hello"]
    assert {second.container("p", name)["restartCount"] for name in ("main", "more", "side")} == {0}
