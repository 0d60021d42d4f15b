"""Working off a sync, one step at a time: kill the pod or single containers, renew the sandbox, start containers.

Each step either asks for something and waits for its outcome, or is over and gives way to the next. Nothing else is
decided until the last step is over, as in the kubelet's synchronous worker.
"""

from __future__ import annotations

from pillion.lifecycle import backoff, termination
from pillion.lifecycle.actions import CreateSandbox, RemoveContainer, RunHook, StartContainer, StopSandbox
from pillion.lifecycle.observation import (
    ContainerStarted,
    ContainerStartFailed,
    Hook,
    HookFinished,
    Note,
    RuntimeState,
    SandboxCreated,
    SandboxFailed,
)
from pillion.lifecycle.record import Stage, StartError, Starting, StartStage, Sync, replaced
from pillion.lifecycle.turn import Turn
from pillion.plan.podplan import Role
from pillion.units import Instant

RETRY = 10
"""Seconds after which a failed sync is tried again (pod_workers.go: backOffPeriod)."""
FLIP = 1
"""Seconds a failed pull shows as ErrImagePull before the next attempt is refused as ImagePullBackOff."""
_PULL_REASONS = frozenset(
    {"ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable"}
)


def advance(turn: Turn) -> bool:
    """Go on with the sync in progress. True when it is over."""
    sync = turn.record.sync
    if sync is None:
        return True
    for step in (_kill_pod, _stop_sandbox, _kill_containers, _remove, _create_sandbox, _start):
        if not step(turn, turn.record.sync or sync):
            return False
    turn.update(sync=None)
    return True


def under_way(sync: Sync | None) -> Sync | None:
    """What the world is at for this sync and will report, even when the sync itself is given up."""
    if sync is None:
        return None
    if sync.starting is not None and sync.starting.stage is StartStage.STARTING:
        return Sync(starting=sync.starting)
    comes_first = sync.kill_pod or sync.stop_sandbox or sync.kills or sync.remove
    if sync.asked and sync.create_sandbox is not None and not comes_first:
        return Sync(create_sandbox=sync.create_sandbox, asked=True)
    return None


def _change(turn: Turn, **changes: object) -> None:
    assert turn.record.sync is not None
    turn.update(sync=replaced(turn.record.sync, **changes))


def _kill_pod(turn: Turn, sync: Sync) -> bool:
    if not sync.kill_pod:
        return True
    if not sync.asked:
        for instance in turn.running():
            termination.begin(
                turn,
                instance.name,
                instance.id,
                grace=turn.plan.grace_seconds,
                message="",
                ordered=turn.plan.has_sidecars,
            )
        _change(turn, asked=True)
        termination.advance(turn)
    if turn.stops:
        return False
    _change(turn, kill_pod=False, asked=False)
    return True


def _stop_sandbox(turn: Turn, sync: Sync) -> bool:
    if not sync.stop_sandbox:
        return True
    if not sync.asked:
        turn.actions.append(StopSandbox(because="its containers are gone"))
        _change(turn, asked=True)
    return False


def sandbox_stopped(turn: Turn) -> None:
    """The outcome of StopSandbox, asked for by a sync or by the pod's termination."""
    if turn.record.sync is not None and turn.record.sync.stop_sandbox:
        _change(turn, stop_sandbox=False, asked=False)
    turn.update(stopping_sandbox=False)


def _kill_containers(turn: Turn, sync: Sync) -> bool:
    """One after the other: each kill is over before the next begins."""
    if sync.starting is not None:
        return True  # the kills are behind us; what stops now is a start being undone
    kills = sync.kills
    while kills and not turn.stops:
        kill, kills = kills[0], kills[1:]
        instance = turn.instance(kill.id)
        if instance is not None and instance.state is RuntimeState.RUNNING:
            termination.begin(
                turn,
                kill.name,
                kill.id,
                grace=kill.grace,
                message=kill.message,
                ordered=False,
                run_hook=kill.run_hook,
            )
            termination.advance(turn)
    if kills is not sync.kills:
        _change(turn, kills=kills)
    return not kills and not turn.stops


def _remove(turn: Turn, sync: Sync) -> bool:
    if not sync.remove:
        return True
    present = [instance for instance in turn.seen.containers if instance.id in sync.remove]
    if not present:
        _change(turn, remove=(), asked=False)
        return True
    if not sync.asked:
        for instance in reversed(present):
            turn.actions.append(
                RemoveContainer(name=instance.name, id=instance.id, because="the pod begins again")
            )
        _change(turn, asked=True)
    return False


def _create_sandbox(turn: Turn, sync: Sync) -> bool:
    if sync.create_sandbox is None:
        return True
    if not sync.asked:
        turn.actions.append(CreateSandbox(attempt=sync.create_sandbox, because="the pod has no sandbox"))
        turn.update(sandbox_attempts=sync.create_sandbox + 1)
        _change(turn, asked=True)
    return False


def sandbox_created(turn: Turn, outcome: SandboxCreated) -> None:
    sync = turn.record.sync
    if sync is not None and sync.create_sandbox == outcome.attempt:
        _change(turn, create_sandbox=None, asked=False)
        turn.update(sandbox_retry_at=None)


def sandbox_failed(turn: Turn, outcome: SandboxFailed) -> None:
    turn.note("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {outcome.message}")
    # The attempt is not used up: nothing of it was left behind.
    turn.update(
        sync=None,
        sandbox_retry_at=Instant(turn.now + RETRY),
        sandbox_attempts=max(0, turn.record.sandbox_attempts - 1),
    )


