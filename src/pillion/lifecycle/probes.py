"""When a probe runs and what its answers add up to (pkg/kubelet/prober/worker.go: doProbe; results_manager.go).

A worker begins with its container's instance: the first attempt is due `initial_delay` after the start, then one
every `period`. (A kubelet's ticker has an arbitrary phase to the start; ours has phase zero.) An attempt that takes
longer than the period leaves one tick waiting, not more.
"""

from __future__ import annotations

from math import ceil, floor

from pillion.lifecycle.actions import RunProbe
from pillion.lifecycle.observation import ContainerSeen, ProbeAnswered, ProbeKind, ProbeOutcome, RuntimeState
from pillion.lifecycle.record import ProbeRecord, Stage, probe_key, replaced
from pillion.lifecycle.turn import Turn
from pillion.plan.podplan import ContainerPlan, PodPlan, ProbePlan, Role
from pillion.units import Instant

INITIAL = {
    ProbeKind.READINESS: ProbeOutcome.FAILURE,
    ProbeKind.LIVENESS: ProbeOutcome.SUCCESS,
    ProbeKind.STARTUP: ProbeOutcome.UNKNOWN,
}
COMPANY = 0.05
"""Seconds that an attempt may come early when the pod's worker is at work anyway: waking up costs more than asking.
A container's probes begin within milliseconds of each other, so from then on they are asked together. The phase of each
stays, and none is asked before its initial delay is over."""
_NAMES = {ProbeKind.STARTUP: "Startup", ProbeKind.LIVENESS: "Liveness", ProbeKind.READINESS: "Readiness"}


def probes_of(container: ContainerPlan) -> tuple[tuple[ProbeKind, ProbePlan], ...]:
    """Startup first: its success lets the others begin in the same decision."""
    if container.role is Role.INIT or container.role is Role.EPHEMERAL:
        return ()
    pairs = (
        (ProbeKind.STARTUP, container.startup),
        (ProbeKind.LIVENESS, container.liveness),
        (ProbeKind.READINESS, container.readiness),
    )
    return tuple((kind, probe) for kind, probe in pairs if probe is not None)


def result(probes: dict[str, ProbeRecord], instance: ContainerSeen, kind: ProbeKind) -> ProbeOutcome | None:
    """The published result for this very instance; None when there is none yet."""
    worker = probes.get(probe_key(instance.name, kind))
    if worker is None or worker.container_id != instance.id:
        return None
    return worker.result


def standing(
    plan: PodPlan, probes: dict[str, ProbeRecord]
) -> list[tuple[ProbeOutcome, ProbeOutcome | None, int]]:
    """The results and how near each probe is to another one: what must survive this process.

    Most answers repeat what has been settled long ago, and change nothing of it.
    """
    return [
        (worker.result, worker.last, min(worker.run, max(probe.failure_threshold, probe.success_threshold)))
        for container in plan.inits + plan.mains
        for kind, probe in probes_of(container)
        if (worker := probes.get(probe_key(container.name, kind))) is not None
    ]


def has_started(
    container: ContainerPlan, probes: dict[str, ProbeRecord], instance: ContainerSeen | None
) -> bool:
    """The `started` of a status: running, and the startup probe (if any) has succeeded once."""
    if instance is None or instance.state is not RuntimeState.RUNNING:
        return False
    return container.startup is None or result(probes, instance, ProbeKind.STARTUP) is ProbeOutcome.SUCCESS


def is_ready(container: ContainerPlan, probes: dict[str, ProbeRecord], instance: ContainerSeen) -> bool:
    """The `ready` of an instance that has started."""
    return (
        container.readiness is None or result(probes, instance, ProbeKind.READINESS) is ProbeOutcome.SUCCESS
    )


