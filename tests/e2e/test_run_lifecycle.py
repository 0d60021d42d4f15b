"""Order, restarts, probes and hooks on real containers. The containers themselves write down when what happened."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.lab import Tree, Watched, a_pod, run_to_end, server, shell, sidecar, started

pytestmark = pytest.mark.host

SHARED: Tree = {"volumes": [{"name": "shared", "emptyDir": {}}]}
MOUNTED: Tree = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}


def stamp(what: str) -> str:
    """Shell: one line `SECONDS what` in the pod's book."""
    return f"echo $(date +%s.%N) {what} >> /shared/book"


def chronicler(name: str, *, on_term: str = "", start_up: str = ":", **changes: Any) -> Tree:
    """A server that writes down when it starts, is told to end, and ends; `on_term` is what takes its time."""
    script = (
        f"{stamp(f'{name} starts')}\n{start_up}\n"
        f"trap '{stamp(f'{name} is told')}; {on_term or ':'}; {stamp(f'{name} ends')}; exit 0' TERM\n"
        f"{stamp(f'{name} is up')}\necho up\n"
        "while :; do sleep 1000 & wait; done"
    )
    return shell(name, script, **(MOUNTED | changes))


def keeper(**changes: Any) -> Tree:
    """The first sidecar, so the last to be told: it prints the book at the end."""
    script = "trap 'cat /shared/book; exit 0' TERM; while :; do sleep 1000 & wait; done"
    return sidecar("keeper", script, **(MOUNTED | changes))


def exec_hook(script: str) -> Tree:
    return {"exec": {"command": ["/bin/sh", "-c", script]}}


def exec_probe(script: str, **changes: int) -> Tree:
    return exec_hook(script) | {"periodSeconds": 1} | changes


def book(run: Watched, pod: str = "pod", container: str = "keeper") -> dict[str, float]:
    """When what was written down; the last time counts."""
    entries = [line.split(" ", 1) for line in run.logs(pod, container)]
    return {what: float(at) for at, what in entries}


def in_order(times: dict[str, float]) -> list[str]:
    return sorted(times, key=times.__getitem__)


def ended(run: Watched, pod: str, container: str) -> tuple[int, str]:
    state = run.container(pod, container)["state"]["terminated"]
    return state["exitCode"], state["reason"]


def phase(run: Watched, pod: str) -> str:
    return str(next(said["phase"] for said in run.of_type("finished") if said["pod"] == pod))


def restarts(run: Watched, pod: str, container: str) -> int:
    return int(run.container(pod, container).get("restartCount", 0))


_ONCE = "test -e /shared/tried || { touch /shared/tried; exit 3; }"
"""Shell: fails the first time."""

