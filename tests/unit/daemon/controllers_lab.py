"""Controllers over a store in memory, with the clock of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pillion.apiserver import admission
from pillion.apiserver.catalogue import build_registry
from pillion.apiserver.statuses import ApiError
from pillion.apiserver.writes import Writes
from pillion.daemon.api import Api
from pillion.daemon.controllers import namespaces
from pillion.store import Key
from pillion.testing.memorystore import MemoryJournal, MemoryStore
from pillion.units import Instant

Tree = dict[str, Any]
NOW = Instant(1_767_322_245.0)
WITHIN = 5.0


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> Instant:
        return self.time


class Lab:
    def __init__(self) -> None:
        self.clock = Clock()
        self.journal = MemoryJournal()
        self.store = MemoryStore(self.journal)
        plugins = (admission.NamespaceLifecycle(self.store), admission.ClusterIps(self.store))
        writes = Writes(self.store, self.clock, admission.AdmissionChain(plugins))
        self.api = Api(self.store, build_registry(), writes, self.clock)
        self.said: list[tuple[str, str]] = []
        """Events: reason and message."""

    def say(
        self, about: Tree, *, type_: str, reason: str, message: str, component: str, host: str = ""
    ) -> None:
        self.said.append((reason, message))

    async def create(self, storage: str, name: str, namespace: str = "default", **fields: Any) -> Tree:
        resource = self.api.resource(storage)
        metadata = {"name": name, **fields.pop("metadata", {})}
        tree = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}
        made = await self.api.create(storage, namespace if resource.namespaced else "", tree, manager="test")
        assert made is not None
        return made

    async def create_pod(self, name: str, *, labels: Tree | None = None, **spec: Any) -> Tree:
        containers = spec.pop("containers", [{"name": "main", "image": "box"}])
        return await self.create(
            "pods", name, metadata={"labels": labels or {}}, spec={"containers": containers, **spec}
        )

    def get(self, storage: str, name: str, namespace: str = "default") -> Tree | None:
        return self.api.get(storage, namespace if self.api.resource(storage).namespaced else "", name)

    def have(self, storage: str, name: str, namespace: str = "default") -> Tree:
        tree = self.get(storage, name, namespace)
        assert tree is not None, f"there is no {storage} {name}"
        return tree

    async def delete(self, storage: str, name: str, namespace: str = "default", **options: Any) -> None:
        namespaced = self.api.resource(storage).namespaced
        await self.api.delete(Key(storage, namespace if namespaced else "", name), **options)

    async def until(self, fact: Callable[[], object]) -> None:
        """Wait for changes of the store until the fact holds."""
        async with asyncio.timeout(WITHIN):
            while not fact():  # noqa: ASYNC110 - whatever runs next may have brought it about
                await asyncio.sleep(0)


def live(
    body: Callable[[Lab], Awaitable[None]], *services: Callable[[Lab], Coroutine[Any, Any, None]]
) -> None:
    """Run a test's story while the services run."""

    async def whole() -> None:
        lab = Lab()
        await lab.store.open()
        await namespaces.ensure_initial(lab.api)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(service(lab)) for service in services]
            await asyncio.sleep(0)
            await body(lab)
            for task in running:
                task.cancel()
        await lab.store.close()

    asyncio.run(whole())


__all__ = ["NOW", "ApiError", "Lab", "live"]
