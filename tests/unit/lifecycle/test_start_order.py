"""Who starts when (kuberuntime_manager.go: SyncPod, computePodActions; computeInitContainerActions)."""

from __future__ import annotations

import pytest
from tests.unit.lifecycle.builders import (
    HOOK,
    NEVER,
    ON_FAILURE,
    Row,
    answers,
    container,
    crash,
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

from pillion.lifecycle import ProbeOutcome
from pillion.plan.podplan import Role
from pillion.testing.simulation import Script, Simulation

STARTUP = {"startup": probe(period=1, failure_threshold=30)}
FAIL, OK = ProbeOutcome.FAILURE, ProbeOutcome.SUCCESS

ROWS = [
    Row(
        "plain init containers run one after the other, then the mains together",
        pod(init("a"), init("b"), main("m"), main("n")),
        {"a": Script(run_for=2), "b": Script(run_for=3)},
        """
        0 start a
        2 exit a 0
        2 start b
        5 exit b 0
        5 start m
        5 start n
        """,
    ),
    Row(
        "a sidecar without a startup probe lets the next one start at once",
        pod(sidecar("a"), sidecar("b"), main()),
        {},
        """
        0 start a
        0 start b
        0 start main
        """,
        phase="Running",
    ),
    Row(
        "a sidecar's startup probe holds back everything after it",
        pod(sidecar("a", **STARTUP), init("b"), main()),
        {"b": Script(run_for=1)},
        """
        0 start a
        3 start b
        4 exit b 0
        4 start main
        """,
        probes={"a": answers(startup=lambda age: age >= 3)},
    ),
    Row(
        "a sidecar that is never ready holds back nothing",
        pod(sidecar("a", readiness=probe()), main()),
        {},
        """
        0 start a
        0 start main
        """,
        probes={"a": answers(readiness=FAIL)},
        until=30,
        phase="Running",
    ),
    Row(
        "nothing of the pod starts before the postStart hook of a sidecar returns",
        pod(sidecar("a", post_start=HOOK), sidecar("b"), main()),
        {"a": Script(hooks={"postStart": (4, None)})},
        """
        0 start a
        0 postStart a
        4 start b
        4 start main
        """,
    ),
    Row(
        "the second main waits for the postStart hook of the first, not for its readiness",
        pod(main("m", post_start=HOOK, readiness=probe()), main("n")),
        {"m": Script(hooks={"postStart": (3, None)})},
        """
        0 start m
        0 postStart m
        3 start n
        """,
        probes={"m": answers(readiness=FAIL)},
        until=20,
    ),
    Row(
        "a sidecar that fails its liveness probe does not hold back the next container",
        pod(
            sidecar("a", liveness=probe(period=1, failure_threshold=1), startup=probe(period=1)),
            init("b"),
            main(),
        ),
        {"a": [Script(term_after=5), Script()], "b": Script(run_for=3)},
        """
        0 start a
        2 start b
        2 TERM a
        5 exit b 0
        7 exit a 0
        7 start a
        7 start main
        """,
        probes={
            "a": lambda kind, age, now: (FAIL if (kind == "startup") == (age < 2) and now < 6 else OK, 0.0)
        },
        until=20,
    ),
    Row(
        "a sidecar that fails its startup probe is killed, begins again and holds back what follows",
        pod(sidecar("a", startup=probe(period=1, failure_threshold=3)), main()),
        {},
        """
        0 start a
        2 TERM a
        2 exit a 0
        2 start a
        2 start main
        """,
        probes={"a": lambda kind, age, now: (FAIL if now < 2 or age > 1 else OK, 0.0)},
        until=3,
    ),
    Row(
        "a failed init container is restarted in place with backoff; earlier ones are not",
        pod(init("a"), init("b"), main()),
        {"a": Script(run_for=1), "b": [Script(run_for=1, exit_code=3)] * 2 + [Script(run_for=1)]},
        """
        0 start a
        1 exit a 0
        1 start b
        2 exit b 3
        2 start b
        3 exit b 3
        13 start b
        13 remove b
        14 exit b 0
        14 start main
        """,
    ),
    Row(
        "an init container that was OOM-killed has failed even with exit code 0",
        pod(init(), main()),
        {"init": [Script(run_for=1, reason="OOMKilled"), Script(run_for=1)]},
        """
        0 start init
        1 exit init 0
        1 start init
        2 exit init 0
        2 start main
        """,
    ),
    Row(
        "a failed init container under Never ends the pod: sidecars stop, mains never start",
        pod(sidecar("a"), init("b"), main(), policy=NEVER),
        {"b": Script(run_for=2, exit_code=1)},
        """
        0 start a
        0 start b
        2 exit b 1
        2 TERM a
        2 exit a 0
        """,
        phase="Failed",
    ),
    Row(
        "an init container's own policy overrides the pod's",
        pod(init(restart_policy=NEVER), main()),
        {"init": Script(run_for=1, exit_code=1)},
        """
        0 start init
        1 exit init 1
        """,
        phase="Failed",
    ),
    Row(
        "a sidecar that crashes before it has started holds back the rest, also with exit code 0",
        pod(sidecar("a", **STARTUP), main(), policy=NEVER),
        {"a": [Script(run_for=1), Script(run_for=1), Script()]},
        """
        0 start a
        1 exit a 0
        1 start a
        2 exit a 0
        12 start a
        12 remove a
        14 start main
        """,
        probes={"a": answers(startup=lambda age: age >= 2)},
        until=20,
    ),
    Row(
        "a sidecar that crashes while a later init runs is restarted beside it",
        pod(sidecar("a"), init("b"), main(), policy=NEVER),
        {"a": [Script(run_for=2, exit_code=1), Script()], "b": Script(run_for=5), "main": Script(run_for=5)},
        """
        0 start a
        0 start b
        2 exit a 1
        2 start a
        5 exit b 0
        5 start main
        10 exit main 0
        10 TERM a
        10 exit a 0
        """,
        phase="Succeeded",
    ),
    Row(
        "a sidecar in CrashLoopBackOff does not delay the next container of a pod that is past it",
        pod(sidecar("a"), init("b"), main()),
        {"a": Script(run_for=1, exit_code=1), "b": Script(run_for=8)},
        """
        0 start a
        0 start b
        1 exit a 1
        1 start a
        2 exit a 1
        8 exit b 0
        8 start main
        """,
        until=11,
    ),
    Row(
        "a crashed only main waits for the last init container when that is a sidecar which is down",
        pod(sidecar("a"), main()),
        {"a": [Script(run_for=1, exit_code=1), Script(run_for=2, exit_code=1), Script()]},
        """
        0 start a
        0 start main
        1 exit a 1
        1 start a
        3 exit a 1
        5 exit main 1
        13 start a
        13 remove a
        13 start main
        """,
        acts=((5, crash("main")),),
        until=20,
    ),
    Row(
        "a crashed only main waits for the startup probe of a restarted last sidecar",
        pod(sidecar("a", **STARTUP), main()),
        {},
        """
        0 start a
        2 start main
        10 exit a 1
        10 exit main 1
        10 start a
        12 start main
        """,
        probes={"a": answers(startup=lambda age: age >= 2)},
        acts=((10, lambda sim: (sim.crash("a"), sim.crash("main"))),),
        until=20,
    ),
    Row(
        "a crashed only main restarts whatever earlier sidecars do when the last init is plain and done",
        pod(sidecar("a"), init("b"), main()),
        {"a": Script(run_for=4, exit_code=1), "b": Script(run_for=1)},
        """
        0 start a
        0 start b
        1 exit b 0
        1 start main
        4 exit a 1
        4 start a
        8 exit a 1
        9 exit main 1
        9 start main
        """,
        acts=((9, crash("main")),),
        until=12,
    ),
    Row(
        "another main that still runs lets a crashed one restart past a sidecar that is down",
        pod(sidecar("a"), main("m"), main("n")),
        {"a": Script(run_for=1, exit_code=1)},
        """
        0 start a
        0 start m
        0 start n
        1 exit a 1
        1 start a
        2 exit a 1
        5 exit m 1
        5 start m
        """,
        acts=((5, crash("m")),),
        until=10,
    ),
    Row(
        "a sidecar that cannot be started is skipped over in the list, a plain init ends it",
        pod(sidecar("a"), sidecar("b"), init("c"), main()),
        {"a": [Script(), Script(start_error=("CreateContainerConfigError", "no"))], "c": Script(run_for=3)},
        """
        0 start a
        0 start b
        0 start c
        1 exit a 1
        1 fail a
        2 exit b 1
        2 start b
        3 exit c 0
        3 start main
        """,
        acts=((1, crash("a")), (2, crash("b"))),
        until=5,
    ),
    Row(
        "a main that cannot be started does not stop the others",
        pod(main("m"), main("n")),
        {"m": Script(start_error=("CreateContainerConfigError", "no"))},
        """
        0 fail m
        0 start n
        10 fail m
        20 fail m
        """,
        until=20,
        phase="Pending",
    ),
    Row(
        "a failed postStart hook of a main kills it with its grace period; the other mains start",
        pod(main("m", post_start=HOOK, pre_stop=HOOK), main("n"), policy=NEVER),
        {"m": Script(hooks={"postStart": (1, "exit 1"), "preStop": (2, None)}, term_after=1, term_code=143)},
        """
        0 start m
        0 postStart m
        1 preStop m
        3 TERM m
        4 exit m 143
        4 start n
        """,
    ),
    Row(
        "a failed postStart hook of a sidecar is skipped over; the sidecar begins again",
        pod(sidecar("a", post_start=HOOK), main()),
        {"a": [Script(hooks={"postStart": (1, "exit 1")}), Script(hooks={"postStart": (1, None)})]},
        """
        0 start a
        0 postStart a
        1 TERM a
        1 exit a 0
        1 start a
        1 postStart a
        2 start main
        """,
    ),
    Row(
        "a sidecar's image that cannot be pulled holds back what follows and is tried again",
        pod(sidecar("a"), main()),
        {"a": [Script(start_error=("ErrImagePull", "no such image"))]},
        """
        0 fail a
        10 fail a
        30 fail a
        70 fail a
        """,
        until=100,
        phase="Pending",
    ),
    Row(
        "a deleted pod starts nothing once the present sync is over",
        pod(init("a"), init("b"), main()),
        {"a": Script(run_for=5, term_code=143)},
        """
        0 start a
        2 delete grace=30
        2 TERM a
        2 exit a 143
        """,
        acts=((2, delete()),),
        phase="Failed",
    ),
    Row(
        "an ephemeral container starts during initialisation, once, and is never restarted",
        pod(init(), main(), container("debug", Role.EPHEMERAL)),
        {"init": Script(run_for=2), "debug": Script(run_for=1, exit_code=1)},
        """
        0 start init
        0 start debug
        1 exit debug 1
        2 exit init 0
        2 start main
        """,
        phase="Running",
    ),
    Row(
        "a running ephemeral container keeps no pod alive",
        pod(main(), container("debug", Role.EPHEMERAL), policy=NEVER),
        {"main": Script(run_for=2)},
        """
        0 start main
        0 start debug
        2 exit main 0
        2 TERM debug
        2 exit debug 0
        """,
        phase="Succeeded",
    ),
    Row(
        "a lost sandbox begins the pod again from its first init container",
        pod(init("a"), sidecar("b"), main()),
        {"a": Script(run_for=1)},
        """
        0 start a
        1 exit a 0
        1 start b
        1 start main
        10 exit main 137
        10 exit b 137
        10 remove a
        10 remove b
        10 sandbox 1
        10 start a
        11 exit a 0
        11 start b
        11 start main
        """,
        acts=((10, Simulation.lose_sandbox),),
        until=15,
    ),
    Row(
        "a lost sandbox under Never ends the pod",
        pod(sidecar("b"), main(), policy=NEVER),
        {},
        """
        0 start b
        0 start main
        10 exit main 137
        10 exit b 137
        """,
        acts=((10, Simulation.lose_sandbox),),
        phase="Failed",
    ),
    Row(
        "a lost sandbox under OnFailure starts no main that succeeded",
        pod(main("m"), main("n"), policy=ON_FAILURE),
        {"m": Script(run_for=3)},
        """
        0 start m
        0 start n
        3 exit m 0
        10 exit n 137
        10 sandbox 1
        10 start n
        """,
        acts=((10, Simulation.lose_sandbox),),
        until=15,
        phase="Running",
    ),
    Row(
        "a sidecar whose instance vanished is started again when a later container has one",
        pod(sidecar("a"), init("b"), main()),
        {"b": Script(run_for=1)},
        """
        0 start a
        0 start b
        1 exit b 0
        1 start main
        5 start a
        """,
        acts=((5, lambda sim: sim.lose_instances("a")),),
        until=10,
    ),
    Row(
        "a plain init whose instance vanished is not run again while a main runs",
        pod(init(), main()),
        {"init": Script(run_for=1)},
        """
        0 start init
        1 exit init 0
        1 start main
        """,
        acts=((5, lambda sim: sim.lose_instances("init")),),
        until=10,
        phase="Running",
    ),
    Row(
        "a changed image of a main kills it and starts it again, under Never too",
        pod(main(hash="1"), policy=NEVER),
        {},
        """
        0 start main
        5 TERM main
        5 exit main 0
        5 start main
        """,
        acts=((5, lambda sim: sim.change(pod(main(hash="2"), policy=NEVER))),),
        until=10,
        phase="Running",
    ),
    Row(
        "a changed image of a plain init that is done changes nothing",
        pod(init(hash="1"), main()),
        {"init": Script(run_for=1)},
        """
        0 start init
        1 exit init 0
        1 start main
        """,
        acts=((5, lambda sim: sim.change(pod(init(hash="2"), main()))),),
        until=10,
    ),
    Row(
        "a changed image that could not be pulled is tried at once",
        pod(main(image="bad", backoff_key="1")),
        {"main": [Script(start_error=("ErrImagePull", "no"))]},
        """
        0 fail main
        3 fail main
        """,
        acts=((3, lambda sim: sim.change(pod(main(image="good", backoff_key="2")))),),
        until=5,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=rule_of)
def test_start_order(row: Row) -> None:
    sim = lived(row)
    assert told(sim) == expected(row)
    assert row.phase in (None, sim.record.phase)


def test_volumes_come_before_the_sandbox_and_are_tried_again_from_half_a_second_to_two_minutes() -> None:
    sim = Simulation(pod(init(), main()), {"init": Script(run_for=1)}, volume_failures=10)
    sim.run(until=1000)
    assert sim.times("mount") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 127.5, 249.5, 371.5]
    assert told(sim)[0] == "371.5 start init"
    assert (
        sim.messages("FailedMount")[0] == 'MountVolume.SetUp failed for volume "v" : configmap "x" not found'
    )


def test_restart_counts_go_on_after_a_lost_sandbox() -> None:
    sim = Simulation(pod(init(), main()), {"init": Script(run_for=1)})
    sim.run(until=10)
    sim.lose_sandbox()
    sim.run(until=20)
    assert {name: sim.newest(name).attempt for name in ("init", "main")} == {"init": 1, "main": 1}
    assert sim.messages("SandboxChanged") == ["Pod sandbox changed, it will be killed and re-created."]