_PODS_THAT_END = (
    a_pod("sidecar-under-never", shell("main", "sleep 0.2"), inits=[sidecar("side")]),
    a_pod(
        "sidecar-under-on-failure",
        shell("main", f"{_ONCE}; echo done", **MOUNTED),
        inits=[sidecar("side")],
        restartPolicy="OnFailure",
        **SHARED,
    ),
    a_pod(
        "stubborn-sidecar",
        shell("main", "exit 0"),
        inits=[sidecar("side", "trap '' TERM; while :; do sleep 1000 & wait; done")],
        terminationGracePeriodSeconds=1,
    ),
    a_pod(
        "sidecar-crashes",
        shell(
            "main",
            "echo started; touch /shared/crash; until test -e /shared/again; do sleep 0.02; done; echo ended",
            **MOUNTED,
        ),
        inits=[
            sidecar(
                "side",
                "if test -e /shared/crashed; then touch /shared/again; sleep 1000; fi\n"
                "until test -e /shared/crash; do sleep 0.02; done; touch /shared/crashed; exit 9",
                **MOUNTED,
            )
        ],
        terminationGracePeriodSeconds=1,
        **SHARED,
    ),
    a_pod(
        "init-fails-under-never",
        shell("main", "echo never"),
        inits=[sidecar("side"), shell("init", "exit 4"), shell("later", "echo never")],
    ),
    a_pod(
        "init-fails-once-under-on-failure",
        shell("main", "echo done"),
        inits=[shell("init", _ONCE, **MOUNTED)],
        restartPolicy="OnFailure",
        **SHARED,
    ),
    a_pod(
        "too-long",
        server("main"),
        inits=[sidecar("side")],
        activeDeadlineSeconds=3,
        terminationGracePeriodSeconds=1,
    ),
    a_pod(
        "not-live",
        shell(
            "main",
            "test -e /shared/tried && exit 0; touch /shared/tried; trap 'exit 0' TERM; sleep 1000 & wait",
            livenessProbe=exec_probe("echo it hangs; exit 1", failureThreshold=1, initialDelaySeconds=1),
            **MOUNTED,
        ),
        restartPolicy="OnFailure",
        **SHARED,
    ),
    a_pod(
        "never-started",
        shell(
            "main",
            "trap 'exit 143' TERM; sleep 1000 & wait",
            startupProbe=exec_probe("exit 1", failureThreshold=1),
        ),
    ),
    a_pod(
        "ready-and-not",
        shell(
            "main",
            "touch /ready; until test -e /was-ready; do sleep 0.02; done; rm /ready;"
            "until test -e /was-unready; do sleep 0.02; done",
            readinessProbe=exec_probe(
                "test -e /ready && { touch /was-ready; exit 0; }; touch /was-unready; exit 1",
                failureThreshold=1,
            ),
        ),
    ),
    a_pod("no-such-program", {"name": "main", "image": "box", "command": ["no-such-program", "--serve"]}),
    a_pod(
        "post-start",
        shell("main", f"{stamp('main starts')}", **MOUNTED),
        inits=[
            keeper(),
            sidecar(
                "side",
                lifecycle={
                    "postStart": exec_hook(f"{stamp('hook starts')}; sleep 0.4; {stamp('hook ends')}")
                },
                **MOUNTED,
            ),
        ],
        **SHARED,
    ),
    a_pod(
        "post-start-fails",
        shell("main", "trap 'exit 1' TERM; sleep 1000 & wait", lifecycle={"postStart": exec_hook("exit 5")}),
        terminationGracePeriodSeconds=1,
    ),
    a_pod(
        "forks-away",
        shell(
            "main", "setsid sleep 4242.5 & setsid sh -c 'sleep 4242.5 & sleep 4242.5' & sleep 0.1; echo done"
        ),
    ),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """All pods that end by themselves, side by side."""
    run = run_to_end(tmp_path_factory.mktemp("ends"), *_PODS_THAT_END, within=60)
    assert run.status == 1
    return run


@pytest.mark.parametrize("pod", ["sidecar-under-never", "sidecar-under-on-failure"])
def test_a_pod_is_done_when_its_mains_are_and_its_sidecars_are_told_to_end(run: Watched, pod: str) -> None:
    assert ended(run, pod, "side") == (0, "Completed")
    assert ("Killing", "Stopping container side") in run.events(pod)
    assert phase(run, pod) == "Succeeded"
    assert run.rows(pod)[-1] == "Completed"


def test_a_main_that_fails_is_restarted_at_once_under_on_failure(run: Watched) -> None:
    assert restarts(run, "sidecar-under-on-failure", "main") == 1
    assert run.logs("sidecar-under-on-failure", "main") == ["done"]
    assert restarts(run, "sidecar-under-on-failure", "side") == 0


def test_a_sidecar_that_must_be_killed_does_not_spoil_a_pod_that_succeeded(run: Watched) -> None:
    assert ended(run, "stubborn-sidecar", "side") == (137, "Error")
    assert phase(run, "stubborn-sidecar") == "Succeeded"


def test_a_sidecar_that_crashes_is_restarted_beside_a_main_that_goes_on(run: Watched) -> None:
    assert restarts(run, "sidecar-crashes", "side") == 1
    assert restarts(run, "sidecar-crashes", "main") == 0
    assert run.logs("sidecar-crashes", "main") == ["started", "ended"]
    story = run.story("sidecar-crashes")
    crashed = next(e["at"] for e in story if e["text"] == "exited with code 9")
    back = next(e["at"] for e in story if e["text"] == "running (restart 1)")
    assert back - crashed < 8.0  # no back-off the first time
    first = run.container("sidecar-crashes", "side")["lastState"]["terminated"]
    assert first["exitCode"] == 9


def test_a_failed_init_ends_a_pod_that_is_never_restarted(run: Watched) -> None:
    pod = "init-fails-under-never"
    assert ended(run, pod, "init") == (4, "Error")
    assert ended(run, pod, "side") == (0, "Completed")
    assert run.logs(pod, "main") == run.logs(pod, "later") == []
    assert phase(run, pod) == "Failed"
    assert run.rows(pod)[-1] == "Init:Error"


def test_a_failed_init_is_tried_again_under_on_failure(run: Watched) -> None:
    pod = "init-fails-once-under-on-failure"
    assert restarts(run, pod, "init") == 1
    assert run.logs(pod, "main") == ["done"]
    assert phase(run, pod) == "Succeeded"


def test_a_pod_that_is_active_for_too_long_is_ended(run: Watched) -> None:
    message = "Pod was active on the node longer than the specified deadline"
    assert phase(run, "too-long") == "Failed"
    status = run.pod("too-long")["status"]
    assert (status["reason"], status["message"]) == ("DeadlineExceeded", message)
    assert ("DeadlineExceeded", message) in run.events("too-long")
    assert ended(run, "too-long", "main")[0] == ended(run, "too-long", "side")[0] == 0


def test_a_container_that_is_not_live_is_killed_and_restarted_though_it_exits_with_0(run: Watched) -> None:
    assert restarts(run, "not-live", "main") == 1
    assert phase(run, "not-live") == "Succeeded"
    assert ("Unhealthy", "Liveness probe failed: it hangs\n") in run.events("not-live")
    assert ("Killing", "Container main failed liveness probe, will be restarted") in run.events("not-live")


def test_a_container_that_does_not_start_up_is_killed(run: Watched) -> None:
    assert ended(run, "never-started", "main") == (143, "Error")
    assert ("Unhealthy", "Startup probe failed: ") in run.events("never-started")
    # Nothing is left to keep or to start, so the whole pod is ended (kuberuntime_manager.go: computePodActions).
    assert ("Killing", "Stopping container main") in run.events("never-started")
    assert phase(run, "never-started") == "Failed"
    assert not any(said["ready"] == "1/1" for said in run.of_type("row") if said["name"] == "never-started")


def test_a_pod_is_ready_as_long_as_its_readiness_probe_says_so(run: Watched) -> None:
    ready = [said["ready"] for said in run.of_type("row") if said["name"] == "ready-and-not"]
    changes = [text for index, text in enumerate(ready) if index == 0 or ready[index - 1] != text]
    assert changes == ["0/1", "1/1", "0/1"]
    assert restarts(run, "ready-and-not", "main") == 0


def test_a_program_that_does_not_exist_is_a_start_error(run: Watched) -> None:
    state = run.container("no-such-program", "main")["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (128, "StartError")
    assert 'exec: "no-such-program": executable file not found in $PATH' in state["message"]
    assert "StartError" in run.rows("no-such-program")[-1]


def test_what_comes_after_a_sidecar_waits_for_its_post_start_hook(run: Watched) -> None:
    times = book(run, "post-start")
    assert in_order(times) == ["hook starts", "hook ends", "main starts"]


def test_a_container_whose_post_start_hook_fails_is_killed(run: Watched) -> None:
    assert phase(run, "post-start-fails") == "Failed"
    assert ("FailedPostStartHook", "PostStartHook failed") in run.events("post-start-fails")


def test_processes_that_forked_away_end_with_their_container(run: Watched) -> None:
    assert run.logs("forks-away", "main") == ["done"]
    assert phase(run, "forks-away") == "Succeeded"
    left = subprocess.run(("pgrep", "-f", "sleep 4242.5"), capture_output=True, text=True)
    assert left.stdout == ""


def test_sidecars_start_one_after_the_other_before_the_main_and_end_after_it_in_reverse(
    tmp_path: Path,
) -> None:
    """The lesson's two time lines: start-up and shut-down."""
    pod = a_pod(
        "pod",
        chronicler("agent", on_term="sleep 0.3"),
        inits=[
            keeper(),
            chronicler("logging", restartPolicy="Always"),
            chronicler(
                "proxy",
                restartPolicy="Always",
                start_up="sleep 0.5; touch /shared/proxy-ready",
                startupProbe=exec_probe("test -e /shared/proxy-ready"),
            ),
            shell("migrate", f"{stamp('migrate starts')}; sleep 0.3; {stamp('migrate ends')}", **MOUNTED),
        ],
        terminationGracePeriodSeconds=10,
        **SHARED,
    )
    with started(tmp_path, pod) as run:
        run.until(lambda: run.logs("pod", "agent"))
        run.signal()
        assert run.end() == 130
    times = book(run)
    # A sidecar without a startup probe counts as started when it runs; what its shell does then takes its own time.
    for what in ("logging starts", "logging is up"):
        assert times.pop(what) < times["migrate starts"]
    asked = [entry["container"] for entry in run.story("pod") if entry["text"] == "start"]
    assert asked == ["keeper", "logging", "proxy", "migrate", "agent"]
    assert in_order(times) == [
        "proxy starts",
        "proxy is up",
        "migrate starts",
        "migrate ends",
        "agent starts",
        "agent is up",
        "agent is told",
        "agent ends",
        "proxy is told",
        "proxy ends",
        "logging is told",
        "logging ends",
    ]
    assert times["proxy is told"] - times["agent ends"] < 1
    for container in ("agent", "proxy", "logging", "keeper"):
        assert ended(run, "pod", container) == (0, "Completed")
    assert run.rows("pod")[:4] == ["Pending", "Init:0/4", "Init:1/4", "Init:2/4"]


def test_hooks_before_the_stop_run_at_once_and_spend_the_grace_that_all_containers_share(
    tmp_path: Path,
) -> None:
    def with_hook(name: str, seconds: float, **changes: Any) -> Tree:
        script = f"{stamp(f'{name} hook starts')}; sleep {seconds}; {stamp(f'{name} hook ends')}"
        return chronicler(name, lifecycle={"preStop": exec_hook(script)}, **changes)

    patient = a_pod(
        "patient",
        with_hook("main", 0.6),
        inits=[keeper(), with_hook("side", 0.2, restartPolicy="Always")],
        terminationGracePeriodSeconds=5,
        **SHARED,
    )
    # Deaf to SIGTERM: its hook spends the grace of 1 s, the kubelet's floor of 2 s is what is left for itself.
    say = "echo $(date +%s.%N)"
    deaf = a_pod(
        "deaf",
        shell(
            "main",
            f"trap '{say} main is told' TERM; while :; do {say} main lives; sleep 0.1 & wait; done",
            lifecycle={"preStop": exec_hook(f"{say} hook starts > /proc/1/fd/1; exec sleep 1000")},
        ),
        inits=[sidecar("side")],
        terminationGracePeriodSeconds=1,
    )
    with started(tmp_path, patient, deaf) as run:
        run.until(
            lambda: run.logs("patient", "main") and run.logs("patient", "side") and run.logs("deaf", "main")
        )
        run.signal()
        assert run.end() == 130
    times = book(run, "patient")
    assert abs(times["main hook starts"] - times["side hook starts"]) < 0.5
    ends = [what for what in in_order(times) if "is up" not in what and "starts" not in what]
    assert ends == [
        "side hook ends",
        "main hook ends",
        "main is told",
        "main ends",
        "side is told",
        "side ends",
    ]
    assert ended(run, "deaf", "main") == (137, "Error")
    lived = book(run, "deaf", "main")
    assert 0.5 < lived["main is told"] - lived["hook starts"] < 2
    assert 1.8 < lived["main lives"] - lived["main is told"] < 3
