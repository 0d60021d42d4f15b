"""Restarts: policies, rules, backoff, kills by probes (doBackOff, ShouldContainerBeRestarted, computePodActions)."""

from __future__ import annotations

import pytest
from tests.unit.lifecycle.builders import (
    ALWAYS,
    HOOK,
    NEVER,
    ON_FAILURE,
    Row,
    answers,
    expected,
    init,
    lived,
    main,
    pod,
    probe,
    rule_of,
    sidecar,
    told,
)

from pillion.lifecycle import ProbeOutcome, Waiting
from pillion.lifecycle.states import view_all
from pillion.lifecycle.turn import Turn
from pillion.plan.podplan import PodPlan, RestartPolicy, RestartRule
from pillion.testing.simulation import Script, Simulation
from pillion.units import Instant

FAIL = ProbeOutcome.FAILURE
LIVENESS = {"liveness": probe(period=5, failure_threshold=1)}


@pytest.mark.parametrize(
    ("run_for", "starts"),
    [
        (1, [0, 1, 12, 33, 74, 155, 316, 617, 918, 1219]),
        # The delay counts from the finish, and only an instance that ended 600 s after the last start begins anew.
        (100, [0, 100, 210, 330, 470, 650, 910, 1310]),
        (601, [0, 601, 1202]),
        # Five minutes of backoff and six of running: the entry is forgotten 600 s after its last use.
        (360, [0, 360, 730, 1110]),
    ],
)
def test_the_first_restart_is_immediate_then_the_delay_doubles_to_five_minutes(
    run_for: float, starts: list[float]
) -> None:
    sim = Simulation(pod(main()), {"main": Script(run_for=run_for, exit_code=1)})
    sim.run(until=starts[-1] + 1)
    assert sim.times("start main") == starts


def test_a_backoff_not_used_for_ten_minutes_is_forgotten() -> None:
    crashes = [Script(run_for=1, exit_code=1)] * 7
    sim = Simulation(pod(main()), {"main": [*crashes, Script(run_for=400, exit_code=1)]})
    sim.run(until=4000)
    # Restarted at 617 after 300 s; that instance ends at 1017 and would wait until 1317, but the entry goes at 1217.
    assert sim.times("start main")[6:10] == [316, 617, 1217, 1627]


def test_a_new_backoff_key_starts_a_new_backoff() -> None:
    sim = Simulation(pod(main(backoff_key="1")), {"main": Script(run_for=1, exit_code=1)})
    sim.run(until=20)
    assert sim.times("start main") == [0, 1, 12]
    sim.change(pod(main(backoff_key="2")))
    sim.run(until=32)
    assert sim.times("start main") == [0, 1, 12, 20, 31]


def test_backoff_shows_as_waiting_with_the_exit_as_last_state_and_one_event_per_refusal() -> None:
    sim = Simulation(pod(main()), {"main": Script(run_for=1, exit_code=7)})
    sim.run(until=5)
    view = view_all(Turn(sim.plan, sim.record, sim.seen(), Instant(5)))["main"]
    assert view.state == Waiting(
        reason="CrashLoopBackOff", message="back-off 10s restarting failed container=main pod=p_ns(u1)"
    )
    assert view.last is not None
    assert (view.last.exit_code, view.restart_count) == (7, 1)
    sim.run(until=400)
    assert sim.messages("BackOff") == ["Back-off restarting failed container main in pod p_ns(u1)"] * 6
    waits = [c.message.split()[1] for c in _waiting_messages(sim)]
    assert waits == ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s"]


def _waiting_messages(sim: Simulation) -> list[Waiting]:
    messages: list[Waiting] = []
    for seen, decision in sim.decisions:
        state = view_all(Turn(sim.plan, decision.record, seen, Instant(0)))["main"].state
        if isinstance(state, Waiting) and state.reason == "CrashLoopBackOff" and state not in messages:
            messages.append(state)
    return messages


@pytest.mark.parametrize(
    ("policy", "own", "code", "restarts"),
    [
        (ALWAYS, None, 0, True),
        (ALWAYS, None, 1, True),
        (ON_FAILURE, None, 0, False),
        (ON_FAILURE, None, 1, True),
        (NEVER, None, 1, False),
        (NEVER, ALWAYS, 0, True),
        (NEVER, ON_FAILURE, 1, True),
        (NEVER, ON_FAILURE, 0, False),
        (ALWAYS, NEVER, 1, False),
        (ALWAYS, ON_FAILURE, 0, False),
    ],
)
def test_a_main_restarts_by_its_own_policy_or_else_the_pods(
    policy: RestartPolicy, own: RestartPolicy | None, code: int, *, restarts: bool
) -> None:
    sim = Simulation(
        pod(main(restart_policy=own), main("other"), policy=policy),
        {"main": [Script(run_for=1, exit_code=code), Script()]},
    )
    sim.run(until=5)
    assert sim.times("start main") == ([0, 1] if restarts else [0])
    assert sim.times("start other") == [0]
    assert sim.record.phase == "Running"


RESTART, REFUSE = "Restart", None


