"""Being told when a container has ended, for whoever follows its log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from pillion.containers.runtime import Runtime
from pillion.lifecycle.observation import RuntimeState


class Endings:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._awaited: dict[str, list[tuple[str, asyncio.Event]]] = {}
        runtime.subscribe(self._look)

    @contextmanager
    def of(self, pod_uid: str, container_id: str) -> Iterator[asyncio.Event]:
        """The event is set once the container has ended, at once if it has."""
        awaited = (container_id, asyncio.Event())
        self._awaited.setdefault(pod_uid, []).append(awaited)
        self._look(pod_uid)
        try:
            yield awaited[1]
        finally:
            self._awaited[pod_uid].remove(awaited)
            if not self._awaited[pod_uid]:
                del self._awaited[pod_uid]

    def _look(self, pod_uid: str) -> None:
        awaited = self._awaited.get(pod_uid)
        if not awaited:
            return
        running = {c.id for c in self._runtime.containers(pod_uid) if c.state is RuntimeState.RUNNING}
        for container_id, ended in awaited:
            if container_id not in running:
                ended.set()
