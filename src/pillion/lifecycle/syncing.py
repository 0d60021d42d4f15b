"""What one sync is to do, computed as a value (kuberuntime_manager.go: computePodActions, SyncPod)."""

from __future__ import annotations

from pillion.lifecycle import backoff, initialization, probes, restart
from pillion.lifecycle.observation import ContainerSeen, ProbeKind, ProbeOutcome, RuntimeState
from pillion.lifecycle.record import Kill, StartError, Sync
from pillion.lifecycle.turn import Turn
from pillion.plan.podplan import ContainerPlan, RestartPolicy, Role
from pillion.units import Instant, go_duration

CRASH_LOOP = "CrashLoopBackOff"
PULL_FAILED = "ErrImagePull"
PULL_BACKOFF = "ImagePullBackOff"


def compute(turn: Turn) -> Sync | None:
    """The next sync, or None when there is nothing to do (yet)."""
    if _needs_sandbox(turn):
        return _renew_sandbox(turn)
    reset = restart.wants_restart_of_all(turn.plan, turn.newest)
    if reset:
        return _restart_all(turn, reset)
    starts = [
        c.name
        for c in turn.plan.ephemerals
        if c.name not in turn.newest and not turn.container(c.name).attempts
    ]
    init = initialization.compute(turn)
    if init.kill_pod:
        return _kill_pod(turn)
    kills = init.kills
    if init.initialized:
        keep, main_starts, main_kills = _mains(turn)
        if not keep and not main_starts:
            # Sidecars must not keep a pod alive whose mains are done.
            return _kill_pod(turn)
        starts += [*init.starts, *main_starts]
        kills = [*kills, *main_kills]
    else:
        starts += init.starts
    killed = frozenset(kill.name for kill in kills)
    allowed = _allowed(turn, starts, killed)
    # One in unknown state is only killed to make room for the next.
    kills = [k for k in kills if k.name in allowed or turn.newest[k.name].state is RuntimeState.RUNNING]
    if not kills and not allowed:
        return None
    return Sync(kills=tuple(kills), starts=allowed, finishes=_finishes(turn, allowed))


def _needs_sandbox(turn: Turn) -> bool:
    """Whether the pod has no sandbox it could go on in (util.go: PodSandboxChanged)."""
    sandboxes = turn.seen.sandboxes
    if not sandboxes:
        return True
    newest = sandboxes[0]
    return not (
        newest.is_ready
        and sum(s.is_ready for s in sandboxes) == 1
        and newest.host_network == turn.plan.host_network
        and (newest.host_network or newest.ips)
    )


