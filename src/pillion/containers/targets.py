"""The process namespace of another container of the pod: what `kubectl debug --target` asks for.

containerd: internal/cri/server/container_create.go, validateTargetContainer; the CRI calls it NamespaceMode TARGET.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pillion.containers.instance import Instance
from pillion.containers.runtime import CreateError
from pillion.lifecycle.observation import RuntimeState
from pillion.plan.containerspec import ContainerSpec


@contextlib.contextmanager
def open_pid_namespace(
    spec: ContainerSpec, container_id: str, instances: Mapping[str, Instance]
) -> Iterator[str | None]:
    """A path to the process namespace that the container joins, good within the block; None without a target.

    Raises CreateError, in containerd's words, when the target does not run.
    """
    if spec.target_id is None:
        yield None
        return
    try:
        target = _running_target(spec.target_id, spec.sandbox_attempt, instances)
        namespace = _open_namespace(target)
    except ValueError as error:
        raise CreateError(
            f'failed to generate container "{container_id}" spec: invalid target container: {error}'
        ) from error
    try:
        yield f"/proc/{os.getpid()}/fd/{namespace}"
    finally:
        os.close(namespace)


def _running_target(target_id: str, sandbox_attempt: int, instances: Mapping[str, Instance]) -> Instance:
    """Raises ValueError."""
    target = instances.get(target_id)
    if target is None:
        raise ValueError(f'container "{target_id}" does not exist: not found')
    if target.record.sandbox_attempt != sandbox_attempt:
        owner = target.record.sandbox_attempt
        raise ValueError(
            f'container "{target_id}" (sandbox {owner}) does not belong to sandbox {sandbox_attempt}'
        )
    if target.state is not RuntimeState.RUNNING:
        raise ValueError(_not_running(target_id, target.state))
    return target


def _open_namespace(target: Instance) -> int:
    """Held open before it is looked at whose it is: the number of a process that has ended may be given to another.

    Raises ValueError.
    """
    pid = target.progress.pid
    try:
        namespace = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise ValueError(_not_running(target.record.id, RuntimeState.EXITED)) from None
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if target.record.id in Path(f"/proc/{pid}/cgroup").read_text():
            return namespace
    os.close(namespace)
    raise ValueError(_not_running(target.record.id, RuntimeState.EXITED))


def _not_running(target_id: str, state: RuntimeState) -> str:
    return f'container "{target_id}" is not running - in state CONTAINER_{state.upper()}'