@pytest.mark.parametrize(
    ("rules", "code", "restarts"),
    [
        ([("In", (42,))], 42, True),
        ([("In", (42,))], 1, False),
        ([("In", (1, 42))], 42, True),
        ([("NotIn", (42,))], 1, True),
        ([("NotIn", (42,))], 42, False),
        ([("In", (0,))], 0, True),
    ],
)
def test_the_first_matching_rule_restarts_before_any_policy_is_asked(
    rules: list[tuple[str, tuple[int, ...]]], code: int, *, restarts: bool
) -> None:
    plan = pod(
        main(
            restart_policy=NEVER,
            restart_rules=tuple(RestartRule(action="Restart", operator=o, values=v) for o, v in rules),
        ),
        main("other"),
    )
    sim = Simulation(plan, {"main": [Script(run_for=1, exit_code=code), Script()]})
    sim.run(until=5)
    assert sim.times("start main") == ([0, 1] if restarts else [0])


def test_rules_count_only_beside_a_policy_of_the_container() -> None:
    rule = RestartRule(action="Restart", operator="In", values=(1,))
    sim = Simulation(pod(main(restart_rules=(rule,)), policy=NEVER), {"main": Script(run_for=1, exit_code=1)})
    sim.run(until=5)
    assert sim.times("start main") == [0]


ALL = RestartRule(action="RestartAllContainers", operator="In", values=(42,))

