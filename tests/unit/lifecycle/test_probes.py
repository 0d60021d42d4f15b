"""When probes run and what their answers do (pkg/kubelet/prober/worker.go: doProbe; prober_manager.go)."""

from __future__ import annotations

import pytest
from tests.unit.lifecycle.builders import HOOK, NEVER, answers, init, main, pod, probe, sidecar

from pillion.lifecycle import ProbeKind, ProbeOutcome
from pillion.lifecycle.probes import INITIAL
from pillion.lifecycle.record import probe_key
from pillion.lifecycle.states import ContainerView, view_all
from pillion.lifecycle.turn import Turn
from pillion.testing.simulation import Script, Simulation
from pillion.units import Instant

OK, FAIL, UNKNOWN = ProbeOutcome.SUCCESS, ProbeOutcome.FAILURE, ProbeOutcome.UNKNOWN


def view(sim: Simulation, name: str = "main") -> ContainerView:
    return view_all(Turn(sim.plan, sim.record, sim.seen(), Instant(sim.now)))[name]


def asked(sim: Simulation, kind: str, name: str = "main") -> list[float]:
    return sim.times(f"{kind} probe {name}")


def test_before_the_first_answer_readiness_counts_as_failed_liveness_as_passed_startup_as_unknown() -> None:
    assert INITIAL == {
        ProbeKind.READINESS: FAIL,
        ProbeKind.LIVENESS: OK,
        ProbeKind.STARTUP: UNKNOWN,
    }


def test_probes_that_are_due_within_a_moment_are_asked_together_and_keep_their_phases() -> None:
    plan = pod(main(post_start=HOOK, liveness=probe(), readiness=probe(period=10)))
    sim = Simulation(plan, {"main": Script(hooks={"postStart": (0.03, None)})})
    sim.run(until=25)
    assert (asked(sim, "readiness"), asked(sim, "liveness")) == ([0.03, 10, 20], [10, 20])
    assert sim.record.probes[probe_key("main", ProbeKind.READINESS)].next_at == pytest.approx(30.03)


def test_no_probe_is_asked_before_its_initial_delay_is_over() -> None:
    plan = pod(sidecar(liveness=probe()), main(liveness=probe(initial_delay=10)))
    sim = Simulation(plan, {"main": Script(start_takes=0.03)})
    sim.run(until=25)
    assert asked(sim, "liveness", "sidecar") == [0, 10, 20]
    assert asked(sim, "liveness") == [10.03, 20]


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        ({"period": 10}, [0, 10, 20, 30]),
        ({"period": 10, "initial_delay": 5}, [5, 15, 25, 35]),
        ({"period": 7}, [0, 7, 14, 21, 28, 35]),
    ],
)
def test_the_first_attempt_is_due_after_the_initial_delay_then_one_every_period(
    settings: dict[str, int], times: list[float]
) -> None:
    sim = Simulation(pod(main(liveness=probe(**settings))))
    sim.run(until=39)
    assert asked(sim, "liveness") == times


def test_an_attempt_that_takes_longer_than_the_period_leaves_one_tick_waiting() -> None:
    sim = Simulation(pod(main(liveness=probe(period=2))), {}, {"main": lambda *_: (OK, 5.0)})
    sim.run(until=20)
    assert asked(sim, "liveness") == [0, 5, 10, 15, 20]


def test_liveness_and_readiness_wait_for_the_startup_probe_to_succeed_once() -> None:
    plan = pod(main(startup=probe(period=3), liveness=probe(), readiness=probe(period=5)))
    sim = Simulation(plan, {}, {"main": answers(startup=lambda age: age >= 6)})
    sim.run(until=12)
    assert asked(sim, "startup") == [0, 3, 6]
    assert asked(sim, "liveness") == [10]
    assert asked(sim, "readiness") == [6, 11]


def test_readiness_is_asked_at_once_when_the_container_has_started_whatever_its_period() -> None:
    plan = pod(main(startup=probe(period=4), readiness=probe(period=300)))
    sim = Simulation(plan, {}, {"main": answers(startup=lambda age: age >= 4)})
    sim.run(until=10)
    assert asked(sim, "readiness") == [4]
    assert view(sim).ready