def _renew_sandbox(turn: Turn) -> Sync | None:
    """Begin again in a new sandbox, unless the pod has nothing left to start."""
    plan, sandboxes = turn.plan, turn.seen.sandboxes
    attempt = sandboxes[0].attempt + 1 if sandboxes else turn.record.sandbox_attempts
    if plan.restart_policy is RestartPolicy.NEVER and attempt != 0 and turn.newest:
        return _kill_pod(turn)
    mains = [
        c.name
        for c in plan.mains
        if (c.restart_policy or plan.restart_policy) is not RestartPolicy.ON_FAILURE
        or not _succeeded(turn.newest.get(c.name))
    ]
    if not mains and any(c.name in turn.newest for c in plan.mains):
        return _kill_pod(turn)
    if turn.record.sandbox_retry_at is not None and turn.now < turn.record.sandbox_retry_at:
        turn.wake(turn.record.sandbox_retry_at)
        return None
    if sandboxes:
        turn.note("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
    inits = {c.name for c in plan.inits}
    starts = _allowed(turn, [plan.inits[0].name] if plan.inits else mains, frozenset())
    return Sync(
        kill_pod=bool(sandboxes),
        stop_sandbox=bool(sandboxes),
        remove=tuple(c.id for c in turn.seen.containers if c.name in inits),
        create_sandbox=attempt,
        starts=starts,
        finishes=_finishes(turn, starts),
    )


def _finishes(turn: Turn, starts: tuple[str, ...]) -> dict[str, Instant]:
    return {
        name: exited.finished_at
        for name in starts
        if (exited := last_exited(turn, name)) is not None and exited.finished_at is not None
    }


def _kill_pod(turn: Turn) -> Sync | None:
    if not turn.running() and not any(s.is_ready for s in turn.seen.sandboxes):
        return None
    return Sync(kill_pod=True, stop_sandbox=True)


def _succeeded(instance: ContainerSeen | None) -> bool:
    return instance is not None and instance.state is RuntimeState.EXITED and instance.exit_code == 0


def _restart_all(turn: Turn, sources: tuple[str, ...]) -> Sync:
    """Every container ends (grace 0, no preStop) and is removed; then it begins again with init 0, without backoff."""
    order = [c.name for c in (*turn.plan.mains, *turn.plan.inits)]
    targets = [name for name in order if name not in sources and name in turn.newest]
    kills = tuple(
        Kill(
            name=name,
            id=turn.newest[name].id,
            message=f"Stopping container {name}",
            grace=0,
            run_hook=False,
        )
        for name in targets
        if turn.newest[name].state is RuntimeState.RUNNING
    )
    known = frozenset(order)
    turn.update(restarting_all=True)
    return Sync(kills=kills, remove=tuple(c.id for c in turn.seen.containers if c.name in known))


def _mains(turn: Turn) -> tuple[int, list[str], list[Kill]]:
    """How many mains to keep, which to start, which to kill; in the order of the spec."""
    keep = 0
    starts: list[str] = []
    kills: list[Kill] = []
    for container in turn.plan.mains:
        instance = turn.newest.get(container.name)
        if instance is None or instance.state is not RuntimeState.RUNNING:
            if restart.should_start(container, turn.plan, instance, deleting=turn.deleting):
                starts.append(container.name)
                if instance is not None and instance.state is RuntimeState.UNKNOWN:
                    kills.append(
                        Kill(
                            name=container.name,
                            id=instance.id,
                            message='Container is in "unknown" state, try killing it before restart',
                            grace=turn.plan.grace_seconds,
                        )
                    )
            continue
        cause = _kill_cause(turn, container, instance)
        if cause is None:
            keep += 1
            continue
        message, grace = cause
        if instance.hash != container.hash or restart.restarts_on_failure(
            container, turn.plan.restart_policy
        ):
            message += ", will be restarted"
            starts.append(container.name)
        kills.append(Kill(name=container.name, id=instance.id, message=message, grace=grace))
    return keep, starts, kills


def _kill_cause(turn: Turn, container: ContainerPlan, instance: ContainerSeen) -> tuple[str, int] | None:
    if instance.hash != container.hash:
        return f"Container {container.name} definition changed", turn.plan.grace_seconds
    checks = (
        (container.liveness, ProbeKind.LIVENESS, "liveness"),
        (container.startup, ProbeKind.STARTUP, "startup"),
    )
    for probe, kind, word in checks:
        if probe is not None and probes.result(turn.probes, instance, kind) is ProbeOutcome.FAILURE:
            return f"Container {container.name} failed {word} probe", probes.grace_of(turn.plan, probe)
    return None


def _allowed(turn: Turn, starts: list[str], killed: frozenset[str]) -> tuple[str, ...]:
    """The starts that no backoff holds back. A plain init that must wait ends the list, others are skipped over."""
    allowed: list[str] = []
    for name in starts:
        container = turn.by_name[name]
        # A container that this very sync kills is judged by the instance before: its own has not exited yet.
        ready = _ready_at(turn, container, is_killed=name in killed)
        if ready is None or ready <= turn.now:
            allowed.append(name)
        elif container.role is Role.INIT:
            break
    return tuple(allowed)


def _ready_at(turn: Turn, container: ContainerPlan, *, is_killed: bool) -> Instant | None:
    """When the container may be started; notes the waiting reason when that is in the future."""
    record = turn.container(container.name)
    pull = record.image_backoff
    if (
        pull is not None
        and pull.key == container.image
        and turn.now < (ready := Instant(pull.updated_at + pull.delay))
    ):
        _refuse_pull(turn, container)
        turn.wake(ready)
        return ready
    error = record.start_error
    if (
        error is not None
        and error.retry_at is not None
        and error.key == container.backoff_key
        and turn.now < error.retry_at
    ):
        turn.wake(error.retry_at)
        return error.retry_at
    exited = last_exited(turn, container.name)
    if exited is None or exited.finished_at is None or container.role is Role.EPHEMERAL:
        return None
    entry = record.crash_backoff
    ready_ = backoff.ready_at(entry, container.backoff_key, exited.finished_at)
    if ready_ is None or ready_ <= turn.now or entry is None:
        return None
    if not is_killed and (error is None or error.reason != CRASH_LOOP):
        pod = f"{turn.plan.name}_{turn.plan.namespace}({turn.plan.uid})"
        turn.update_container(
            container.name,
            start_error=StartError(
                reason=CRASH_LOOP,
                message=f"back-off {go_duration(entry.delay)} restarting failed container={container.name} pod={pod}",
            ),
        )
        turn.note(
            "Warning",
            "BackOff",
            f"Back-off restarting failed container {container.name} in pod {pod}",
            container.name,
        )
    turn.wake(ready_)
    return ready_


def _refuse_pull(turn: Turn, container: ContainerPlan) -> None:
    """ErrImagePull becomes ImagePullBackOff at the first attempt that the backoff refuses."""
    error = turn.container(container.name).start_error
    if error is None or error.reason != PULL_FAILED:
        return
    if error.retry_at is not None and turn.now < error.retry_at:
        turn.wake(error.retry_at)
        return
    turn.update_container(
        container.name,
        start_error=StartError(
            reason=PULL_BACKOFF,
            message=f'Back-off pulling image "{container.image}": {PULL_FAILED}: {error.message}',
            key=error.key,
        ),
    )
    turn.note("Normal", "BackOff", f'Back-off pulling image "{container.image}"', container.name)
    turn.note("Warning", "Failed", f"Error: {PULL_BACKOFF}", container.name)


def last_exited(turn: Turn, name: str) -> ContainerSeen | None:
    """The newest instance that has exited: backoff is counted from its finish."""
    for instance in turn.seen.containers:
        if instance.name == name and instance.state is RuntimeState.EXITED:
            return instance
    return None
