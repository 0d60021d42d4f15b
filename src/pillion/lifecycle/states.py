"""Container states and the pod's phase (kubelet_pods.go: convertToAPIContainerStatuses, getPhase).

The rules that decide use them, and `status.describe` writes them down: one derivation, two readers.
"""

from __future__ import annotations

import msgspec

from pillion.lifecycle import probes, restart
from pillion.lifecycle.observation import ContainerSeen, RuntimeState
from pillion.lifecycle.record import (
    ContainerState,
    Running,
    Shown,
    StartStage,
    Terminated,
    Waiting,
)
from pillion.lifecycle.turn import Turn
from pillion.plan.containerspec import Identity
from pillion.plan.podplan import ContainerPlan, RestartPolicy, Role

CREATING = "ContainerCreating"
INITIALIZING = "PodInitializing"
UNKNOWN_STATUS = "ContainerStatusUnknown"
VANISHED = "The container could not be located when the pod was deleted.  The container used to be Running"
LOST = "The container could not be located when the pod was terminated"
COMPLETED_UNSEEN = (
    "Unable to get init container status from container runtime and pod has been initialized, "
    "treat it as exited normally"
)
RESTARTING_ALL = "RestartingAllContainers"
REMOVED_MESSAGE = "The container is removed because RestartAllContainers in place"
TERMINAL = ("Succeeded", "Failed")


class ContainerView(msgspec.Struct, frozen=True, kw_only=True):
    """What a container's status says."""

    plan: ContainerPlan
    state: ContainerState
    last: Terminated | None = None
    restart_count: int = 0
    started: bool = False
    ready: bool = False
    id: str = ""
    image: str = ""
    image_id: str = ""
    identity: Identity | None = None


def terminated(instance: ContainerSeen) -> Terminated:
    return Terminated(
        exit_code=instance.exit_code if instance.exit_code is not None else 137,
        reason=instance.reason,
        message=instance.message,
        started_at=instance.started_at,
        finished_at=instance.finished_at,
        id=instance.id,
    )


def view_all(turn: Turn) -> dict[str, ContainerView]:
    """The view of every container, by name. Not to be changed: a turn keeps it as long as it is true."""
    if turn.views is not None:
        return turn.views
    instances: dict[str, list[ContainerSeen]] = {}
    starting = turn.record.sync.starting if turn.record.sync is not None else None
    for instance in turn.seen.containers:
        if (
            starting is not None
            and instance.name == starting.name
            and instance.attempt == starting.attempt
            and starting.stage is not StartStage.UNDOING
        ):
            continue  # the kubelet does not look again before the start, postStart included, is over
        instances.setdefault(instance.name, []).append(instance)
    default = Waiting(reason=INITIALIZING if turn.plan.inits else CREATING)
    turn.views = {c.name: _view(turn, c, instances.get(c.name), default) for c in turn.plan.containers}
    return turn.views


def _view(
    turn: Turn, container: ContainerPlan, instances: list[ContainerSeen] | None, default: Waiting
) -> ContainerView:
    record = turn.container(container.name)
    newest = None
    if instances is None:
        state, last, restart_count = _told_before(turn, container, default)
    else:
        newest = instances[0]
        previous = instances[1] if len(instances) > 1 else None
        state, last, restart_count = _told_now(record.shown, newest, previous)
    error = record.start_error
    if (
        error is not None
        and not isinstance(state, Running)
        and not _is_done(turn, container, newest)
        and restart.should_start(container, turn.plan, newest, deleting=turn.deleting)
    ):
        last = state if isinstance(state, Terminated) else last
        state = Waiting(reason=error.reason, message=error.message)
    started = ready = False
    match container.role:
        case Role.INIT:
            started = isinstance(state, Running)
            ready = isinstance(state, Terminated) and state.exit_code == 0
        case Role.SIDECAR | Role.MAIN:
            started = probes.has_started(container, turn.probes, newest)
            ready = newest is not None and started and probes.is_ready(container, turn.probes, newest)
        case Role.EPHEMERAL:
            pass  # neither is ever asked of it (prober_manager.go: UpdatePodStatus)
    return ContainerView(
        plan=container,
        state=state,
        last=last,
        restart_count=restart_count,
        started=started,
        ready=ready,
        id=newest.id if newest is not None else "",
        image=newest.image if newest is not None else "",
        image_id=newest.image_id if newest is not None else "",
        identity=newest.identity if newest is not None else None,
    )


def _is_done(turn: Turn, container: ContainerPlan, newest: ContainerSeen | None) -> bool:
    """An init container that exited 0 keeps its state, a sidecar in backoff included, and one that must have run."""
    if container.role is not Role.INIT and container.role is not Role.SIDECAR:
        return False
    if newest is None:
        return container.role is Role.INIT and _any_main_created(turn)
    return newest.state is RuntimeState.EXITED and newest.exit_code == 0


_Told = tuple[ContainerState, Terminated | None, int]
"""State, last state, restart count."""