@pytest.mark.parametrize(
    ("pattern", "failures", "killed_at"),
    [("fff", 3, 20), ("ffsfff", 3, 50), ("f", 1, 0), ("ffuf", 3, 30)],
)
def test_a_result_changes_only_after_its_threshold_in_a_row(
    pattern: str, failures: int, killed_at: float
) -> None:
    """An answer that could not be had (u) neither counts nor breaks the row."""
    outcomes = {"f": FAIL, "s": OK, "u": UNKNOWN}
    plan = pod(main(liveness=probe(period=10, failure_threshold=failures)), policy=NEVER)
    sim = Simulation(
        plan, {}, {"main": lambda _kind, age, _now: (outcomes[(pattern + "s" * 9)[int(age // 10)]], 0.0)}
    )
    sim.run(until=100)
    assert sim.times("TERM main") == [killed_at]


def test_readiness_needs_its_success_threshold_to_come_back() -> None:
    plan = pod(main(readiness=probe(period=1, success_threshold=3, failure_threshold=2)))
    answers_ = "ssssffsss"
    sim = Simulation(
        plan, {}, {"main": lambda _kind, age, _now: (OK if answers_[int(age)] == "s" else FAIL, 0.0)}
    )
    ready = []
    for second in range(9):
        sim.run(until=second + 0.5)
        ready.append(view(sim).ready)
    assert ready == [False, False, True, True, True, False, False, False, True]


def test_the_row_of_failures_outlives_the_container() -> None:
    """Two failures before an ordinary crash and one after it make three."""
    plan = pod(main(liveness=probe(period=10, failure_threshold=3)))
    sim = Simulation(
        plan, {"main": [Script(run_for=15, exit_code=1), Script()]}, {"main": answers(liveness=FAIL)}
    )
    sim.run(until=16)
    assert asked(sim, "liveness") == [0, 10, 15]
    assert sim.times("TERM main") == [15]


def test_after_a_liveness_failure_nothing_is_asked_until_a_new_container_runs() -> None:
    plan = pod(main(liveness=probe(period=1, failure_threshold=2)))
    sim = Simulation(plan, {"main": Script(term_after=10)}, {"main": answers(liveness=lambda age: age > 5)})
    sim.run(until=11)
    assert asked(sim, "liveness") == [0, 1, 11]


def test_startup_is_asked_no_more_once_it_has_settled() -> None:
    sim = Simulation(pod(main(startup=probe(period=1))))
    sim.run(until=60)
    assert asked(sim, "startup") == [0]


def test_a_startup_probe_fails_after_initial_delay_and_threshold_times_period() -> None:
    plan = pod(main(startup=probe(initial_delay=5, period=10, failure_threshold=3)), policy=NEVER)
    sim = Simulation(plan, {}, {"main": answers(startup=FAIL)})
    sim.run(until=100)
    assert sim.times("TERM main") == [25]


def test_each_instance_has_to_pass_its_startup_probe_itself() -> None:
    sim = Simulation(pod(main(startup=probe(period=1))), {}, {"main": answers(startup=lambda age: age >= 2)})
    sim.run(until=5)
    assert view(sim).started
    sim.crash("main")
    sim.run(until=6)
    assert not view(sim).started
    sim.run(until=8)
    assert view(sim).started


@pytest.mark.parametrize(
    ("settings", "started", "ready"),
    [
        ({}, True, True),
        ({"startup": probe()}, False, False),
        ({"readiness": probe()}, True, False),
        ({"liveness": probe(failure_threshold=99)}, True, True),
    ],
)
def test_without_a_probe_a_running_container_counts_as_started_and_ready(
    settings: dict[str, object], *, started: bool, ready: bool
) -> None:
    for make, name in ((main, "main"), (sidecar, "a")):
        plan = pod(make(name, **settings), *([main("other")] if name == "a" else []))
        sim = Simulation(plan, {}, {name: answers(startup=FAIL, readiness=FAIL, liveness=FAIL)})
        sim.run(until=5)
        assert (view(sim, name).started, view(sim, name).ready) == (started, ready)


def test_a_plain_init_is_started_while_it_runs_and_ready_when_it_has_succeeded() -> None:
    sim = Simulation(pod(init(), main()), {"init": Script(run_for=5)})
    sim.run(until=3)
    assert (view(sim, "init").started, view(sim, "init").ready) == (True, False)
    sim.run(until=6)
    assert (view(sim, "init").started, view(sim, "init").ready) == (False, True)


def test_no_probe_runs_before_the_post_start_hook_has_returned() -> None:
    plan = pod(main(post_start=HOOK, liveness=probe(period=1)))
    sim = Simulation(plan, {"main": Script(hooks={"postStart": (5, None)})})
    sim.run(until=7)
    assert asked(sim, "liveness") == [5, 6, 7]


def test_an_answer_about_an_older_instance_is_dropped() -> None:
    plan = pod(main(liveness=probe(period=5, failure_threshold=1)))
    sim = Simulation(
        plan, {"main": [Script(run_for=3, exit_code=1), Script()]}, {"main": lambda *_: (FAIL, 4.0)}
    )
    sim.run(until=4.5)
    worker = sim.record.probes[probe_key("main", ProbeKind.LIVENESS)]
    assert (worker.container_id, worker.result) == (sim.newest("main").id, OK)


def test_while_a_pod_is_deleted_readiness_goes_on_and_liveness_does_not() -> None:
    settings = {"liveness": probe(period=1), "readiness": probe(period=1, failure_threshold=1)}
    sim = Simulation(
        pod(sidecar("a", **settings), main(**settings)),
        {"main": Script(term_after=5), "a": Script(term_after=1)},
        {"main": lambda kind, age, now: (FAIL if now > 11 else OK, 0.0)},
    )
    sim.run(until=9.5)
    sim.delete()
    sim.run(until=12.5)
    assert not view(sim).ready
    assert asked(sim, "readiness")[-3:] == [10, 11, 12]
    assert asked(sim, "liveness")[-1] == 9
    sim.run(until=30)
    assert asked(sim, "readiness", "a")[-1] == 15


def test_a_failure_is_an_event_and_so_is_a_warning() -> None:
    sim = Simulation(pod(main(readiness=probe(period=5))), {}, {"main": answers(readiness=FAIL)})
    sim.run(until=12)
    assert sim.messages("Unhealthy") == ["Readiness probe failed: scripted"] * 3
    sim = Simulation(pod(main(liveness=probe(period=5))), {}, {"main": answers(liveness=UNKNOWN)})
    sim.run(until=1)
    assert sim.messages("Unhealthy") == ["Liveness probe errored and resulted in unknown state: scripted"]
