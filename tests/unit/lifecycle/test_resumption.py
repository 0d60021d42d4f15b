"""What a new process takes from the record of one that was killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
from tests.unit.lifecycle.builders import NEVER, delete, init, main, pod, probe, sidecar

from pillion.lifecycle import (
    ContainerSeen,
    Deletion,
    MountVolumes,
    Observation,
    PodRecord,
    RunProbe,
    RuntimeState,
    SandboxSeen,
    Stage,
    StartContainer,
    StopContainer,
    StopSandbox,
    TearDown,
    decide,
    probes,
    resume,
)
from pillion.lifecycle.observation import ProbeOutcome
from pillion.lifecycle.record import (
    Backoff,
    ContainerRecord,
    ProbeRecord,
    StartError,
    Starting,
    Sync,
    VolumesRecord,
    replaced,
)
from pillion.testing.simulation import Script, Simulation
from pillion.units import Instant

NOW = Instant(1000.0)
MOUNTED = VolumesRecord(mounted=True)
SANDBOX = SandboxSeen(attempt=0, is_ready=True, ips=("10.0.0.7",))


def running(name: str, attempt: int = 0) -> ContainerSeen:
    return ContainerSeen(
        id=f"{name}-{attempt}",
        name=name,
        attempt=attempt,
        state=RuntimeState.RUNNING,
        hash=f"{name}@i",
        started_at=Instant(990.0),
    )


def goes_on(record: PodRecord, seen: Observation, *containers, **changes):
    """The first decision of the new process."""
    return decide(pod(*containers, **changes), resume(record), seen, NOW)


def test_a_mount_that_was_under_way_is_asked_for_again() -> None:
    decision = goes_on(PodRecord(volumes=VolumesRecord(in_flight=True)), Observation(), main())
    assert [type(action) for action in decision.actions] == [MountVolumes]


def test_a_start_that_never_came_about_is_begun_again_and_is_no_restart() -> None:
    record = PodRecord(
        volumes=MOUNTED,
        containers={"main": ContainerRecord(attempts=1)},
        sync=Sync(starting=Starting(name="main", attempt=0), asked=True),
    )
    decision = goes_on(record, Observation(sandboxes=(SANDBOX,)), main())
    [start] = decision.actions
    assert isinstance(start, StartContainer)
    assert (start.name, start.attempt) == ("main", 0)


def test_a_start_that_came_about_is_not_begun_again() -> None:
    record = PodRecord(
        volumes=MOUNTED,
        containers={"main": ContainerRecord(attempts=1)},
        sync=Sync(starting=Starting(name="main", attempt=0), asked=True),
    )
    decision = goes_on(record, Observation(sandboxes=(SANDBOX,), containers=(running("main"),)), main())
    assert decision.actions == ()


def test_a_probe_that_was_under_way_is_asked_again_at_its_next_tick() -> None:
    worker = ProbeRecord(
        container_id="main-0", result=ProbeOutcome.SUCCESS, in_flight=True, next_at=Instant(999.0)
    )
    record = PodRecord(
        volumes=MOUNTED,
        containers={"main": ContainerRecord(attempts=1)},
        probes={"main/liveness": worker},
    )
    seen = Observation(sandboxes=(SANDBOX,), containers=(running("main"),))
    decision = goes_on(record, seen, main(liveness=probe(period=10)))
    assert (decision.actions, decision.wake_at) == ((), Instant(1009.0))
    decision = decide(pod(main(liveness=probe(period=10))), decision.record, seen, Instant(1009.0))
    assert [type(action) for action in decision.actions] == [RunProbe]


@pytest.mark.parametrize(
    ("delay", "error"),
    [
        (10, None),
        (
            300,
            StartError(reason="CrashLoopBackOff", message="back-off 5m0s restarting failed container=main"),
        ),
        (10, StartError(reason="PostStartHookError", message="no")),
    ],
)
def test_a_restart_that_waited_out_its_backoff_happens_at_once_and_the_next_waits_for_the_first_delay(
    delay: int, error: StartError | None
) -> None:
    exited = replaced(
        running("main", 3), state=RuntimeState.EXITED, exit_code=1, finished_at=Instant(NOW - 1)
    )
    entry = Backoff(key="main@i", delay=delay, updated_at=Instant(NOW - 2))
    record = PodRecord(
        volumes=MOUNTED,
        containers={"main": ContainerRecord(attempts=5, crash_backoff=entry, start_error=error)},
        sync=Sync(starting=Starting(name="main", attempt=4), asked=True),
    )
    decision = goes_on(record, Observation(sandboxes=(SANDBOX,), containers=(exited,)), main())
    [start] = decision.actions
    assert isinstance(start, StartContainer)
    assert (start.name, start.attempt) == ("main", 4)
    backoff = decision.record.containers["main"].crash_backoff
    assert backoff is not None
    assert backoff.delay == 10


@pytest.mark.parametrize(
    "record",
    [
        PodRecord(volumes=VolumesRecord(delay=122, retry_at=Instant(NOW + 100))),
        PodRecord(volumes=MOUNTED, sandbox_retry_at=Instant(NOW + 9)),
        PodRecord(
            volumes=MOUNTED,
            containers={
                "main": ContainerRecord(
                    image_backoff=Backoff(key="i", delay=300, updated_at=NOW),
                    start_error=StartError(
                        reason="ImagePullBackOff", message="", retry_at=Instant(NOW + 300), key="main@i"
                    ),
                )
            },
        ),
    ],
    ids=["volumes", "sandbox", "image"],
)
def test_nothing_waits_for_what_the_killed_process_waited_for(record: PodRecord) -> None:
    sandboxes = () if record.sandbox_retry_at is not None else (SANDBOX,)
    assert goes_on(record, Observation(sandboxes=sandboxes), main()).actions


GOOD, BAD = ProbeOutcome.SUCCESS, ProbeOutcome.FAILURE
PROBES = {
    "startup": {"startup": probe(period=1, failure_threshold=15)},
    "liveness": {"liveness": probe(period=1, failure_threshold=5)},
    "readiness": {"readiness": probe(period=1, failure_threshold=5, success_threshold=3)},
}


@dataclass(frozen=True)
class Killed:
    """What a probe answers each second, and what the pod comes to although pillion was killed at 12.5 s."""

    kind: str
    when: str
    answers: Callable[[float], ProbeOutcome]
    """By seconds since the start."""
    ready_at: float | None = None
    unready_at: float | None = None
    killed_at: float | None = None


KILLS = [
    Killed("startup", "before success", lambda age: GOOD if age >= 14 else BAD, ready_at=14),
    Killed("startup", "after success", lambda age: GOOD if age == 3 else BAD, ready_at=3),
    Killed("startup", "in a failing streak", lambda _age: BAD, killed_at=14),
    Killed("liveness", "while it succeeds", lambda _age: GOOD, ready_at=0),
    Killed(
        "liveness", "in a failing streak", lambda age: BAD if age >= 10 else GOOD, ready_at=0, killed_at=14
    ),
    Killed("readiness", "before success", lambda age: GOOD if age >= 20 else BAD, ready_at=22),
    Killed("readiness", "in a succeeding streak", lambda age: GOOD if age >= 11 else BAD, ready_at=13),
    Killed("readiness", "after success", lambda _age: GOOD, ready_at=2),
    Killed(
        "readiness", "in a failing streak", lambda age: BAD if age >= 11 else GOOD, ready_at=2, unready_at=15
    ),
]


@pytest.mark.parametrize("row", KILLS, ids=lambda row: f"{row.kind} {row.when}")
@pytest.mark.parametrize("is_killed", [False, True], ids=["alone", "killed"])
def test_probe_state_is_the_same_with_and_without_a_kill(row: Killed, *, is_killed: bool) -> None:
    plan = pod(main(**PROBES[row.kind]), policy=NEVER)
    sim = Simulation(plan, {}, {"main": lambda _kind, age, _now: (row.answers(round(age)), 0.0)})
    sim.run(until=12.5)
    if is_killed:
        written = msgspec.json.encode(sim.record)
        sim.record = resume(msgspec.json.decode(written, type=PodRecord))
        sim.change(plan)  # the new process looks at once
    sim.run(until=30)
    turned = _turns(sim)
    assert [at for at, is_ready in turned if is_ready] == ([] if row.ready_at is None else [row.ready_at])
    assert [at for at, is_ready in turned if not is_ready] == (
        [] if row.unready_at is None else [row.unready_at]
    )
    assert sim.times("TERM main") == ([] if row.killed_at is None else [row.killed_at])


def _turns(sim: Simulation) -> list[tuple[float, bool]]:
    """When the container became ready, or was no longer, while it ran."""
    turns, was = [], False
    container = sim.plan.mains[0]
    for at, (seen, decision) in zip(sim.decided_at, sim.decisions, strict=True):
        workers = decision.record.probes
        for instance in seen.containers:
            is_running = probes.has_started(container, workers, instance)
            if is_running and (is_ready := probes.is_ready(container, workers, instance)) is not was:
                turns.append((round(at, 3), is_ready))
                was = is_ready
    return turns


def test_a_termination_begins_again_in_order() -> None:
    deletion = Deletion(grace_seconds=30, requested_at=Instant(995.0))
    seen = Observation(
        sandboxes=(SANDBOX,), containers=(running("main"), running("sidecar")), deletion=deletion
    )
    containers = {"main": ContainerRecord(attempts=1), "sidecar": ContainerRecord(attempts=1)}
    record = PodRecord(stage=Stage.TERMINATING, volumes=MOUNTED, containers=containers, grace=30)
    decision = goes_on(record, seen, sidecar(), main())
    assert [(type(a), a.name) for a in decision.actions] == [(StopContainer, "main")]
    assert decision.record.stage is Stage.TERMINATING


@pytest.mark.parametrize(
    ("sandboxes", "action"),
    [((SANDBOX,), StopSandbox), ((), TearDown)],
)
def test_a_tear_down_that_was_under_way_is_asked_for_again(
    sandboxes: tuple[SandboxSeen, ...], action: type
) -> None:
    record = PodRecord(stage=Stage.TERMINATED, volumes=MOUNTED, phase="Succeeded")
    decision = goes_on(record, Observation(sandboxes=sandboxes), main())
    assert [type(asked) for asked in decision.actions] == [action]


@pytest.mark.parametrize("killed_after", range(1, 16))
def test_killed_after_any_decision_the_next_process_brings_the_pod_to_its_end(killed_after: int) -> None:
    """A whole life, with a crash, a probe and hooks; what the killed process had asked for is done by nobody."""
    plan = pod(init(), sidecar(readiness=probe(period=1)), main(), grace_seconds=5)
    scripts = {"init": Script(run_for=0.1), "main": [Script(run_for=1, exit_code=1), Script(run_for=60)]}
    first = Simulation(plan, scripts)
    first.run(until=3)
    delete()(first)
    first.run(until=30)
    seen, decision = first.decisions[killed_after - 1]
    second = Simulation(plan, scripts, record=resume(decision.record))
    second.sandboxes = list(seen.sandboxes)
    second.containers = list(seen.containers)
    second.now = 100.0
    delete()(second)
    second.run(until=200)
    assert second.record.stage is Stage.FINISHED
