"""`decide`: everything the kubelet would do for one pod at this moment, as a value."""

from __future__ import annotations

from typing import assert_never

import msgspec

from pillion.lifecycle import probes, progress, states, syncing, termination
from pillion.lifecycle.actions import Action, EventNote, MountVolumes, StopSandbox, TearDown
from pillion.lifecycle.observation import (
    ContainerStarted,
    ContainerStartFailed,
    Hook,
    HookFinished,
    Observation,
    Outcome,
    ProbeAnswered,
    ReferencesChanged,
    SandboxCreated,
    SandboxFailed,
    SandboxStopped,
    TornDown,
    VolumesFailed,
    VolumesMounted,
)
from pillion.lifecycle.record import (
    Ending,
    PodRecord,
    Shown,
    Stage,
    VolumesRecord,
    Waiting,
    replaced,
)
from pillion.lifecycle.turn import Turn
from pillion.plan.admission import Rejection
from pillion.plan.podplan import PodPlan, Role
from pillion.units import Instant

VOLUME_RETRY_FIRST = 0.5
VOLUME_RETRY_CAP = 122.0
"""Seconds: 0.5 doubling to 2 m 2 s (nestedpendingoperations backoff)."""
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    record: PodRecord
    """What to remember until the next decision."""
    actions: tuple[Action, ...]
    """What to do now, in this order; none of them is waited for."""
    events: tuple[EventNote, ...]
    """Kubernetes Events to record."""
    wake_at: Instant | None
    """When to ask again if nothing happens first."""


def decide(plan: PodPlan, record: PodRecord, seen: Observation, now: Instant) -> Decision:
    """Decide what to do for a pod.

    A function of its arguments alone. Called again with the new record and an unchanged world it asks for nothing more:
    whatever was asked for is remembered in the record until its outcome comes back in `seen.outcomes`.
    """
    turn = Turn(plan, record, seen, now)
    if record.started_at is None:
        turn.update(started_at=now)
        if seen.rejection is not None:
            _reject(turn, seen.rejection)
    for outcome in seen.outcomes:
        _absorb(turn, outcome)
    termination.advance(turn)
    if turn.record.stage is Stage.SYNCING:
        _sync(turn)
    if turn.record.stage is Stage.TERMINATING:
        _terminate(turn)
    probes.schedule(turn)
    _remember_states(turn)
    return Decision(
        record=turn.finish(), actions=tuple(turn.actions), events=tuple(turn.events), wake_at=turn.wake_at
    )


def _reject(turn: Turn, rejection: Rejection) -> None:
    """kubelet.go: rejectPod. The pod goes straight to its end; volumes and a sandbox are not even asked for."""
    turn.note("Warning", rejection.reason, rejection.message)
    ending = Ending(reason=rejection.reason, message=f"Pod was rejected: {rejection.message}", rejected=True)
    turn.update(stage=Stage.TERMINATING, ending=ending)


def _absorb(turn: Turn, outcome: Outcome) -> None:
    match outcome:
        case VolumesMounted():
            turn.update(volumes=VolumesRecord(mounted=True))
        case VolumesFailed():
            _volumes_failed(turn, outcome)
        case SandboxCreated():
            progress.sandbox_created(turn, outcome)
        case SandboxFailed():
            progress.sandbox_failed(turn, outcome)
        case SandboxStopped():
            progress.sandbox_stopped(turn)
        case ContainerStarted():
            progress.container_started(turn, outcome)
        case ContainerStartFailed():
            progress.container_start_failed(turn, outcome)
        case HookFinished(hook=Hook.POST_START):
            progress.post_start_finished(turn, outcome)
        case HookFinished():
            termination.hook_finished(turn, outcome)
        case ProbeAnswered():
            probes.absorb(turn, outcome)
        case ReferencesChanged():
            _retry_at_once(turn)
        case TornDown():
            turn.update(stage=Stage.FINISHED)
        case _:
            assert_never(outcome)


def _volumes_failed(turn: Turn, outcome: VolumesFailed) -> None:
    for volume, message in outcome.failures:
        turn.note("Warning", "FailedMount", f'MountVolume.SetUp failed for volume "{volume}" : {message}')
    delay = min(max(VOLUME_RETRY_FIRST, turn.record.volumes.delay * 2), VOLUME_RETRY_CAP)
    turn.update(volumes=VolumesRecord(delay=delay, retry_at=Instant(turn.now + delay)))


def _retry_at_once(turn: Turn) -> None:
    """Something the pod refers to has changed: waiting for a retry would only waste time."""
    if turn.record.volumes.retry_at is not None:
        turn.update(volumes=replaced(turn.record.volumes, retry_at=turn.now))
    for name, container in turn.record.containers.items():
        error = container.start_error
        if error is not None and error.reason not in (syncing.CRASH_LOOP, "PostStartHookError"):
            turn.update_container(name, start_error=replaced(error, retry_at=None), image_backoff=None)


def _sync(turn: Turn) -> None:
    if turn.deleting and turn.seen.deletion is not None and turn.seen.deletion.grace_seconds == 0:
        _enter_termination(turn)
        return
    while progress.advance(turn):
        if _is_to_end(turn):
            _enter_termination(turn)
            return
        if not _has_volumes(turn):
            return
        sync = syncing.compute(turn)
        if sync is None:
            return
        turn.update(sync=sync)


