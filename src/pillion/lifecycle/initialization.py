"""Which init containers and sidecars to start or kill (kuberuntime_container.go: computeInitContainerActions).

The list is walked from last to first: the last one that has an instance decides how far the pod has come. Whatever lies
before it is kept alive if it is a sidecar, and never looked at again if it is not.
"""

from __future__ import annotations

import msgspec

from pillion.lifecycle import probes, restart
from pillion.lifecycle.observation import ContainerSeen, ProbeKind, ProbeOutcome, RuntimeState
from pillion.lifecycle.record import Kill, replaced
from pillion.lifecycle.turn import Turn
from pillion.plan.podplan import ContainerPlan, RestartPolicy, Role


class InitPlan(msgspec.Struct, kw_only=True):
    """What initialisation asks of this sync."""

    initialized: bool = False
    kill_pod: bool = False
    starts: list[str] = msgspec.field(default_factory=list)
    kills: list[Kill] = msgspec.field(default_factory=list)


def compute(turn: Turn) -> InitPlan:
    inits = turn.plan.inits
    todo = InitPlan()
    if not inits:
        todo.initialized = True
        return todo
    # Exited mains do not count: after a reboot every old instance is exited, and initialisation must run again.
    todo.initialized = passed = any(
        (main := turn.newest.get(c.name)) is not None
        and main.state in (RuntimeState.CREATED, RuntimeState.RUNNING)
        for c in turn.plan.mains
    )
    found = False
    for index in range(len(inits) - 1, -1, -1):
        container = inits[index]
        instance = turn.newest.get(container.name)
        if instance is None:
            if passed and container.role is Role.SIDECAR:
                todo.starts.append(container.name)
            continue
        found = True
        if passed and container.role is not Role.SIDECAR:
            continue
        _consider(turn, todo, index, instance, passed=passed)
        if todo.kill_pod:
            todo.starts.clear()
            return todo
        passed = True
    if not found and not passed:
        todo.starts.append(inits[0].name)
    todo.starts.reverse()
    return todo


def _consider(turn: Turn, todo: InitPlan, index: int, instance: ContainerSeen, *, passed: bool) -> None:
    container = turn.plan.inits[index]
    match instance.state:
        case RuntimeState.CREATED:
            todo.starts.append(container.name)
        case RuntimeState.RUNNING:
            if container.role is Role.SIDECAR:
                _consider_running_sidecar(turn, todo, index, instance, passed=passed)
        case RuntimeState.EXITED:
            if container.role is Role.SIDECAR:
                if not turn.deleting:
                    todo.starts.append(container.name)
            elif _init_failed(instance):
                if _restarts(turn, container, instance):
                    todo.starts.append(container.name)
                else:
                    todo.kill_pod = True
            else:
                _go_on(turn, todo, index)
        case RuntimeState.UNKNOWN:
            policy = container.restart_policy or turn.plan.restart_policy
            if policy is RestartPolicy.NEVER:
                todo.kill_pod = True
                return
            kill = _kill(turn, container, instance, "", None)
            message = 'Init container is in "unknown" state, try killing it before restart'
            todo.kills.append(replaced(kill, message=message))
            todo.starts.append(container.name)


def _consider_running_sidecar(
    turn: Turn, todo: InitPlan, index: int, instance: ContainerSeen, *, passed: bool
) -> None:
    container = turn.plan.inits[index]
    if container.startup is not None:
        startup = probes.result(turn.probes, instance, ProbeKind.STARTUP)
        if startup is ProbeOutcome.FAILURE:
            todo.kills.append(_kill(turn, container, instance, "failed startup probe", ProbeKind.STARTUP))
            todo.starts.append(container.name)
            return
        if startup is not ProbeOutcome.SUCCESS:
            return
    if not passed:
        _go_on(turn, todo, index)
    # Only now: a sidecar that is killed for its liveness does not hold back the next container.
    if instance.hash != container.hash:
        todo.kills.append(_kill(turn, container, instance, "definition changed", None))
        todo.starts.append(container.name)
    elif (
        container.liveness is not None
        and probes.result(turn.probes, instance, ProbeKind.LIVENESS) is ProbeOutcome.FAILURE
    ):
        todo.kills.append(_kill(turn, container, instance, "failed liveness probe", ProbeKind.LIVENESS))
        todo.starts.append(container.name)


def _go_on(turn: Turn, todo: InitPlan, index: int) -> None:
    if index == len(turn.plan.inits) - 1:
        todo.initialized = True
    else:
        todo.starts.append(turn.plan.inits[index + 1].name)


def _init_failed(instance: ContainerSeen) -> bool:
    """An init that was OOM-killed has failed even when its exit code is 0."""
    return instance.exit_code != 0 or instance.reason == "OOMKilled"


def _restarts(turn: Turn, container: ContainerPlan, instance: ContainerSeen) -> bool:
    if turn.deleting:
        return False
    code = instance.exit_code or 0
    if code == 0:
        return restart.restarts_on_failure(container, turn.plan.restart_policy)
    return restart.restarts_after(container, turn.plan.restart_policy, code)


def _kill(
    turn: Turn, container: ContainerPlan, instance: ContainerSeen, what: str, probe: ProbeKind | None
) -> Kill:
    by = container.startup if probe is ProbeKind.STARTUP else container.liveness if probe else None
    return Kill(
        name=container.name,
        id=instance.id,
        message=f"Init container {container.name} {what}",
        grace=probes.grace_of(turn.plan, by),
    )
