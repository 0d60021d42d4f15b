"""Conditions and the rest of the status (pkg/kubelet/status/generate.go; kubelet_pods.go: generateAPIPodStatus)."""

from __future__ import annotations

import datetime

import pytest
from tests.unit.lifecycle.builders import NEVER, answers, init, main, pod, probe, sidecar
from tests.unit.status.builders import EPOCH, condition, pod_object, shown, status_of

from pillion.lifecycle import ProbeOutcome
from pillion.objects.models import core_v1
from pillion.plan.podplan import PodPlan, RestartRule
from pillion.testing.simulation import Script, Simulation

FAIL = ProbeOutcome.FAILURE
ALL = RestartRule(action="RestartAllContainers", operator="In", values=(42,))


def said(sim: Simulation, type_: str) -> str:
    """STATUS REASON: MESSAGE"""
    of = condition(shown(sim), type_)
    return " ".join(filter(None, [of.status, of.reason and f"{of.reason}:", of.message])).rstrip(":")


INITIALIZED: list[tuple[str, PodPlan, dict[str, Script], str]] = [
    ("no init containers", pod(main()), {"main": Script(start_error=("E", "e"))}, "True"),
    (
        "an init container runs",
        pod(init("a"), init("b"), main()),
        {},
        "False ContainersNotInitialized: containers with incomplete status: [a b]",
    ),
    (
        "the first is done, the second runs",
        pod(init("a"), init("b"), main()),
        {"a": Script(run_for=1)},
        "False ContainersNotInitialized: containers with incomplete status: [b]",
    ),
    (
        "a sidecar has not started",
        pod(sidecar("a", startup=probe(failure_threshold=99)), main()),
        {},
        "False ContainersNotInitialized: containers with incomplete status: [a]",
    ),
    (
        "all are done, the main has no image",
        pod(init("a"), main()),
        {"a": Script(run_for=1), "main": Script(start_error=("E", "e"))},
        "True",
    ),
    (
        "a sidecar crashed after the mains started",
        pod(sidecar("s"), main()),
        {"s": Script(run_for=2, exit_code=1)},
        "True",
    ),
    (
        "the pod succeeded",
        pod(init("a"), main(), policy=NEVER),
        {n: Script(run_for=1) for n in ("a", "main")},
        "True PodCompleted",
    ),
    (
        "a pod without init containers succeeded",
        pod(main(), policy=NEVER),
        {"main": Script(run_for=1)},
        "True PodCompleted",
    ),
    (
        "an init container failed for good",
        pod(init("a"), main(), policy=NEVER),
        {"a": Script(run_for=1, exit_code=1)},
        "False ContainersNotInitialized: containers with incomplete status: [a]",
    ),
    (
        "a deleted pod",
        pod(sidecar("s"), main(), active_deadline=4),
        {"main": Script(term_code=1)},
        "True",
    ),
]


@pytest.mark.parametrize(("rule", "plan", "scripts", "told"), INITIALIZED, ids=[r[0] for r in INITIALIZED])
def test_initialized(rule: str, plan: PodPlan, scripts: dict[str, Script], told: str) -> None:
    sim = Simulation(plan, scripts, {"a": answers(startup=FAIL)})
    sim.run(until=6)
    assert said(sim, "Initialized") == told


def test_initialized_stays_true_while_a_pod_begins_again() -> None:
    sim = Simulation(
        pod(init(), main(restart_policy=NEVER, restart_rules=(ALL,))),
        {"init": Script(run_for=5), "main": Script(run_for=2, exit_code=42)},
    )
    sim.run(until=9)
    assert sim.record.phase == "Pending"
    assert said(sim, "Initialized") == "True"


READY: list[tuple[str, PodPlan, dict[str, Script], str]] = [
    ("all are ready", pod(sidecar("s"), main()), {}, "True"),
    (
        "sidecars in the order of the spec come before mains",
        pod(sidecar("z", readiness=probe()), init("i"), sidecar("a", readiness=probe()), main(readiness=probe())),
        {"i": Script(run_for=1)},
        "False ContainersNotReady: containers with unready status: [z a main]",
    ),
    (
        "plain init containers do not count",
        pod(init("i"), main()),
        {},
        "False ContainersNotReady: containers with unready status: [main]",
    ),
    ("a crashed sidecar makes the pod unready", pod(sidecar("s"), main()), {"s": Script(run_for=1)},
     "False ContainersNotReady: containers with unready status: [s]"),
    ("succeeded", pod(main(), policy=NEVER), {"main": Script(run_for=1)}, "False PodCompleted"),
    ("failed", pod(main(), policy=NEVER), {"main": Script(run_for=1, exit_code=1)}, "False PodFailed"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "plan", "scripts", "told"), READY, ids=[r[0] for r in READY])
def test_ready_and_containers_ready(rule: str, plan: PodPlan, scripts: dict[str, Script], told: str) -> None:
    names = ("z", "a", "main")
    sim = Simulation(plan, scripts, {n: answers(readiness=FAIL) for n in names})
    sim.run(until=6)
    assert said(sim, "ContainersReady") == told
    assert said(sim, "Ready") == told


