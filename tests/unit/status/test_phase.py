"""The pod's phase (kubelet_pods.go: getPhase; status_manager.go: mergePodStatus)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.lifecycle.builders import (
    ALWAYS,
    NEVER,
    ON_FAILURE,
    answers,
    delete,
    init,
    main,
    pod,
    probe,
    sidecar,
)
from tests.unit.status.builders import EPOCH, row, shown, status_of

from pillion.lifecycle import ProbeOutcome
from pillion.objects.models import core_v1
from pillion.plan.admission import Rejection
from pillion.plan.podplan import PodPlan, RestartRule
from pillion.testing.simulation import ProbeScript, Script, Simulation

BAD = Script(start_error=("CreateContainerConfigError", "no"))
FAIL = ProbeOutcome.FAILURE
UNSTARTED = {"startup": probe(failure_threshold=99)}
EXIT_0, EXIT_1 = Script(run_for=5), Script(run_for=5, exit_code=1)
FOUR = RestartRule(action="Restart", operator="In", values=(4,))

ROWS: list[tuple[str, PodPlan, dict[str, Script | list[Script]], str]] = [
    ("a plain init runs", pod(init(), main()), {}, "Pending"),
    ("a plain init is in backoff", pod(init(), main()), {"init": EXIT_1}, "Pending"),
    ("a plain init failed for good", pod(init(), main(), policy=NEVER), {"init": EXIT_1}, "Failed"),
    (
        "a plain init failed for good by its own policy",
        pod(init(restart_policy=NEVER), main()),
        {"init": EXIT_1},
        "Failed",
    ),
    (
        "a plain init is saved by a rule",
        pod(init(restart_policy=NEVER, restart_rules=(FOUR,)), main()),
        {"init": Script(run_for=5, exit_code=4)},
        "Pending",
    ),
    ("a sidecar has not started", pod(sidecar("a", **UNSTARTED), main()), {}, "Pending"),
    ("a sidecar has no image", pod(sidecar("a"), main()), {"a": BAD}, "Pending"),
    ("one main of two cannot be started", pod(main("m"), main("n")), {"m": BAD}, "Pending"),
    ("all run", pod(sidecar("s"), main()), {}, "Running"),
    ("the only main is in backoff", pod(main()), {"main": Script(run_for=1, exit_code=1)}, "Running"),
    ("a sidecar runs, the main is in backoff", pod(sidecar("s"), main()), {"main": EXIT_1}, "Running"),
    (
        "OnFailure: one done, one restarting",
        pod(main("m"), main("n"), policy=ON_FAILURE),
        {"m": EXIT_0, "n": EXIT_1},
        "Running",
    ),
    (
        "OnFailure: all done",
        pod(main("m"), main("n"), policy=ON_FAILURE),
        {"m": EXIT_0, "n": EXIT_0},
        "Succeeded",
    ),
    ("Never: all done", pod(main("m"), main("n"), policy=NEVER), {"m": EXIT_0, "n": EXIT_0}, "Succeeded"),
    ("Never: one failed", pod(main("m"), main("n"), policy=NEVER), {"m": EXIT_0, "n": EXIT_1}, "Failed"),
    ("Never: one failed, one runs", pod(main("m"), main("n"), policy=NEVER), {"m": EXIT_1}, "Running"),
    (
        "a container's own policy keeps the pod going",
        pod(main("m", restart_policy=ALWAYS), main("n"), policy=NEVER),
        {"m": EXIT_0, "n": EXIT_1},
        "Running",
    ),
    (
        "a container's own policy ends the pod",
        pod(main("m", restart_policy=NEVER)),
        {"m": EXIT_1},
        "Failed",
    ),
    (
        "sidecars' exits do not count",
        pod(sidecar("a"), main(), policy=NEVER),
        {"a": Script(term_code=1), "main": EXIT_0},
        "Succeeded",
    ),
    (
        "a sidecar that has crashed does not make the pod pending again",
        pod(sidecar("a"), main()),
        {"a": EXIT_1},
        "Running",
    ),
]


@pytest.mark.parametrize(("rule", "plan", "scripts", "phase"), ROWS, ids=[row[0] for row in ROWS])
def test_phase(rule: str, plan: PodPlan, scripts: dict[str, Script | list[Script]], phase: str) -> None:
    sim = Simulation(plan, scripts, {"a": answers(startup=FAIL)} if plan.inits else {})
    sim.run(until=12)
    assert sim.record.phase == phase


def test_a_restarted_sidecar_that_has_not_started_yet_leaves_a_running_pod_running() -> None:
    sim = Simulation(
        pod(sidecar("a", startup=probe(period=1)), main()), {}, {"a": answers(startup=lambda age: age >= 2)}
    )
    sim.run(until=10)
    sim.crash("a")
    sim.run(until=11)
    assert (sim.times("start a"), sim.record.phase) == ([0, 10], "Running")


@pytest.mark.parametrize(
    ("plan", "scripts", "act", "phase"),
    [
        (pod(main()), {}, delete(), "Succeeded"),
        (pod(main()), {"main": Script(term_code=143)}, delete(), "Failed"),
        (pod(sidecar("a"), main()), {"a": Script(term_code=9)}, delete(), "Succeeded"),
        (pod(init(), main()), {}, delete(), "Failed"),
        (pod(main()), {"main": BAD}, delete(), "Failed"),
        (pod(main()), {}, lambda sim: sim.evict("full"), "Failed"),
    ],
)
def test_a_pod_that_was_stopped_ends_by_its_mains_exits(
    plan: PodPlan,
    scripts: dict[str, Script],
    act: Callable[[Simulation], None],
    phase: str,
) -> None:
    sim = Simulation(plan, scripts)
    sim.run(until=5)
    act(sim)
    sim.run(until=60)
    assert sim.record.phase == phase


def test_a_terminal_phase_waits_for_the_last_container_of_an_evicted_or_overdue_pod() -> None:
    for act in (lambda sim: sim.evict("full"), lambda sim: None):
        sim = Simulation(pod(main(), grace_seconds=9, active_deadline=20), {"main": Script(term_after=1)})
        sim.run(until=19)
        act(sim)
        sim.run(until=60)
        assert [phase for _, phase in sim.phases] == ["Pending", "Running", "Failed"]
        assert sim.phases[-1][0] == sim.times("exit main 0")[0]


def test_probe_answers_never_move_a_finished_phase() -> None:
    script: ProbeScript = answers(readiness=FAIL)
    sim = Simulation(pod(main(readiness=probe()), policy=NEVER), {"main": EXIT_0}, {"main": script})
    sim.run(until=60)
    assert sim.phases == [(0.0, "Pending"), (0.0, "Running"), (5.0, "Succeeded")]


def test_a_rejected_pod_is_failed_with_the_reason_and_nothing_of_it_is_made() -> None:
    sim = Simulation(pod(init(), sidecar(), main()))
    sim.rejection = Rejection(reason="SysctlForbidden", message="forbidden sysctl: x")
    sim.run(until=50)
    assert sim.log == [(0, "tear down")]
    assert [(e.type, e.reason, e.message) for _, e in sim.events] == [
        ("Warning", "SysctlForbidden", "forbidden sysctl: x")
    ]
    assert status_of(shown(sim)) == core_v1.PodStatus(
        phase="Failed",
        reason="SysctlForbidden",
        message="Pod was rejected: forbidden sysctl: x",
        startTime=EPOCH,
        observedGeneration=3,
    )
    assert (row(sim).ready, row(sim).status) == ("0/2", "SysctlForbidden")


def test_a_pod_that_runs_is_not_asked_again_whether_it_may() -> None:
    sim = Simulation(pod(main()))
    sim.run(until=5)
    sim.rejection = Rejection(reason="SysctlForbidden", message="forbidden sysctl: x")
    sim.run(until=50)
    assert sim.record.phase == "Running"
