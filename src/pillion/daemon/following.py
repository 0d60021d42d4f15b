"""Following the logs of a run's containers: every instance from its first line to its last, for whoever watches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from pillion.containers.inotify import Folders
from pillion.containers.logs import follow
from pillion.crilog import Entry
from pillion.daemon.checkpoint import Checkpoint
from pillion.errors import HostError
from pillion.node import PodWorker
from pillion.objects.models import core_v1
from pillion.statedir import StateDir

PATIENCE = 0.5
"""Seconds for last lines when the pods were ended at once."""

Container = tuple[str, str]
"""Pod UID and container name."""


class LogFollowers:
    """One task for each instance that still writes, or whose lines are not all told yet.

    `log` gets whole lines of a container, and what to call, from any thread, when they are shown. Taking long is fine:
    the log file is the buffer. What an earlier process has shown is left out.
    """

    def __init__(
        self,
        state: StateDir,
        log: Callable[[core_v1.Pod, str, list[Entry], Callable[[], None]], Awaitable[None]],
        warn: Callable[[str], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._state = state
        self._log = log
        self._warn = warn
        self._tasks = tasks
        self._folders = Folders()
        self._next: dict[Container, int] = {}
        """The first instance that is not followed yet."""
        self._ends: dict[Container, dict[int, asyncio.Event]] = {}
        """Instances that are followed, each with what says that it has ended."""
        self._running: set[asyncio.Task[None]] = set()

    def look(self, worker: PodWorker) -> None:
        """Follow the instances that the pod's status names for the first time; note which have ended."""
        status = worker.pod.status
        if status is None:
            return
        for known in (*(status.initContainerStatuses or ()), *(status.containerStatuses or ())):
            if not known.containerID:
                continue
            container = (worker.uid, known.name)
            first = max(self._next.get(container, 0), known.restartCount - 1)
            for attempt in range(first, known.restartCount + 1):
                if log_path(self._state, worker, known.name, attempt).exists():
                    self._next[container] = attempt + 1
                    self._follow(worker, container, attempt)
            is_over = known.state is not None and known.state.running is None
            for attempt, ended in self._ends.get(container, {}).items():
                if is_over or attempt < known.restartCount:
                    ended.set()

    async def finish(self, hurried: asyncio.Event) -> None:
        """All pods are over: tell what is left. Once hurried, only what is told in no time."""
        for ends in self._ends.values():
            for ended in ends.values():
                ended.set()
        hurry = self._tasks.create_task(hurried.wait())
        while self._running and not hurried.is_set():
            await asyncio.wait({*self._running, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=PATIENCE)
        for task in self._running:
            task.cancel()

    def _follow(self, worker: PodWorker, container: Container, attempt: int) -> None:
        ended = self._ends.setdefault(container, {})[attempt] = asyncio.Event()
        task = self._tasks.create_task(self._tell(worker, container, attempt, ended))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _tell(
        self, worker: PodWorker, container: Container, attempt: int, ended: asyncio.Event
    ) -> None:
        uid, name = container
        checkpoint = Checkpoint(Path(self._state.pod(uid), "checkpoints", f"{name}.{attempt}"))
        log = log_path(self._state, worker, name, attempt)
        try:
            async for entries, offset in follow(log, ended, self._folders, checkpoint.open()):
                await self._log(worker.pod, name, entries, partial(checkpoint.move, offset))
        except (HostError, OSError) as error:
            self._warn(f"{worker.plan.name}/{name}: its log is not shown: {error}")  # the pod goes on
        finally:
            del self._ends[container][attempt]


def log_path(state: StateDir, worker: PodWorker, container: str, attempt: int) -> Path:
    plan = worker.plan
    return Path(state.container_log(state.pod_logs(plan.namespace, plan.name, plan.uid), container, attempt))