def _told_now(shown: Shown | None, newest: ContainerSeen, previous: ContainerSeen | None) -> _Told:
    restart_count = newest.attempt
    last = None
    if shown is not None:
        restart_count = max(restart_count, shown.restart_count)
        last = shown.last
        if isinstance(shown.state, Terminated) and shown.state.id != newest.id:
            last = shown.state
    if previous is not None:
        last = terminated(previous)
    state: ContainerState
    match newest.state:
        case RuntimeState.RUNNING:
            state = Running(
                started_at=newest.started_at if newest.started_at is not None else newest.created_at
            )
        case RuntimeState.CREATED:
            state = Waiting(reason="")
        case RuntimeState.EXITED:
            state = terminated(newest)
        case RuntimeState.UNKNOWN:
            state = Waiting(reason="")
            if shown is not None and isinstance(shown.state, Running):
                state = Terminated(exit_code=137, reason=UNKNOWN_STATUS, message=LOST, id=newest.id)
                restart_count += 1
            elif shown is not None and isinstance(shown.state, Terminated) and shown.state.id == newest.id:
                state = shown.state
    return state, last, restart_count


def _told_before(turn: Turn, container: ContainerPlan, default: Waiting) -> _Told:
    """Nothing was created yet, or the runtime has forgotten it: then the old status tells what is known."""
    shown = turn.container(container.name).shown or Shown(state=default)
    state, last, restart_count = shown.state, shown.last, shown.restart_count
    if turn.record.restarting_all and not isinstance(state, Waiting):
        state = Waiting(reason=RESTARTING_ALL, message=REMOVED_MESSAGE)
        last = Terminated(exit_code=137, reason=RESTARTING_ALL, message=REMOVED_MESSAGE)
        restart_count += 1
    elif isinstance(state, Running):
        state = default
        if last is None:
            last = Terminated(exit_code=137, reason=UNKNOWN_STATUS, message=VANISHED)
            restart_count += not turn.deleting
    elif isinstance(state, Waiting) and state.reason != RESTARTING_ALL:
        state = default
    if isinstance(state, Waiting) and container.role is Role.INIT and _any_main_created(turn):
        # A plain init's record is gone, but a main was created: it must have completed.
        state = Terminated(exit_code=0, reason="Completed", message=COMPLETED_UNSEEN)
    return state, last, restart_count


def _any_main_created(turn: Turn) -> bool:
    return any(main.name in turn.newest for main in turn.plan.mains)


class _Tally(msgspec.Struct):
    """The counters of getPhase."""

    pending_inits: int = 0
    failed_inits: int = 0
    pending_sidecars: int = 0
    waiting: int = 0
    running: int = 0
    stopped: int = 0
    succeeded: int = 0
    restartable: int = 0


def phase_of(turn: Turn, views: dict[str, ContainerView], *, is_over: bool) -> str:
    """The pod's phase (getPhase); the first match decides. `is_over`: the pod was stopped, nothing will be started."""
    tally = _Tally()
    for container in turn.plan.inits:
        if container.role is Role.SIDECAR:
            _count_sidecar(tally, views[container.name])
        else:
            _count_init(tally, views[container.name], turn.plan.restart_policy)
    for main in turn.plan.mains:
        _count_main(tally, views[main.name], turn.plan.restart_policy)
    if tally.failed_inits:
        return "Failed"
    if tally.pending_inits or (tally.pending_sidecars and not _any_main_in_sandbox(turn)) or tally.waiting:
        return "Pending"
    if tally.running:
        return "Running"
    if not tally.stopped:
        return "Pending"
    if tally.restartable and not is_over:
        return "Running"
    return "Succeeded" if tally.succeeded == tally.stopped else "Failed"


def _count_sidecar(tally: _Tally, view: ContainerView) -> None:
    """A sidecar that ended, or will be restarted, says nothing about the phase."""
    if isinstance(view.state, Running):
        tally.running += 1
        tally.pending_sidecars += not view.started
    elif isinstance(view.state, Waiting) and view.last is None:
        tally.pending_sidecars += 1
        tally.waiting += 1


def _count_init(tally: _Tally, view: ContainerView, policy: RestartPolicy) -> None:
    if isinstance(view.state, Running):
        tally.pending_inits += 1
        return
    ended = view.state if isinstance(view.state, Terminated) else view.last
    if ended is None:
        tally.pending_inits += 1
    elif ended.exit_code != 0 and not _comes_back(view.plan, policy, ended):
        tally.failed_inits += 1


def _count_main(tally: _Tally, view: ContainerView, policy: RestartPolicy) -> None:
    if isinstance(view.state, Running):
        tally.running += 1
        return
    ended = view.last
    if isinstance(view.state, Terminated):
        ended = view.state
        tally.succeeded += ended.exit_code == 0
    if ended is None:
        tally.waiting += 1
        return
    tally.stopped += 1
    tally.restartable += _comes_back(view.plan, policy, ended)


def _comes_back(container: ContainerPlan, policy: RestartPolicy, ended: Terminated) -> bool:
    return ended.reason == RESTARTING_ALL or restart.restarts_after(container, policy, ended.exit_code)


def _any_main_in_sandbox(turn: Turn) -> bool:
    """HasAnyActiveRegularContainerStarted: a main has an instance in the newest sandbox."""
    sandbox = turn.seen.sandboxes[0].attempt if turn.seen.sandboxes else None
    return any(
        (instance := turn.newest.get(main.name)) is not None and instance.sandbox_attempt == sandbox
        for main in turn.plan.mains
    )
