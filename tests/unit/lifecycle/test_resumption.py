"""What a new process takes from the record of one that was killed."""

from __future__ import annotations

import pytest
from tests.unit.lifecycle.builders import delete, init, main, pod, probe, sidecar

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
    resume,
)
from pillion.lifecycle.observation import ProbeOutcome
from pillion.lifecycle.record import ContainerRecord, ProbeRecord, Starting, Sync, VolumesRecord
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


def test_a_probe_that_was_under_way_is_asked_again() -> None:
    worker = ProbeRecord(
        container_id="main-0", result=ProbeOutcome.SUCCESS, in_flight=True, next_at=Instant(999.0)
    )
    record = PodRecord(
        volumes=MOUNTED,
        containers={"main": ContainerRecord(attempts=1)},
        probes={"main/liveness": worker},
    )
    seen = Observation(sandboxes=(SANDBOX,), containers=(running("main"),))
    decision = goes_on(record, seen, main(liveness=probe()))
    assert [type(action) for action in decision.actions] == [RunProbe]


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