def _is_to_end(turn: Turn) -> bool:
    """Deletion, eviction, the active deadline, or a phase that is final."""
    record = turn.record
    if turn.deleting:
        return True
    if turn.seen.eviction is not None:
        eviction = turn.seen.eviction
        turn.note("Warning", "Evicted", eviction.message)
        turn.update(ending=Ending(reason=eviction.reason, message=eviction.message))
        return True
    deadline = turn.plan.active_deadline
    if deadline is not None and record.started_at is not None:
        ends_at = Instant(record.started_at + deadline)
        if turn.now >= ends_at:
            turn.note("Normal", "DeadlineExceeded", DEADLINE_MESSAGE)
            turn.update(ending=Ending(reason="DeadlineExceeded", message=DEADLINE_MESSAGE))
            return True
        turn.wake(ends_at)
    return states.phase_of(turn, states.view_all(turn), is_over=False) in states.TERMINAL


def _has_volumes(turn: Turn) -> bool:
    """Volumes are there before any container starts, the first init container included."""
    volumes = turn.record.volumes
    if volumes.mounted:
        return True
    if not volumes.in_flight and (volumes.retry_at is None or turn.now >= volumes.retry_at):
        turn.actions.append(MountVolumes(because="containers start only when every volume is there"))
        turn.update(volumes=replaced(volumes, in_flight=True, retry_at=None))
    else:
        turn.wake(volumes.retry_at)
    return False


def _enter_termination(turn: Turn) -> None:
    """pod_workers.go: calculateEffectiveGracePeriod."""
    grace = turn.plan.grace_seconds
    wanted = [w.grace_seconds for w in (turn.seen.deletion, turn.seen.eviction) if w is not None]
    if wanted:
        grace = min(wanted)
    grace = max(1, grace)
    turn.update(stage=Stage.TERMINATING, sync=progress.under_way(turn.record.sync), grace=grace)
    if turn.seen.deletion is not None and turn.seen.deletion.grace_seconds == 0:
        return
    for instance in turn.running():
        termination.begin(
            turn, instance.name, instance.id, grace=grace, message="", ordered=turn.plan.has_sidecars
        )
    termination.advance(turn)


def _terminate(turn: Turn) -> None:
    if turn.seen.deletion is not None and turn.seen.deletion.grace_seconds == 0:
        termination.kill_now(turn)
    for instance in turn.running():
        # A start that was under way when the pod was told to end may come in late.
        if not any(stop.id == instance.id for stop in turn.stops):
            termination.begin(
                turn, instance.name, instance.id, grace=turn.record.grace or 1, message="", ordered=False
            )
            termination.advance(turn)
    if turn.stops or turn.record.stopping_sandbox:
        return
    if turn.record.volumes.in_flight or progress.under_way(turn.record.sync) is not None:
        return  # what is being made now would outlive its removal
    if any(s.is_ready for s in turn.seen.sandboxes):
        turn.actions.append(StopSandbox(because="no container of the pod runs any more"))
        turn.update(stopping_sandbox=True)
        return
    turn.actions.append(TearDown(because="the pod is over"))
    turn.update(stage=Stage.TERMINATED)


def _remember_states(turn: Turn) -> None:
    """What later statuses depend on: the phase, stickiness of Initialized, and who was last seen running."""
    if turn.record.stage is Stage.FINISHED:
        return
    views = states.view_all(turn)
    is_over = turn.record.stage is Stage.TERMINATED
    phase = "Failed" if turn.record.ending is not None else states.phase_of(turn, views, is_over=is_over)
    if turn.record.phase not in states.TERMINAL and (phase not in states.TERMINAL or is_over):
        if is_over and phase not in states.TERMINAL:
            phase = "Failed"
        if phase != turn.record.phase:
            turn.update(phase=phase)
    for name, view in views.items():
        _remember_shown(turn, name, view)
    if not turn.record.initialized and _is_initialized(turn, views):
        turn.update(initialized=True)
    if turn.record.restarting_all and not any(
        c.name in turn.newest for c in turn.plan.inits + turn.plan.mains
    ):
        # Every instance is gone: what is shown from here on is a start like the first (AllContainersRestartCleanedUp).
        turn.update(restarting_all=False)


def _remember_shown(turn: Turn, name: str, view: states.ContainerView) -> None:
    shown = turn.container(name).shown
    if shown is None:
        if isinstance(view.state, Waiting) and view.last is None and not view.restart_count:
            return
    elif shown.state == view.state and shown.last == view.last and shown.restart_count == view.restart_count:
        return
    turn.update_container(
        name, shown=Shown(state=view.state, last=view.last, restart_count=view.restart_count)
    )


def _is_initialized(turn: Turn, views: dict[str, states.ContainerView]) -> bool:
    """status/generate.go: GeneratePodInitializedCondition."""
    if not turn.plan.inits:
        return True
    if turn.record.phase == "Succeeded" or any(
        not isinstance(views[c.name].state, Waiting) for c in turn.plan.mains
    ):
        return True
    return all(
        views[c.name].started if c.role is Role.SIDECAR else views[c.name].ready for c in turn.plan.inits
    )
