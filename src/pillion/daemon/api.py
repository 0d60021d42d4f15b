"""The API without HTTP: how the node and the controllers read, write and follow objects, by the rules for everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from pillion.apiserver.deletion import DeleteOptions, Deletions
from pillion.apiserver.registry import Registry, Resource, Service
from pillion.apiserver.statuses import ApiError
from pillion.apiserver.writes import WriteOptions, Writes
from pillion.clock import Clock
from pillion.errors import Bug
from pillion.store import ChangeType, CompactedError, Key, Revision, Store, Stored

Tree = dict[str, Any]


class Abandoned(Exception):  # noqa: N818 - an answer, not a failure
    """Raised by a change that does not want to happen any more."""


class Seen(msgspec.Struct, frozen=True):
    """An object as it is now, or its end."""

    key: Key
    stored: Stored
    """Its last state, when it is gone."""
    is_gone: bool = False

    def tree(self) -> Tree:
        tree: Tree = msgspec.json.decode(self.stored.value)
        return tree


class Api:
    def __init__(self, store: Store, registry: Registry, writes: Writes, clock: Clock) -> None:
        self.store = store
        self.registry = registry
        self.clock = clock
        self._writes = writes
        self._deletions = Deletions(writes, clock)
        self._resources: dict[str, Resource] = {}
        for resource in registry:
            if resource.service is Service.STORED:
                self._resources.setdefault(resource.storage, resource)

    def storages(self, *, namespaced_only: bool = False) -> list[str]:
        """Everything that objects can be kept in."""
        return [s for s, r in self._resources.items() if r.namespaced or not namespaced_only]

    def resource(self, storage: str) -> Resource:
        found = self._resources.get(storage)
        if found is None:
            raise Bug(f"there is no storage {storage}")
        return found

    def get(self, storage: str, namespace: str, name: str) -> Tree | None:
        stored = self.store.get(Key(storage, namespace, name))
        return None if stored is None else msgspec.json.decode(stored.value)

    def list(self, storage: str, namespace: str | None = None) -> list[Tree]:
        return [msgspec.json.decode(item.value) for item in self.store.list(storage, namespace).items]

    async def create(self, storage: str, namespace: str, tree: Tree, *, manager: str) -> Tree | None:
        """None when there is such an object already. Raises ApiError, HostError."""
        try:
            return await self._writes.create(
                self.resource(storage), namespace, tree, WriteOptions(manager=manager)
            )
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return None
            raise

    async def update(
        self,
        key: Key,
        change: Callable[[Tree], Tree],
        *,
        manager: str,
        subresource: str = "",
    ) -> Tree | None:
        """None when the object is gone, or `change` has abandoned. Raises ApiError, HostError."""
        try:
            written = await self._writes.update(
                self.resource(key.resource),
                key.namespace,
                key.name,
                lambda current: change(current or {}),
                WriteOptions(manager=manager),
                subresource=subresource,
            )
        except Abandoned:
            return None
        except ApiError as error:
            if error.reason == "NotFound":
                return None
            raise
        return written.tree

    async def delete(
        self,
        key: Key,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
        propagation: str | None = None,
    ) -> None:
        """Nothing happens when the object, or this one of several by its name, is gone. Raises ApiError, HostError."""
        wanted = DeleteOptions(grace_seconds=grace_seconds, uid=uid, propagation=propagation)
        try:
            await self._deletions.delete(
                self.resource(key.resource), key.namespace, key.name, wanted, WriteOptions()
            )
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise

    async def follow(self, storage: str, namespace: str | None = None) -> AsyncIterator[Seen]:
        """Every object, then every change; after a gap in the history, what it has hidden. Ends with the store."""
        known: dict[Key, Stored] = {}
        while True:
            listing = self.store.list(storage, namespace)
            present = {item.key: item for item in listing.items}
            for key in known.keys() - present.keys():
                yield Seen(key, known.pop(key), is_gone=True)
            for key, stored in present.items():
                if key not in known or known[key].revision != stored.revision:
                    known[key] = stored
                    yield Seen(key, stored)
            watch = self.store.watch(storage, namespace, since=Revision(listing.revision))
            try:
                async for change in watch:
                    stored = change.stored
                    is_gone = change.type is ChangeType.DELETED
                    if is_gone:
                        known.pop(stored.key, None)
                    else:
                        known[stored.key] = stored
                    yield Seen(stored.key, stored, is_gone=is_gone)
            except CompactedError:
                continue
            finally:
                watch.close()
            return
