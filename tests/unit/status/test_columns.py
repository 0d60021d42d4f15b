"""The columns of `kubectl get pods` (printers.go: printPod), from whole simulated lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tests.unit.lifecycle.builders import (
    NEVER,
    ON_FAILURE,
    answers,
    crash,
    delete,
    init,
    main,
    pod,
    probe,
    sidecar,
)
from tests.unit.status.builders import pod_object, row, shown, status_of

from pillion.lifecycle import ProbeOutcome
from pillion.objects.models import core_v1
from pillion.plan.podplan import PodPlan
from pillion.status import pod_row
from pillion.testing.simulation import ProbeScript, Script, Simulation
from pillion.units import Instant

FAIL = ProbeOutcome.FAILURE
BAD_IMAGE = Script(start_error=("ErrImagePull", "not found"))


@dataclass(frozen=True)
class Case:
    rule: str
    plan: PodPlan
    scripts: dict[str, Script | list[Script]]
    columns: str
    """READY STATUS RESTARTS"""
    at: float = 20.0
    probes: dict[str, ProbeScript] = field(default_factory=dict)
    acts: tuple[tuple[float, Callable[[Simulation], object]], ...] = ()


CASES = [
    Case("everything runs", pod(sidecar("a"), main()), {}, "2/2 Running 0"),
    Case(
        "a main that is not ready is counted out, and says nothing else",
        pod(sidecar("a"), main(readiness=probe())),
        {},
        "1/2 Running 0",
        probes={"main": answers(readiness=FAIL)},
    ),
    Case(
        "a sidecar whose startup probe has not passed shows how far initialisation is",
        pod(sidecar("a", startup=probe(failure_threshold=99)), main()),
        {},
        "0/2 Init:0/1 0",
        probes={"a": answers(startup=FAIL)},
    ),
    Case("a plain init container runs", pod(init("a"), init("b"), main()), {}, "0/1 Init:0/2 0"),
    Case(
        "the second of two runs, sidecars are counted in both numbers",
        pod(sidecar("a"), init("b"), main()),
        {},
        "1/2 Init:1/2 0",
    ),
    Case(
        "volumes are missing: no init container has started",
        pod(init("a"), init("b"), main()),
        {},
        "0/1 Init:0/2 0",
        at=-1,
    ),
    Case("volumes are missing: no init containers at all", pod(main()), {}, "0/1 ContainerCreating 0", at=-1),
    Case(
        "an image of a main is missing after initialisation",
        pod(init("a"), main()),
        {"a": Script(run_for=1), "main": BAD_IMAGE},
        "0/1 ImagePullBackOff 0",
    ),
    Case(
        "an image of an init container is missing",
        pod(init("a"), main()),
        {"a": BAD_IMAGE},
        "0/1 Init:ImagePullBackOff 0",
    ),
    Case(
        "the moment after a failed pull",
        pod(main()),
        {"main": BAD_IMAGE},
        "0/1 ErrImagePull 0",
        at=0.5,
    ),
    Case(
        "a failing init container under Never",
        pod(init("a"), main(), policy=NEVER),
        {"a": Script(run_for=1, exit_code=1)},
        "0/1 Init:Error 0",
    ),
    Case(
        "a failing init container in backoff counts its restarts",
        pod(init("a"), main()),
        {"a": Script(run_for=1, exit_code=1)},
        "0/1 Init:CrashLoopBackOff 2 (1s ago)",
        at=14,
    ),
    Case(
        "a main in backoff",
        pod(main()),
        {"main": Script(run_for=1, exit_code=1)},
        "0/1 CrashLoopBackOff 1 (5s ago)",
        at=7,
    ),
    Case(
        "a sidecar in backoff while the main runs: Init:CrashLoopBackOff although the phase is Running",
        pod(sidecar("a"), sidecar("b"), main()),
        {"a": Script(run_for=1, exit_code=1)},
        "1/3 Init:CrashLoopBackOff 1 (3s ago)",
        at=5,
    ),
    Case(
        "a crashed later sidecar leaves the one before it counted",
        pod(sidecar("a"), sidecar("b"), main()),
        {"b": Script(run_for=1, exit_code=1)},
        "2/3 Init:CrashLoopBackOff 1 (3s ago)",
        at=5,
    ),
    Case(
        "a sidecar that exited 0 and waits for its restart leaves the status Running",
        pod(sidecar("a"), main()),
        {"a": Script(run_for=1)},
        "1/2 Running 1 (4s ago)",
        at=5,
    ),
    Case(
        "the mains are done and the sidecars are being stopped",
        pod(sidecar("a"), main(), policy=ON_FAILURE),
        {"main": Script(run_for=5), "a": Script(term_after=10)},
        "1/2 Completed 0",
        at=7,
    ),
    Case(
        "the main has failed and the sidecars are being stopped",
        pod(sidecar("a"), main(), policy=NEVER),
        {"main": Script(run_for=5, exit_code=1), "a": Script(term_after=10)},
        "1/2 Error 0",
        at=7,
    ),
    Case(
        "the pod has succeeded",
        pod(sidecar("a"), main(), policy=NEVER),
        {"main": Script(run_for=5)},
        "0/2 Completed 0",
    ),
    Case(
        "one main is done, the other runs: the pod is not ready",
        pod(main("m"), main("n"), policy=NEVER),
        {"m": Script(run_for=5)},
        "1/2 NotReady 0",
    ),
    Case(
        "one main has failed, the other runs",
        pod(main("m"), main("n"), policy=NEVER),
        {"m": Script(run_for=5, exit_code=3)},
        "1/2 Error 0",
    ),
    Case(
        "the pod is being deleted",
        pod(sidecar("a"), main()),
        {"main": Script(term_after=10)},
        "2/2 Terminating 0",
        acts=((15, delete()),),
    ),
    Case(
        "a deleted pod that has ended says how",
        pod(main()),
        {"main": Script(term_code=0)},
        "0/1 Completed 0",
        acts=((15, delete()),),
    ),
    Case(
        "a terminated main's reason wins over DeadlineExceeded",
        pod(main(), active_deadline=10),
        {"main": Script(term_code=143)},
        "0/1 Error 0",
    ),
    Case(
        "the deadline of a pod whose main never ran",
        pod(main(), active_deadline=10),
        {"main": BAD_IMAGE},
        "0/1 ContainerStatusUnknown 0",
    ),
    Case(
        "restarts of a pod that is past its init containers are those of sidecars and mains",
        pod(init("i"), sidecar("a"), main()),
        {"i": [Script(run_for=1, exit_code=1), Script(run_for=1)]},
        "2/2 Running 2 (5s ago)",
        at=17,
        acts=((10, crash("a")), (12, crash("main"))),
    ),
    Case(
        "an OOM-killed main in backoff was OOM-killed at its last exit",
        pod(main(), policy=NEVER),
        {"main": Script(run_for=5, exit_code=137, reason="OOMKilled")},
        "0/1 OOMKilled 0",
    ),
    Case(
        "a configuration error",
        pod(main()),
        {"main": Script(start_error=("CreateContainerConfigError", "no"))},
        "0/1 CreateContainerConfigError 0",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_columns(case: Case) -> None:
    sim = Simulation(case.plan, case.scripts, case.probes, volume_failures=1 if case.at < 0 else 0)
    for at, act in case.acts:
        sim.run(until=at)
        act(sim)
    sim.run(until=abs(case.at) / 4 if case.at < 0 else case.at)
    shown_row = row(sim)
    assert f"{shown_row.ready} {shown_row.status} {shown_row.restarts}" == case.columns


def a_pod(status: core_v1.PodStatus, plan: PodPlan | None = None) -> core_v1.Pod:
    object_ = pod_object(plan or pod(main()))
    object_.status = status
    return object_


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (core_v1.ContainerStateTerminated(exitCode=2), "ExitCode:2"),
        (core_v1.ContainerStateTerminated(exitCode=2, signal=9), "Signal:9"),
        (core_v1.ContainerStateTerminated(exitCode=2, reason="Error"), "Error"),
    ],
)
def test_an_exit_without_a_reason_is_told_by_signal_or_code(
    state: core_v1.ContainerStateTerminated, status: str
) -> None:
    def status_with(**where: list[core_v1.ContainerStatus]) -> core_v1.PodStatus:
        return core_v1.PodStatus(phase="Running", **where)  # type: ignore[arg-type]

    ended = core_v1.ContainerStatus(
        name="main", ready=False, restartCount=0, image="i", imageID="",
        state=core_v1.ContainerState(terminated=state),
    )  # fmt: skip
    main_ended = a_pod(status_with(containerStatuses=[ended]))
    assert pod_row(main_ended, Instant(0)).status == status
    init_ended = a_pod(status_with(initContainerStatuses=[ended]), pod(init("main"), main("m")))
    assert pod_row(init_ended, Instant(0)).status == f"Init:{status}"


def test_a_gated_pod_an_evicted_pod_and_a_lost_node_have_names_of_their_own() -> None:
    gated = core_v1.PodCondition(type="PodScheduled", status="False", reason="SchedulingGated")
    pending = a_pod(core_v1.PodStatus(phase="Pending", conditions=[gated]))
    assert pod_row(pending, Instant(0)).status == "SchedulingGated"
    evicted = a_pod(core_v1.PodStatus(phase="Failed", reason="Evicted"))
    assert pod_row(evicted, Instant(0)).status == "Evicted"
    lost = a_pod(core_v1.PodStatus(phase="Running", reason="NodeLost"))
    assert lost.metadata is not None
    lost.metadata.deletionTimestamp = lost.metadata.creationTimestamp
    assert pod_row(lost, Instant(0)).status == "Unknown"


def test_wide_columns_name_addresses_and_gates_or_say_none() -> None:
    sim = Simulation(pod(main(), readiness_gates=("a/b", "c/d")))
    sim.run(until=5)
    wide = row(sim)
    assert (wide.name, wide.age, wide.ip, wide.node, wide.nominated_node, wide.readiness_gates) == (
        "p",
        "5s",
        "10.0.0.2",
        "node-1",
        "<none>",
        "0/2",
    )
    bare = pod_object(pod(main()))
    assert bare.spec is not None
    assert bare.metadata is not None
    bare.spec.nodeName = None
    bare.metadata.creationTimestamp = None
    empty = pod_row(bare, Instant(0))
    assert (empty.age, empty.ip, empty.node, empty.readiness_gates) == (
        "<unknown>",
        "<none>",
        "<none>",
        "<none>",
    )


def test_the_phase_of_a_pod_whose_sidecar_is_down_is_running_all_the_same() -> None:
    sim = Simulation(pod(sidecar("a"), main()), {"a": Script(run_for=1, exit_code=1)})
    sim.run(until=5)
    assert status_of(shown(sim)).phase == "Running"