def absorb(turn: Turn, answer: ProbeAnswered) -> None:
    """Count one answer. A result changes only after its threshold is met."""
    container = turn.by_name.get(answer.name)
    worker = turn.probes.get(probe_key(answer.name, answer.kind))
    probe = dict(probes_of(container)).get(answer.kind) if container is not None else None
    if worker is None or probe is None:
        return
    worker = replaced(worker, in_flight=False)
    key = probe_key(answer.name, answer.kind)
    if worker.container_id != answer.id:
        turn.set_probe(key, worker)
        return
    name = _NAMES[answer.kind]
    if answer.outcome is ProbeOutcome.UNKNOWN:
        turn.note(
            "Warning",
            "Unhealthy",
            f"{name} probe errored and resulted in unknown state: {answer.message}",
            answer.name,
        )
        turn.set_probe(key, worker)
        return
    if answer.outcome is ProbeOutcome.FAILURE:
        turn.note("Warning", "Unhealthy", f"{name} probe failed: {answer.message}", answer.name)
    elif answer.warning:
        turn.note("Warning", "ProbeWarning", f"{name} probe warning: {answer.message}", answer.name)
    run = worker.run + 1 if worker.last is answer.outcome else 1
    worker = replaced(worker, last=answer.outcome, run=run)
    threshold = probe.failure_threshold if answer.outcome is ProbeOutcome.FAILURE else probe.success_threshold
    if run >= threshold:
        settled = answer.kind is ProbeKind.STARTUP or (
            answer.kind is ProbeKind.LIVENESS and answer.outcome is ProbeOutcome.FAILURE
        )
        worker = replaced(worker, result=answer.outcome, on_hold=settled, run=0 if settled else run)
    turn.set_probe(key, worker)


def schedule(turn: Turn) -> None:
    """Start what is due, follow new instances, and ask to be woken for the next attempt."""
    record = turn.record
    if record.stage is Stage.TERMINATED or record.stage is Stage.FINISHED:
        return
    hidden = record.sync.starting.name if record.sync and record.sync.starting else None
    for container in turn.plan.inits + turn.plan.mains:
        if container.name == hidden:
            continue  # its postStart hook runs: no status names this instance yet, so no worker knows it
        instance = turn.newest.get(container.name)
        if instance is None:
            continue
        has_begun = has_started(container, turn.probes, instance)
        for kind, probe in probes_of(container):
            if record.stage is Stage.TERMINATING and kind is not ProbeKind.READINESS:
                continue
            _advance(turn, instance, kind, probe, has_started=has_begun)


def _advance(
    turn: Turn, instance: ContainerSeen, kind: ProbeKind, probe: ProbePlan, *, has_started: bool
) -> None:
    key = probe_key(instance.name, kind)
    worker = turn.probes.get(key)
    if instance.state is not RuntimeState.RUNNING:
        if (
            worker is not None
            and worker.container_id == instance.id
            and worker.result is not ProbeOutcome.FAILURE
        ):
            turn.set_probe(key, replaced(worker, result=ProbeOutcome.FAILURE))
        return
    if worker is None or worker.container_id != instance.id:
        worker = ProbeRecord(
            container_id=instance.id,
            result=INITIAL[kind],
            last=worker.last if worker else None,
            run=worker.run if worker else 0,
        )
        turn.set_probe(key, worker)
    if worker.on_hold or worker.in_flight:
        return
    if kind is not ProbeKind.STARTUP and not has_started:
        return
    started_at = instance.started_at if instance.started_at is not None else turn.now
    begins = Instant(started_at + probe.initial_delay)
    due = worker.next_at
    if due is None:
        # Readiness is asked at once when the container has just started to count as started, whatever its period
        # (prober_manager.go: UpdatePodStatus triggers it, and the period begins anew); the initial delay still holds.
        due = begins
        if due < turn.now and kind is ProbeKind.READINESS:
            due = turn.now
        elif due < turn.now:
            # Ticks before the container counted as started asked nothing.
            due = _tick_from(turn.now, due, probe)
    elif worker.is_resumed and due < turn.now:
        due = _tick_from(turn.now, due, probe)
    if due > turn.now and (due > turn.now + COMPANY or begins > turn.now):
        if worker.next_at != due or worker.is_resumed:
            turn.set_probe(key, replaced(worker, next_at=due, is_resumed=False))
        turn.wake(due)
        return
    next_at = Instant(due + probe.period)
    if next_at <= turn.now:
        next_at = Instant(next_at + (floor((turn.now - next_at) / probe.period) + 1) * probe.period)
    turn.set_probe(key, replaced(worker, in_flight=True, next_at=next_at, is_resumed=False))
    turn.actions.append(
        RunProbe(
            name=instance.name, id=instance.id, kind=kind, probe=probe, because=f"{kind.value} probe is due"
        )
    )


def _tick_from(now: Instant, tick: Instant, probe: ProbePlan) -> Instant:
    """The first tick that is not over, of those that go on from an earlier one."""
    return Instant(tick + ceil((now - tick) / probe.period) * probe.period)


def grace_of(plan: PodPlan, probe: ProbePlan | None) -> int:
    """The grace period of a kill by this probe (setTerminationGracePeriod)."""
    if probe is not None and probe.grace_seconds is not None:
        return probe.grace_seconds
    return plan.grace_seconds
