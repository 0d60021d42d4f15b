"""How a pod ends (kuberuntime_container.go: killContainer, killContainersWithSyncResult; pod_workers.go)."""

from __future__ import annotations

import pytest
from tests.unit.lifecycle.builders import (
    HOOK,
    NEVER,
    ON_FAILURE,
    Row,
    answers,
    delete,
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

from pillion.lifecycle import (
    ContainerStarted,
    Deletion,
    MountVolumes,
    Observation,
    PodRecord,
    Stage,
    TearDown,
    VolumesMounted,
    decide,
)
from pillion.plan.podplan import PodPlan
from pillion.testing.simulation import Script, Simulation
from pillion.units import Instant

STUBBORN = Script(term_after=None)

ROWS = [
    Row(
        "mains are signalled at once, sidecars in reverse order as the one behind them is gone",
        pod(sidecar("a"), sidecar("b"), main("m"), main("n")),
        {n: Script(term_after=t) for n, t in {"a": 1, "b": 2, "m": 3, "n": 4}.items()},
        """
        0 start a
        0 start b
        0 start m
        0 start n
        10 delete grace=30
        10 TERM n
        10 TERM m
        13 exit m 0
        14 exit n 0
        14 TERM b
        16 exit b 0
        16 TERM a
        17 exit a 0
        """,
        acts=((10, delete()),),
        phase="Succeeded",
    ),
    Row(
        "without sidecars everything is signalled at once",
        pod(main("m"), main("n")),
        {"m": Script(term_after=3), "n": Script(term_after=1, term_code=143)},
        """
        0 start m
        0 start n
        10 delete grace=30
        10 TERM n
        10 TERM m
        11 exit n 143
        13 exit m 0
        """,
        acts=((10, delete()),),
        phase="Failed",
    ),
    Row(
        "the grace period is shared: what the main used is lost to the sidecars",
        pod(sidecar("a"), main()),
        {"main": Script(term_after=25), "a": STUBBORN},
        """
        0 start a
        0 start main
        10 delete grace=30
        10 TERM main
        35 exit main 0
        35 TERM a
        40 KILL a
        40 exit a 137
        """,
        acts=((10, delete()),),
        phase="Succeeded",
    ),
    Row(
        "when the grace period is used up every waiting sidecar is signalled at once and has two seconds",
        pod(sidecar("a"), sidecar("b"), main()),
        {"main": STUBBORN, "a": STUBBORN, "b": STUBBORN},
        """
        0 start a
        0 start b
        0 start main
        10 delete grace=30
        10 TERM main
        40 KILL main
        40 TERM b
        40 TERM a
        40 exit main 137
        42 KILL b
        42 KILL a
        42 exit b 137
        42 exit a 137
        """,
        acts=((10, delete()),),
        phase="Failed",
    ),
    Row(
        "preStop hooks of all containers run at once, a sidecar's too",
        pod(sidecar("a", pre_stop=HOOK), main(pre_stop=HOOK)),
        {"a": Script(hooks={"preStop": (1, None)}), "main": Script(hooks={"preStop": (5, None)})},
        """
        0 start a
        0 start main
        10 delete grace=30
        10 preStop main
        10 preStop a
        15 TERM main
        15 exit main 0
        15 TERM a
        15 exit a 0
        """,
        acts=((10, delete()),),
    ),
    Row(
        "preStop and the stop signal share the grace period, in whole seconds",
        pod(main(pre_stop=HOOK), grace_seconds=10),
        {"main": Script(term_after=None, hooks={"preStop": (3.7, None)})},
        """
        0 start main
        10 delete grace=10
        10 preStop main
        13.7 TERM main
        20.7 KILL main
        20.7 exit main 137
        """,
        acts=((10, delete()),),
    ),
    Row(
        "a preStop hook that outlasts the grace period is given up on; two seconds are left",
        pod(main(pre_stop=HOOK), grace_seconds=5),
        {"main": Script(term_after=None, hooks={"preStop": (60, None)})},
        """
        0 start main
        10 delete grace=5
        10 preStop main
        15 TERM main
        17 KILL main
        17 exit main 137
        """,
        acts=((10, delete()),),
    ),
    Row(
        "preStop hooks of sidecars that never return end them together at the end of the grace period",
        pod(sidecar("a", pre_stop=HOOK), sidecar("b", pre_stop=HOOK), main(), grace_seconds=5),
        {n: Script(term_after=None, hooks={"preStop": (60, None)}) for n in "ab"},
        """
        0 start a
        0 start b
        0 start main
        10 delete grace=5
        10 preStop b
        10 preStop a
        10 TERM main
        10 exit main 0
        15 TERM b
        15 TERM a
        17 KILL b
        17 KILL a
        17 exit b 137
        17 exit a 137
        """,
        acts=((10, delete()),),
        phase="Succeeded",
    ),
    Row(
        "a failed preStop hook does not stop the termination",
        pod(main(pre_stop=HOOK)),
        {"main": Script(hooks={"preStop": (1, "exit 1")})},
        """
        0 start main
        10 delete grace=30
        10 preStop main
        11 TERM main
        11 exit main 0
        """,
        acts=((10, delete()),),
    ),
    Row(
        "a container that ends during its preStop hook gets no stop signal, and its sidecar waits for the hook",
        pod(sidecar("a"), main(pre_stop=HOOK)),
        {"main": Script(run_for=12, hooks={"preStop": (5, None)})},
        """
        0 start a
        0 start main
        10 delete grace=30
        10 preStop main
        12 exit main 0
        15 TERM a
        15 exit a 0
        """,
        acts=((10, delete()),),
    ),
    Row(
        "a sidecar that does not run counts as gone, and nobody waits for those behind it",
        pod(sidecar("a"), sidecar("b"), sidecar("c"), main()),
        {"b": Script(run_for=1, exit_code=1), "c": Script(term_after=3), "a": Script(term_after=1)},
        """
        0 start a
        0 start b
        0 start c
        0 start main
        1 exit b 1
        1 start b
        2 exit b 1
        5 delete grace=30
        5 TERM main
        5 exit main 0
        5 TERM c
        5 TERM a
        6 exit a 0
        8 exit c 0
        """,
        acts=((5, delete()),),
    ),
    Row(
        "a running plain init container is signalled at once, the sidecars before it in reverse",
        pod(sidecar("a"), sidecar("b"), init("i"), main()),
        {"i": Script(term_after=2, term_code=143)},
        """
        0 start a
        0 start b
        0 start i
        10 delete grace=30
        10 TERM i
        10 TERM b
        10 exit b 0
        10 TERM a
        10 exit a 0
        12 exit i 143
        """,
        acts=((10, delete()),),
        phase="Failed",
    ),
    Row(
        "a sidecar that has not started yet is stopped like any other",
        pod(sidecar("a"), sidecar("b", startup=probe()), main()),
        {},
        """
        0 start a
        0 start b
        5 delete grace=30
        5 TERM b
        5 exit b 0
        5 TERM a
        5 exit a 0
        """,
        probes={"b": answers(startup=lambda _age: False)},
        acts=((5, delete()),),
        phase="Failed",
    ),
    Row(
        "a grace period of zero in the spec counts as one",
        pod(main(pre_stop=HOOK), grace_seconds=0),
        {"main": Script(term_after=None, hooks={"preStop": (9, None)})},
        """
        0 start main
        10 delete grace=1
        10 preStop main
        11 TERM main
        13 KILL main
        13 exit main 137
        """,
        acts=((10, delete(1)),),
    ),
    Row(
        "asked to end at once, everything is killed, hooks or not",
        pod(sidecar("a", pre_stop=HOOK), main(pre_stop=HOOK)),
        {},
        """
        0 start a
        0 start main
        10 delete grace=0
        10 KILL main
        10 KILL a
        10 exit main 137
        10 exit a 137
        """,
        acts=((10, delete(0)),),
    ),
    Row(
        "asked to end at once during a termination, what is left is killed",
        pod(sidecar("a"), main()),
        {"main": STUBBORN},
        """
        0 start a
        0 start main
        10 delete grace=30
        10 TERM main
        12 delete grace=0
        12 KILL main
        12 KILL a
        12 exit main 137
        12 exit a 137
        """,
        acts=((10, delete()), (12, delete(0))),
    ),
    Row(
        "a second deletion with a shorter grace period does not interrupt the kill that runs",
        pod(main()),
        {"main": STUBBORN},
        """
        0 start main
        10 delete grace=30
        10 TERM main
        12 delete grace=5
        40 KILL main
        40 exit main 137
        """,
        acts=((10, delete()), (12, delete(5))),
    ),
    Row(
        "the grace period of the deletion replaces the pod's, and the probe's never applies",
        pod(main(liveness=probe(grace_seconds=3)), grace_seconds=30),
        {"main": STUBBORN},
        """
        0 start main
        10 delete grace=6
        10 TERM main
        16 KILL main
        16 exit main 137
        """,
        acts=((10, delete(6)),),
    ),
    Row(
        "a pod deleted before its first container starts none",
        pod(init(), main()),
        {"init": Script(start_error=("CreateContainerConfigError", "no"))},
        """
        0 fail init
        3 delete grace=30
        """,
        acts=((3, delete()),),
        phase="Failed",
    ),
    Row(
        "a pod deleted in crash-loop backoff starts nothing again",
        pod(main()),
        {"main": Script(run_for=1, exit_code=1)},
        """
        0 start main
        1 exit main 1
        1 start main
        2 exit main 1
        5 delete grace=30
        """,
        acts=((5, delete()),),
        phase="Failed",
    ),
    Row(
        "a deletion waits for the postStart hook that runs, and for the starts of the same sync",
        pod(main("m", post_start=HOOK), main("n")),
        {"m": Script(hooks={"postStart": (8, None)})},
        """
        0 start m
        0 postStart m
        3 delete grace=30
        8 start n
        8 TERM n
        8 TERM m
        8 exit n 0
        8 exit m 0
        """,
        acts=((3, delete()),),
        phase="Succeeded",
    ),
    Row(
        "a deletion waits for a kill by a probe, and the container is started and stopped again",
        pod(main(liveness=probe(period=5, failure_threshold=1))),
        {"main": [Script(term_after=4), Script()]},
        """
        0 start main
        5 TERM main
        7 delete grace=30
        9 exit main 0
        9 start main
        9 TERM main
        9 exit main 0
        """,
        probes={"main": answers(liveness=lambda age: age < 5)},
        acts=((7, delete()),),
    ),
    Row(
        "sidecars end when the mains are done, with the pod's grace period",
        pod(sidecar("a", pre_stop=HOOK), sidecar("b"), main(), policy=ON_FAILURE, grace_seconds=5),
        {"main": Script(run_for=3), "a": Script(term_after=None, term_code=1)},
        """
        0 start a
        0 start b
        0 start main
        3 exit main 0
        3 preStop a
        3 TERM b
        3 exit b 0
        3 TERM a
        8 KILL a
        8 exit a 137
        """,
        phase="Succeeded",
    ),
    Row(
        "a sidecar's exit code never fails a pod",
        pod(sidecar("a"), main(), policy=NEVER),
        {"main": Script(run_for=3), "a": Script(term_code=3)},
        """
        0 start a
        0 start main
        3 exit main 0
        3 TERM a
        3 exit a 3
        """,
        phase="Succeeded",
    ),
    Row(
        "a sidecar that is down when the mains finish is not started again",
        pod(sidecar("a"), main(), policy=NEVER),
        {"main": Script(run_for=3, exit_code=2), "a": Script(run_for=1, exit_code=1)},
        """
        0 start a
        0 start main
        1 exit a 1
        1 start a
        2 exit a 1
        3 exit main 2
        """,
        phase="Failed",
    ),
    Row(
        "the active deadline ends the pod with its grace period, hooks and order",
        pod(sidecar("a", pre_stop=HOOK), main(), active_deadline=20),
        {"main": Script(term_after=3)},
        """
        0 start a
        0 start main
        20 preStop a
        20 TERM main
        23 exit main 0
        23 TERM a
        23 exit a 0
        """,
        phase="Failed",
    ),
    Row(
        "the active deadline counts while the pod is pending",
        pod(init(), main(), active_deadline=20),
        {"init": Script(start_error=("ErrImagePull", "no"))},
        """
        0 fail init
        10 fail init
        """,
        phase="Failed",
    ),
    Row(
        "an eviction has a grace period of one second",
        pod(main(pre_stop=HOOK)),
        {"main": Script(term_after=None, hooks={"preStop": (9, None)})},
        """
        0 start main
        5 preStop main
        6 TERM main
        8 KILL main
        8 exit main 137
        """,
        acts=((5, lambda sim: sim.evict("too big")),),
        phase="Failed",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=rule_of)
def test_termination(row: Row) -> None:
    sim = lived(row)
    assert told(sim) == expected(row)
    assert row.phase in (None, sim.record.phase)
    assert sim.record.stage is Stage.FINISHED
    assert sim.texts()[-1] == "tear down"


def test_the_sandbox_stops_when_the_last_container_is_gone_and_before_the_pod_is_removed() -> None:
    sim = Simulation(pod(sidecar("a"), main()), {"main": Script(term_after=2)})
    sim.run(until=5)
    sim.delete()
    sim.run(until=50)
    assert (sim.times("exit a 0"), sim.times("stop sandbox"), sim.times("tear down")) == ([7], [7], [7])


def test_each_stopped_container_has_one_killing_event_and_a_failed_hook_is_told() -> None:
    plan = pod(sidecar("a"), main(pre_stop=HOOK))
    sim = Simulation(plan, {"main": Script(hooks={"preStop": (1, "exit 1")})})
    sim.run(until=5)
    sim.delete()
    sim.run(until=50)
    assert sorted(sim.messages("Killing")) == ["Stopping container a", "Stopping container main"]
    assert sim.messages("FailedPreStopHook") == ["PreStopHook failed"]


def test_a_failed_post_start_hook_is_told_and_kills_with_its_reason() -> None:
    plan = pod(main(post_start=HOOK), policy=NEVER)
    sim = Simulation(plan, {"main": Script(hooks={"postStart": (1, "exit 1")})})
    sim.run(until=5)
    assert sim.messages("FailedPostStartHook") == ["PostStartHook failed"]
    assert sim.messages("Killing") == ["FailedPostStartHook"]


def test_the_deadline_says_so_once_and_names_the_reason() -> None:
    sim = Simulation(pod(main(), active_deadline=20), {"main": Script(term_after=5)})
    sim.run(until=100)
    message = "Pod was active on the node longer than the specified deadline"
    assert sim.messages("DeadlineExceeded") == [message]
    assert sim.record.ending is not None
    assert (sim.record.ending.reason, sim.record.ending.message) == ("DeadlineExceeded", message)


@pytest.mark.parametrize(
    ("plan", "scripts", "at", "old", "final"),
    [
        (pod(main()), {"main": Script(term_after=5)}, 10, "Running", "Succeeded"),
        (pod(main()), {"main": Script(term_after=5, term_code=143)}, 10, "Running", "Failed"),
        (pod(init(), main()), {"init": Script(term_after=5)}, 10, "Pending", "Failed"),
        (
            pod(main("m"), main("n"), policy=NEVER),
            {"m": Script(run_for=5, exit_code=1), "n": Script(term_after=5)},
            6,
            "Running",
            "Failed",
        ),
    ],
)
def test_the_phase_stays_until_the_last_container_is_gone(
    plan: PodPlan, scripts: dict[str, Script], at: float, old: str, final: str
) -> None:
    sim = Simulation(plan, scripts)
    sim.run(until=at)
    sim.delete()
    sim.run(until=at + 4)
    assert sim.record.phase == old
    sim.run(until=at + 60)
    assert sim.record.phase == final


def test_a_failed_init_container_shows_as_failed_only_when_its_sidecars_are_gone() -> None:
    plan = pod(sidecar("a"), init("b"), main(), policy=NEVER)
    sim = Simulation(plan, {"a": Script(term_after=5), "b": Script(run_for=2, exit_code=1)})
    sim.run(until=60)
    assert sim.phases == [(0.0, "Pending"), (7.0, "Failed")]


def test_a_start_that_comes_in_late_is_undone_before_the_pod_ends() -> None:
    """The daemon was killed while a start was under way, and the pod was deleted before it came back."""
    sim = Simulation(pod(main("m"), main("n")), {"n": Script(start_takes=5)})
    sim.run(until=1)
    sim.delete()
    sim.run(until=60)
    assert told(sim) == [
        "0 start m",
        "1 delete grace=30",
        "5 start n",
        "5 TERM n",
        "5 TERM m",
        "5 exit n 0",
        "5 exit m 0",
    ]


@pytest.mark.parametrize("takes", [3.0, 0.5])
def test_asked_to_end_at_once_a_pod_waits_for_the_start_that_is_under_way(takes: float) -> None:
    """Removing a pod beside a runtime that still makes a container of it would leave that container behind."""
    sim = Simulation(pod(main(post_start=HOOK)), {"main": Script(start_takes=takes)})
    sim.run(until=0.1)
    sim.delete(0)
    sim.run(until=60)
    assert [text for _, text in sim.log if text != "mount"] == [
        "sandbox 0",
        "delete grace=0",
        "start main",
        "KILL main",
        "exit main 137",
        "stop sandbox",
        "tear down",
    ]
    assert sim.times("tear down") == [takes]


def test_a_pod_deleted_while_its_volumes_are_mounted_is_removed_after_that() -> None:
    plan = pod(main())
    deletion = Deletion(grace_seconds=30, requested_at=Instant(1))
    begun = decide(plan, PodRecord(), Observation(), Instant(0))
    assert [type(a) for a in begun.actions] == [MountVolumes]
    waits = decide(plan, begun.record, Observation(deletion=deletion), Instant(1))
    assert not waits.actions
    mounted = Observation(deletion=deletion, outcomes=(VolumesMounted(at=Instant(2)),))
    assert [type(a) for a in decide(plan, waits.record, mounted, Instant(2)).actions] == [TearDown]


def test_an_outcome_of_a_finished_pod_changes_nothing() -> None:
    sim = Simulation(pod(main()))
    sim.run(until=1)
    sim.delete()
    sim.run(until=5)
    record = sim.record
    sim.tell(ContainerStarted(at=Instant(6), name="main", id="late"))
    sim._decide()
    assert sim.record.stage is record.stage is Stage.FINISHED
    assert not sim.decisions[-1][1].actions