def test_readiness_gates_hold_back_ready_alone() -> None:
    sim = Simulation(pod(main(), readiness_gates=("x/a", "x/b")))
    sim.run(until=5)
    object_ = pod_object(sim.plan)
    object_.status = core_v1.PodStatus(conditions=[core_v1.PodCondition(type="x/b", status="False")])
    after = shown(sim, object_)
    ready = condition(after, "Ready")
    assert (ready.status, ready.reason) == ("False", "ReadinessGatesNotReady")
    assert ready.message == (
        'corresponding condition of pod readiness gate "x/a" does not exist., '
        'the status of pod readiness gate "x/b" is not "True", but False'
    )
    assert condition(after, "ContainersReady").status == "True"


def test_the_sandbox_is_there_between_its_creation_and_the_end() -> None:
    sim = Simulation(pod(main()), volume_failures=1)
    sim.run(until=0.2)
    assert said(sim, "PodReadyToStartContainers") == "False"
    sim.run(until=5)
    assert said(sim, "PodReadyToStartContainers") == "True"
    sim.delete()
    sim.run(until=60)
    assert said(sim, "PodReadyToStartContainers") == "False"


def test_the_order_of_conditions_foreign_ones_first() -> None:
    plan = pod(main(restart_policy=NEVER, restart_rules=(ALL,)))
    sim = Simulation(plan)
    sim.run(until=5)
    object_ = pod_object(plan)
    object_.status = core_v1.PodStatus(
        conditions=[
            core_v1.PodCondition(type="Ready", status="False"),
            core_v1.PodCondition(type="x/foreign", status="True"),
        ]
    )
    types = [c.type for c in status_of(shown(sim, object_)).conditions or []]
    assert types == [
        "x/foreign",
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
        "AllContainersRestarting",
    ]


def test_an_eviction_ends_with_its_reason_and_a_disruption_target_before_our_conditions() -> None:
    sim = Simulation(pod(main()), {"main": Script(term_after=0.5, term_code=143)})
    sim.run(until=5)
    sim.evict("Usage of EmptyDir volume")
    sim.run(until=5.2)
    going = status_of(shown(sim))
    assert (going.phase, going.reason) == ("Running", None)
    assert "DisruptionTarget" not in [c.type for c in going.conditions or []]
    sim.run(until=60)
    over = status_of(shown(sim))
    assert (over.phase, over.reason, over.message) == ("Failed", "Evicted", "Usage of EmptyDir volume")
    target = (over.conditions or [])[0]
    assert (target.type, target.status, target.reason) == ("DisruptionTarget", "True", "TerminationByKubelet")


def test_all_containers_restarting_is_true_until_every_instance_is_gone() -> None:
    plan = pod(sidecar("a"), main(restart_policy=NEVER, restart_rules=(ALL,)))
    sim = Simulation(
        plan, {"a": Script(term_after=None), "main": [Script(run_for=2, exit_code=42), Script()]}
    )
    sim.run(until=3)
    assert said(sim, "AllContainersRestarting") == (
        "True RestartAllContainersStarted: container exited with restart policy rule"
    )
    sim.run(until=6)
    assert said(sim, "AllContainersRestarting") == "False"
    sim.delete()
    sim.run(until=60)
    assert said(sim, "AllContainersRestarting") == "False PodCompleted"


def test_a_pod_without_such_a_rule_has_no_such_condition() -> None:
    sim = Simulation(pod(main()))
    sim.run(until=3)
    assert "AllContainersRestarting" not in [c.type for c in status_of(shown(sim)).conditions or []]


def test_a_transition_time_moves_only_with_the_status_of_its_condition() -> None:
    sim = Simulation(pod(sidecar("a"), main()), {"a": [Script(run_for=8, exit_code=1), Script(run_for=1)]})
    sim.run(until=1.7)
    first = shown(sim)
    sim.run(until=20)
    second = shown(sim, first)
    times = {
        c.type: (c.lastTransitionTime - EPOCH)
        for c in status_of(second).conditions or []
        if c.lastTransitionTime
    }
    seconds = {name: time / datetime.timedelta(seconds=1) for name, time in times.items()}
    assert seconds["Initialized"] == seconds["PodScheduled"] == 1
    assert seconds["Ready"] == seconds["ContainersReady"] == 20


def test_the_status_says_which_generation_it_has_seen_and_when_and_where_it_started() -> None:
    sim = Simulation(pod(main()))
    sim.run(until=5)
    status = status_of(shown(sim))
    assert status.observedGeneration == 3
    assert {c.observedGeneration for c in status.conditions or []} == {3}
    assert status.startTime == EPOCH
    assert (status.hostIP, status.podIP) == ("192.0.2.1", "10.0.0.2")


def test_addresses_stay_when_the_pod_has_stopped() -> None:
    sim = Simulation(pod(main(), policy=NEVER), {"main": Script(run_for=1)})
    sim.run(until=60)
    assert status_of(shown(sim)).podIP == "10.0.0.2"


def test_a_reason_lives_as_long_as_its_phase() -> None:
    sim = Simulation(pod(main(), policy=NEVER), {"main": Script(run_for=9)})
    sim.run(until=5)
    object_ = pod_object(sim.plan)
    object_.status = core_v1.PodStatus(phase="Running", reason="Foreign", message="said before")
    assert status_of(shown(sim, object_)).reason == "Foreign"
    sim.run(until=20)
    assert status_of(shown(sim, object_)).reason is None