def _start(turn: Turn, sync: Sync) -> bool:
    starting = sync.starting
    if starting is not None:
        if starting.stage is not StartStage.UNDOING or turn.stops:
            return False
        turn.update_container(
            starting.name, start_error=StartError(reason="PostStartHookError", message=starting.error)
        )
        _change(turn, starting=None)
        return _start(turn, turn.record.sync or sync)
    if not sync.starts:
        return True
    name = sync.starts[0]
    container = turn.by_name[name]
    newest = turn.newest.get(name)
    record = turn.container(name)
    attempt = max(newest.attempt + 1 if newest is not None else 0, record.attempts)
    finished = sync.finishes.get(name)
    if finished is not None:
        entry = backoff.next_entry(record.crash_backoff, container.backoff_key, finished, turn.now)
        turn.update_container(name, crash_backoff=entry)
    turn.update_container(name, attempts=attempt + 1)
    turn.actions.append(
        StartContainer(name=name, role=container.role, attempt=attempt, because=_why(turn, name, attempt))
    )
    _change(turn, starts=sync.starts[1:], starting=Starting(name=name, attempt=attempt))
    return False


def _why(turn: Turn, name: str, attempt: int) -> str:
    newest = turn.newest.get(name)
    if newest is not None and newest.exit_code is not None:
        return f"it exited with code {newest.exit_code}; restart {attempt}"
    container = turn.by_name[name]
    inits = turn.plan.inits
    match container.role:
        case Role.INIT | Role.SIDECAR:
            index = inits.index(container)
            return f"{inits[index - 1].name} is done or started" if index else "the sandbox is ready"
        case Role.MAIN:
            return "the pod is initialized" if inits else "the sandbox is ready"
        case Role.EPHEMERAL:
            return "it was added to the pod"


def container_started(turn: Turn, outcome: ContainerStarted) -> None:
    starting = turn.record.sync.starting if turn.record.sync is not None else None
    _notes(turn, outcome.name, outcome.notes)
    turn.update_container(outcome.name, image_backoff=None)
    if starting is None or starting.name != outcome.name:
        return
    if turn.record.stage is not Stage.SYNCING:
        _change(turn, starting=None)
        return
    _forget_old_instances(turn, outcome.name)
    container = turn.by_name[outcome.name]
    if container.post_start is None:
        turn.update_container(outcome.name, start_error=None)
        _change(turn, starting=None)
        return
    turn.actions.append(
        RunHook(
            name=outcome.name,
            id=outcome.id,
            hook=Hook.POST_START,
            handler=container.post_start,
            because="nothing else of the pod starts until it returns",
        )
    )
    _change(turn, starting=replaced(starting, stage=StartStage.POST_START, id=outcome.id))


def container_start_failed(turn: Turn, outcome: ContainerStartFailed) -> None:
    _notes(turn, outcome.name, outcome.notes)
    is_pull = outcome.reason in _PULL_REASONS
    text = outcome.reason if is_pull else outcome.message
    turn.note("Warning", "Failed", f"Error: {text}", outcome.name)
    retry_at: Instant | None = Instant(turn.now + RETRY)
    if outcome.reason == "ErrImagePull":
        record = turn.container(outcome.name)
        image = turn.by_name[outcome.name].image
        entry = backoff.next_entry(record.image_backoff, image, turn.now, turn.now)
        turn.update_container(outcome.name, image_backoff=entry)
        retry_at = Instant(turn.now + FLIP)
    elif outcome.reason == "RunContainerError":
        retry_at = None  # the instance shows as exited: crash-loop backoff decides
    if outcome.reason != "RunContainerError":
        # No instance came of it, so the next one still has this number.
        attempts = turn.container(outcome.name).attempts
        turn.update_container(outcome.name, attempts=max(0, attempts - 1))
    turn.update_container(
        outcome.name,
        start_error=StartError(
            reason=outcome.reason,
            message=outcome.message,
            retry_at=retry_at,
            key=turn.by_name[outcome.name].backoff_key,
        ),
    )
    sync = turn.record.sync
    if sync is None or sync.starting is None or sync.starting.name != outcome.name:
        return
    is_plain_init = turn.by_name[outcome.name].role is Role.INIT
    _change(turn, starting=None, starts=() if is_plain_init else sync.starts)


def post_start_finished(turn: Turn, outcome: HookFinished) -> None:
    sync = turn.record.sync
    _notes(turn, outcome.name, outcome.notes)
    if sync is None or sync.starting is None or sync.starting.id != outcome.id:
        return
    if outcome.error is None:
        turn.update_container(outcome.name, start_error=None)
        _change(turn, starting=None)
        return
    turn.note("Warning", "FailedPostStartHook", "PostStartHook failed", outcome.name)
    grace = turn.seen.deletion.grace_seconds if turn.seen.deletion is not None else turn.plan.grace_seconds
    _change(turn, starting=replaced(sync.starting, stage=StartStage.UNDOING, error=outcome.error))
    instance = turn.instance(outcome.id)
    if instance is not None and instance.state is RuntimeState.RUNNING:
        termination.begin(
            turn, outcome.name, outcome.id, grace=grace, message="FailedPostStartHook", ordered=False
        )


def _forget_old_instances(turn: Turn, name: str) -> None:
    """Two instances are kept, the present one and the one before (container GC keeps one dead per name)."""
    instances = [c for c in turn.seen.containers if c.name == name]
    for old in instances[2:]:
        turn.actions.append(RemoveContainer(name=name, id=old.id, because="only one dead instance is kept"))


def _notes(turn: Turn, name: str, notes: tuple[Note, ...]) -> None:
    for note in notes:
        turn.note(note.type, note.reason, note.message, name)
