"""How containers are stopped: preStop, turn, signal, kill, inside one grace period.

    preStop (all at once, at t=0) ─► turn (sidecars: mains first, then in reverse) ─► stop signal ─► SIGKILL

Whole seconds spent in a stage come off the grace period that is left; when it is used up, every container still gets
its stop signal and the two-second floor. Sources: kuberuntime_container.go killContainer, killContainersWithSyncResult;
kuberuntime_termination_order.go.
"""

from __future__ import annotations

from math import floor

from pillion.lifecycle.actions import KillContainer, RunHook, StopContainer
from pillion.lifecycle.observation import Hook, HookFinished, RuntimeState
from pillion.lifecycle.record import Stop, StopStage, replaced
from pillion.lifecycle.turn import Turn
from pillion.plan.podplan import Role
from pillion.units import Instant

FLOOR = 2
"""Seconds every container has between its stop signal and SIGKILL (minimumGracePeriodInSeconds)."""


def begin(
    turn: Turn,
    name: str,
    container_id: str,
    *,
    grace: int,
    message: str,
    ordered: bool,
    run_hook: bool = True,
) -> None:
    """Begin to stop one running container."""
    if any(stop.id == container_id for stop in turn.stops):
        return
    plan = turn.by_name.get(name)
    turn.note("Normal", "Killing", message or f"Stopping container {name}", name)
    stop = Stop(
        name=name,
        id=container_id,
        grace=grace,
        stage=StopStage.TURN,
        since=turn.now,
        deadline=Instant(turn.now + grace),
        ordered=ordered,
    )
    if plan is not None and plan.pre_stop is not None and grace > 0 and run_hook:
        stop = replaced(stop, stage=StopStage.PRE_STOP)
        turn.actions.append(
            RunHook(
                name=name,
                id=container_id,
                hook=Hook.PRE_STOP,
                handler=plan.pre_stop,
                because="preStop comes before the stop signal",
            )
        )
    turn.stops = (*turn.stops, stop)


def hook_finished(turn: Turn, outcome: HookFinished) -> None:
    """A preStop hook is over; a failed one does not stop the termination."""
    for stop in turn.stops:
        if stop.id == outcome.id and stop.stage is StopStage.PRE_STOP:
            if outcome.error is not None:
                turn.note("Warning", "FailedPreStopHook", "PreStopHook failed", stop.name)
            _put(turn, _to_turn(turn, stop))


def advance(turn: Turn) -> None:
    """Move every stop as far as it can go now. Containers that are gone leave the list, which may free others."""
    moved = True
    while moved:
        moved = False
        for stop in turn.stops:
            after = _step(turn, stop)
            if after is None:
                turn.stops = tuple(s for s in turn.stops if s.id != stop.id)
                moved = True
            elif after is not stop:
                _put(turn, after)
                moved = True
    for stop in turn.stops:
        if stop.stage is not StopStage.KILLED:
            turn.wake(stop.deadline)


def kill_now(turn: Turn) -> None:
    """SIGKILL to everything that runs, no hooks, no order."""
    for instance in turn.running():
        known = next((s for s in turn.stops if s.id == instance.id), None)
        if known is not None and known.stage is StopStage.KILLED:
            continue
        stop = known or Stop(
            name=instance.name,
            id=instance.id,
            grace=0,
            stage=StopStage.KILLED,
            since=turn.now,
            deadline=turn.now,
            ordered=False,
        )
        if known is None:
            turn.note("Normal", "Killing", f"Stopping container {instance.name}", instance.name)
            turn.stops = (*turn.stops, stop)
        _put(turn, replaced(stop, stage=StopStage.KILLED))
        turn.actions.append(KillContainer(name=instance.name, id=instance.id, because="asked to end at once"))


def _step(turn: Turn, stop: Stop) -> Stop | None:
    instance = turn.instance(stop.id)
    is_running = instance is not None and instance.state is RuntimeState.RUNNING
    match stop.stage:
        case StopStage.PRE_STOP:
            # The hook is waited for even when its container ended meanwhile, as the kubelet's goroutine does.
            return _to_turn(turn, stop) if turn.now >= stop.deadline else stop
        case StopStage.TURN:
            if not is_running:
                return None
            if turn.now >= stop.deadline or not stop.ordered or _has_turn(turn, stop.name):
                return _signal(turn, stop)
            return stop
        case StopStage.SIGNALLED:
            if not is_running:
                return None
            if turn.now < stop.deadline:
                return stop
            turn.actions.append(
                KillContainer(
                    name=stop.name, id=stop.id, because=f"still running {stop.grace} s after its stop signal"
                )
            )
            return replaced(stop, stage=StopStage.KILLED, since=turn.now)
        case StopStage.KILLED:
            return stop if is_running else None


def _to_turn(turn: Turn, stop: Stop) -> Stop:
    """preStop is over, or given up on."""
    left = max(0, stop.grace - _whole_seconds(turn, stop))
    return replaced(stop, stage=StopStage.TURN, since=turn.now, grace=left, deadline=Instant(turn.now + left))


def _whole_seconds(turn: Turn, stop: Stop) -> int:
    """In the present stage. Instants are floats of seconds since 1970: their differences are good to a microsecond."""
    return floor(turn.now - stop.since + 1e-6)


def _signal(turn: Turn, stop: Stop) -> Stop:
    left = stop.grace - _whole_seconds(turn, stop) if stop.ordered else stop.grace
    grace = max(left, FLOOR)
    plan = turn.by_name.get(stop.name)
    if stop.ordered and plan is not None and plan.role is Role.SIDECAR:
        because = "its turn: mains and later sidecars are gone" if left > 0 else "the grace period is used up"
    else:
        because = "told to stop"
    turn.actions.append(
        StopContainer(name=stop.name, id=stop.id, because=f"{because}; {grace} s until SIGKILL")
    )
    return replaced(
        stop, stage=StopStage.SIGNALLED, since=turn.now, grace=grace, deadline=Instant(turn.now + grace)
    )


def _has_turn(turn: Turn, name: str) -> bool:
    """Mains and running plain init containers go at once; a sidecar after all mains and the next later sidecar.

    That one waits for the next in turn. If it did not run, nobody waits for it, nor for those behind it
    (kuberuntime_termination_order.go: newTerminationOrdering).
    """
    plan = turn.by_name.get(name)
    if plan is None or plan.role is not Role.SIDECAR:
        return True
    stopping = {stop.name for stop in turn.stops}
    if any(main.name in stopping for main in turn.plan.mains):
        return False
    sidecars = [c.name for c in turn.plan.inits if c.role is Role.SIDECAR]
    after = sidecars[sidecars.index(name) + 1 :]
    return not after or after[0] not in stopping


def _put(turn: Turn, stop: Stop) -> None:
    turn.stops = tuple(stop if s.id == stop.id else s for s in turn.stops)
