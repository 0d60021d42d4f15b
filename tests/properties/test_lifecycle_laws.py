"""Laws of `decide` that hold for every pod, whatever its containers do and whatever befalls it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings

from pillion.lifecycle import (
    Decision,
    KillContainer,
    Observation,
    PodRecord,
    ProbeKind,
    ProbeOutcome,
    RuntimeState,
    Stage,
    StartContainer,
    StopContainer,
    decide,
)
from pillion.lifecycle.backoff import CAP, INITIAL
from pillion.lifecycle.record import Stop, StopStage, probe_key, replaced
from pillion.lifecycle.states import TERMINAL, view_all
from pillion.lifecycle.turn import Turn
from pillion.plan.podplan import PodPlan, Role
from pillion.testing.simulation import Simulation
from pillion.testing.strategies import CALM, Life, What, lives
from pillion.units import Instant

FLOOR = 2
CRASHES = frozenset({What.CRASH})
laws = settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def steps(sim: Simulation) -> Iterator[tuple[PodRecord, Observation, Decision, Instant]]:
    """Each decision with the record it was made from."""
    record = PodRecord()
    for (seen, decision), at in zip(sim.decisions, sim.decided_at, strict=True):
        yield record, seen, decision, Instant(at)
        record = decision.record


@laws
@given(lives())
def test_the_same_inputs_give_the_same_decision_and_nothing_is_asked_for_twice(life: Life) -> None:
    for record, seen, decision, at in steps(life.live()):
        assert decide(life.plan, record, seen, at) == decision
        again = decide(life.plan, decision.record, replaced(seen, outcomes=()), at)
        assert (again.actions, again.events) == ((), ())
        assert again.record == decision.record
        assert again.wake_at is None or again.wake_at > at


@laws
@given(lives())
def test_a_story_written_down_replays_to_the_same_record(life: Life) -> None:
    plan = msgspec.json.decode(msgspec.json.encode(life.plan), type=PodPlan)
    record = PodRecord()
    for _, seen, decision, at in steps(life.live()):
        read = msgspec.json.decode(msgspec.json.encode(seen), type=Observation)
        assert read == seen
        record = msgspec.json.decode(msgspec.json.encode(record), type=PodRecord)
        record = decide(plan, record, read, at).record
        assert record == decision.record


@laws
@given(lives())
def test_a_terminal_phase_is_final_restarts_are_never_uncounted_and_the_end_is_the_end(life: Life) -> None:
    sim = life.live()
    phase, counts = "", dict.fromkeys(life.scripts, 0)
    for _, seen, decision, at in steps(sim):
        if phase in TERMINAL:
            assert decision.record.phase == phase
        phase = decision.record.phase
        for name, view in view_all(Turn(life.plan, decision.record, seen, at)).items():
            assert view.restart_count >= counts[name], (at, name)
            counts[name] = view.restart_count
        if decision.record.stage in (Stage.TERMINATED, Stage.FINISHED):
            assert not any(c.state is RuntimeState.RUNNING for c in seen.containers)
            assert phase in TERMINAL
    if sim.record.stage is Stage.FINISHED:
        assert not any(text.startswith("start ") for _, text in sim.log[sim.texts().index("tear down") :])
    event(f"ends {sim.record.stage.value} {phase}")


@laws
@given(lives())
def test_backoff_lies_between_ten_seconds_and_five_minutes_and_doubles(life: Life) -> None:
    steps_allowed = [min(INITIAL * 2**n, CAP) for n in range(6)]
    for _, _, decision, _ in steps(life.live()):
        for record in decision.record.containers.values():
            for entry in (record.crash_backoff, record.image_backoff):
                assert entry is None or entry.delay in steps_allowed


@laws
@given(lives())
def test_a_container_is_signalled_once_and_killed_no_sooner_than_two_seconds_later(life: Life) -> None:
    signalled: dict[str, float] = {}
    killed: set[str] = set()
    for record, seen, decision, at in steps(life.live()):
        is_at_once = seen.deletion is not None and seen.deletion.grace_seconds == 0
        for action in decision.actions:
            if isinstance(action, StopContainer):
                assert action.id not in signalled
                signalled[action.id] = at
            if isinstance(action, KillContainer):
                assert action.id not in killed
                killed.add(action.id)
                assert is_at_once or at >= signalled[action.id] + FLOOR
        if record.grace is not None:
            assert decision.record.grace is not None
            assert decision.record.grace <= record.grace
        before = {stop.id: stop for stop in record.stops}
        for stop in decision.record.stops:
            if stop.id in before:
                assert stop.grace <= max(before[stop.id].grace, FLOOR)


@laws
@given(lives())
def test_a_stopped_container_is_gone_when_its_grace_period_and_the_floor_are_over(life: Life) -> None:
    begun: dict[str, tuple[float, Stop]] = {}
    for _, seen, decision, at in steps(life.live()):
        running = {c.id for c in seen.containers if c.state is RuntimeState.RUNNING}
        for stop in decision.record.stops:
            since, first = begun.setdefault(stop.id, (at, stop))
            # Whole seconds are taken off twice: after preStop and after the wait for the turn.
            if stop.id in running and stop.stage is not StopStage.KILLED:
                assert at < since + first.grace + FLOOR + 2


@laws
@given(lives())
def test_sidecars_are_signalled_after_the_mains_unless_the_grace_period_is_used_up(life: Life) -> None:
    sidecars = [c.name for c in life.plan.inits if c.role is Role.SIDECAR]
    mains = {c.name for c in life.plan.mains}
    begun: dict[str, tuple[float, int]] = {}
    for record, seen, decision, at in steps(life.live()):
        for stop in (*record.stops, *decision.record.stops):
            # One that is signalled in the decision that begins it shows the floor, not what it was given.
            begun.setdefault(stop.id, (at, stop.grace if stop.grace > FLOOR else 0))
        ordered = {stop.id for stop in (*record.stops, *decision.record.stops) if stop.ordered}
        running = {c.name for c in seen.containers if c.state is RuntimeState.RUNNING}
        for action in decision.actions:
            if (
                not isinstance(action, StopContainer)
                or action.id not in ordered
                or action.name not in sidecars
            ):
                continue
            since, grace = begun[action.id]
            if at < since + grace:
                assert not running & mains
                after = sidecars[sidecars.index(action.name) + 1 :]
                assert not after or after[0] not in running


@laws
@given(lives(befalls=CRASHES | {What.DELETE}, with_rules=False))
def test_nothing_starts_before_the_inits_before_it_are_done_and_the_sidecars_have_started(life: Life) -> None:
    started: set[str] = set()
    done: set[str] = set()
    begun: set[str] = set()
    order = [c.name for c in life.plan.inits]
    plans = {c.name: c for c in life.plan.containers}
    for _, seen, decision, _ in steps(life.live()):
        for instance in seen.containers:
            plan = plans[instance.name]
            if plan.role is Role.INIT and instance.exit_code == 0:
                done.add(plan.name)
            if plan.role is Role.SIDECAR:
                worker = decision.record.probes.get(probe_key(plan.name, ProbeKind.STARTUP))
                if plan.startup is None or (worker and worker.result is ProbeOutcome.SUCCESS):
                    started.add(plan.name)
        for action in decision.actions:
            if isinstance(action, StartContainer) and action.name not in begun:
                begun.add(action.name)
                before = order[: order.index(action.name)] if action.name in order else order
                assert set(before) <= done | started, action


@laws
@given(lives())
def test_a_deleted_pod_starts_nothing_new_and_no_pod_starts_anything_while_it_ends(life: Life) -> None:
    for record, seen, decision, _ in steps(life.live()):
        starts = [a for a in decision.actions if isinstance(a, StartContainer)]
        if record.stage is not Stage.SYNCING or decision.record.stage is not Stage.SYNCING:
            assert not starts
        if seen.deletion is not None and record.sync is None:
            assert not starts


@laws
@given(lives(befalls=CALM))
def test_every_deleted_pod_is_gone_when_its_grace_period_two_seconds_and_the_sync_at_hand_are_over(
    life: Life,
) -> None:
    sim = life.live()
    after = [(record, at) for record, seen, _, at in steps(sim) if seen.deletion is not None]
    if not after:
        return
    assert sim.record.stage is Stage.FINISHED
    record, deleted = after[0]
    event(f"deleted while {record.stage.value}{', in a sync' if record.sync else ''}")
    if record.sync is None:
        longest = max(life.plan.grace_seconds, *(m.value for m in life.mishaps), 1)
        # One second is lost to rounding after preStop, and one after the wait for the turn.
        assert after[-1][1] <= deleted + longest + FLOOR + 2


@laws
@given(lives(befalls=frozenset(), with_rules=False, keep=lambda plan: plan.active_deadline is None))
def test_a_pod_ends_by_itself_only_if_no_main_can_come_back(life: Life) -> None:
    sim = life.live()
    if sim.record.stage is not Stage.FINISHED:
        return
    policies = {
        c.restart_policy or life.plan.restart_policy
        for c in life.plan.containers
        if c.role is not Role.SIDECAR
    }
    assert policies != {"Always"}


@pytest.mark.parametrize("stage", [Stage.TERMINATED, Stage.FINISHED])
def test_a_pod_that_is_over_asks_for_nothing(stage: Stage) -> None:
    sim = Simulation(PodPlan(uid="u", namespace="n", name="p", mains=()), record=PodRecord(stage=stage))
    sim.run(until=10)
    assert not sim.log