ROWS = [
    Row(
        "a main that fails its liveness probe is killed and started again in the same sync",
        pod(main(**LIVENESS)),
        {"main": Script(term_after=3, term_code=143)},
        """
        0 start main
        10 TERM main
        13 exit main 143
        13 start main
        """,
        probes={"main": answers(liveness=lambda age: age < 10)},
        until=20,
    ),
    Row(
        "OnFailure restarts after a kill by a probe even if the process exits 0",
        pod(main(**LIVENESS), policy=ON_FAILURE),
        {},
        """
        0 start main
        5 TERM main
        5 exit main 0
        5 start main
        """,
        probes={"main": answers(liveness=lambda age: age < 5)},
        until=9,
    ),
    Row(
        "Never does not restart after a kill by a probe; the exit code decides the phase",
        pod(main(**LIVENESS), policy=NEVER),
        {"main": Script(term_code=143)},
        """
        0 start main
        5 TERM main
        5 exit main 143
        """,
        probes={"main": answers(liveness=lambda age: age < 5)},
        phase="Failed",
    ),
    Row(
        "rules are not asked when a probe kills: there is no exit code yet",
        pod(
            main(
                restart_policy=NEVER,
                restart_rules=(RestartRule(action="Restart", operator="In", values=(143,)),),
                **LIVENESS,
            ),
            main("other"),
        ),
        {"main": Script(term_after=1, term_code=9)},
        """
        0 start main
        0 start other
        5 TERM main
        6 exit main 9
        """,
        probes={"main": answers(liveness=lambda age: age < 5)},
        until=30,
    ),
    Row(
        "the preStop hook runs before a kill by a probe, inside the grace period of the probe",
        pod(
            main(liveness=probe(period=5, failure_threshold=1, grace_seconds=4), pre_stop=HOOK),
            grace_seconds=60,
        ),
        {"main": [Script(term_after=None, hooks={"preStop": (1, None)}), Script()]},
        """
        0 start main
        5 preStop main
        6 TERM main
        9 KILL main
        9 exit main 137
        9 start main
        """,
        probes={"main": lambda kind, age, now: (FAIL if now == 5 else ProbeOutcome.SUCCESS, 0.0)},
        until=30,
    ),
    Row(
        "the first kill by a probe restarts at once, later ones are measured from the finish before",
        pod(main(liveness=probe(period=1, failure_threshold=1))),
        {},
        """
        0 start main
        2 TERM main
        2 exit main 0
        2 start main
        4 TERM main
        4 exit main 0
        4 start main
        4 remove main
        6 TERM main
        6 exit main 0
        16 start main
        16 remove main
        18 TERM main
        18 exit main 0
        38 start main
        38 remove main
        """,
        probes={"main": answers(liveness=lambda age: age < 2)},
        until=39,
    ),
    Row(
        "two mains that fail are killed one after the other, then both start again in order",
        pod(main("m", **LIVENESS), main("n", **LIVENESS)),
        {"m": Script(term_after=2), "n": Script(term_after=3)},
        """
        0 start m
        0 start n
        5 TERM m
        7 exit m 0
        7 TERM n
        10 exit n 0
        10 start m
        10 start n
        """,
        probes={
            "m": answers(liveness=lambda age: age != 5),
            "n": answers(liveness=lambda age: age != 5),
        },
        until=14,
    ),
    Row(
        "a sidecar that fails its liveness probe beside running mains is restarted alone",
        pod(sidecar("a", **LIVENESS), main(), policy=NEVER),
        {"a": Script(term_code=143)},
        """
        0 start a
        0 start main
        5 TERM a
        5 exit a 143
        5 start a
        """,
        probes={"a": answers(liveness=lambda age: age < 5)},
        until=9,
        phase="Running",
    ),
    Row(
        "RestartAllContainers kills the others without hooks and 2 s of grace, and begins again with init 0",
        pod(
            init("i"),
            sidecar("a", pre_stop=HOOK),
            main("m", restart_policy=NEVER, restart_rules=(ALL,)),
            main("n", pre_stop=HOOK),
        ),
        {
            "i": Script(run_for=1),
            "a": [Script(term_after=None), Script()],
            "m": [Script(run_for=4, exit_code=42), Script()],
            "n": Script(term_after=1),
        },
        """
        0 start i
        1 exit i 0
        1 start a
        1 start m
        1 start n
        5 exit m 42
        5 TERM n
        6 exit n 0
        6 TERM a
        8 KILL a
        8 exit a 137
        8 remove i
        8 remove a
        8 remove m
        8 remove n
        8 start i
        9 exit i 0
        9 start a
        9 start m
        9 start n
        """,
        until=20,
        phase="Running",
    ),
    Row(
        "an init container may restart all containers too",
        pod(init("i"), init("j", restart_policy=NEVER, restart_rules=(ALL,)), main(), policy=NEVER),
        {"i": Script(run_for=1), "j": [Script(run_for=1, exit_code=42), Script(run_for=1)]},
        """
        0 start i
        1 exit i 0
        1 start j
        2 exit j 42
        2 remove i
        2 remove j
        2 start i
        3 exit i 0
        3 start j
        4 exit j 0
        4 start main
        """,
        until=20,
    ),
    Row(
        "RestartAllContainers knows no crash-loop delay",
        pod(main(restart_policy=NEVER, restart_rules=(ALL,))),
        {"main": Script(run_for=1, exit_code=42)},
        """
        0 start main
        1 exit main 42
        1 remove main
        1 start main
        2 exit main 42
        2 remove main
        2 start main
        3 exit main 42
        3 remove main
        3 start main
        """,
        until=3.5,
        phase="Running",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=rule_of)
def test_restarts(row: Row) -> None:
    sim = lived(row)
    assert told(sim) == expected(row)
    assert row.phase in (None, sim.record.phase)


@pytest.mark.parametrize(
    ("plan", "changed", "message"),
    [
        (pod(main(**LIVENESS)), None, "Container main failed liveness probe, will be restarted"),
        (pod(main(**LIVENESS), main("n"), policy=NEVER), None, "Container main failed liveness probe"),
        (
            pod(main(startup=probe(period=1, failure_threshold=1))),
            None,
            "Container main failed startup probe, will be restarted",
        ),
        (
            pod(main(hash="1"), policy=NEVER),
            pod(main(hash="2"), policy=NEVER),
            "Container main definition changed, will be restarted",
        ),
        (pod(sidecar("main", **LIVENESS), main("n")), None, "Init container main failed liveness probe"),
        (
            pod(sidecar("main", startup=probe(period=1, failure_threshold=1)), main("n")),
            None,
            "Init container main failed startup probe",
        ),
        (
            pod(sidecar("main", hash="1"), main("n")),
            pod(sidecar("main", hash="2"), main("n")),
            "Init container main definition changed",
        ),
        # Nothing is kept and nothing is to be started: the whole pod is killed, and says so.
        (pod(main(**LIVENESS), policy=NEVER), None, "Stopping container main"),
    ],
)
def test_a_kill_says_why_and_whether_a_restart_follows(
    plan: PodPlan, changed: PodPlan | None, message: str
) -> None:
    sim = Simulation(plan, {}, {"main": answers(liveness=FAIL, startup=FAIL)})
    sim.run(until=1)
    if changed is not None:
        sim.change(changed)
    sim.run(until=9)
    assert sim.messages("Killing")[0] == message


def test_a_failed_pull_is_tried_again_after_10_20_40_seconds_and_shows_both_reasons() -> None:
    sim = Simulation(pod(main(image="x")), {"main": Script(start_error=("ErrImagePull", "not found"))})
    sim.run(until=200)
    assert sim.times("fail main") == [0, 10, 30, 70, 150]
    assert sim.reasons("main")[:4] == ["Failed", "BackOff", "Failed", "Failed"]
    assert sim.messages("BackOff")[0] == 'Back-off pulling image "x"'
    error = sim.record.containers["main"].start_error
    assert error is not None
    assert (error.reason, error.message) == (
        "ImagePullBackOff",
        'Back-off pulling image "x": ErrImagePull: not found',
    )


def test_a_configuration_error_is_tried_again_every_ten_seconds_and_costs_no_restart() -> None:
    broken = Script(start_error=("CreateContainerConfigError", 'configmap "x" not found'))
    sim = Simulation(pod(main()), {"main": broken})
    sim.run(until=25)
    assert sim.times("fail main") == [0, 10, 20]
    assert sim.messages("Failed") == ['Error: configmap "x" not found'] * 3
    view = view_all(Turn(sim.plan, sim.record, sim.seen(), Instant(25)))["main"]
    assert (view.state, view.restart_count) == (
        Waiting(reason="CreateContainerConfigError", message='configmap "x" not found'),
        0,
    )
