"""Objects go with their owners: in the background, before them (foreground), or not at all (orphan).

Source: pkg/controller/garbagecollector/garbagecollector.go.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from pillion.apiserver.registry import Service
from pillion.daemon.api import Api, Seen
from pillion.daemon.workqueue import WorkQueue
from pillion.store import Key

Tree = dict[str, Any]

_MANAGER = "kube-controller-manager"
_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"


class GarbageCollector:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._queue: WorkQueue[Key] = WorkQueue("garbage collector", self._reconcile)
        self._dependents: dict[str, set[Key]] = defaultdict(set)
        """By the owner's UID."""
        self._owners: dict[Key, list[Tree]] = {}
        """What each dependent said last of its owners."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue.run())
            for storage in self._api.storages():
                tasks.create_task(self._follow(storage))

    async def _follow(self, storage: str) -> None:
        async for seen in self._api.follow(storage):
            self._note_owners(seen)
            if seen.is_gone:
                if self._dependents:
                    for dependent in self._dependents.get(seen.tree()["metadata"]["uid"], ()):
                        self._queue.add(dependent)
            elif seen.key in self._owners or b'"deletionTimestamp"' in seen.stored.value:
                self._queue.add(seen.key)

    def _note_owners(self, seen: Seen) -> None:
        """Keep the index; tell owners who wait for this one."""
        has_owners = not seen.is_gone and b'"ownerReferences"' in seen.stored.value
        if not has_owners and seen.key not in self._owners:
            return
        owners = seen.tree()["metadata"].get("ownerReferences", []) if has_owners else []
        for owner in self._owners.pop(seen.key, []):
            known = self._dependents[owner["uid"]]
            known.discard(seen.key)
            if not known:
                del self._dependents[owner["uid"]]
            if (key := self._key_of(owner, seen.key.namespace)) is not None:
                self._queue.add(key)
        if owners:
            self._owners[seen.key] = owners
        for owner in owners:
            self._dependents[owner["uid"]].add(seen.key)

    async def _reconcile(self, key: Key) -> None:
        tree = self._api.get(*key)
        if tree is None:
            return
        metadata = tree["metadata"]
        finalizers = metadata.get("finalizers", ())
        if "deletionTimestamp" in metadata:
            if _ORPHAN in finalizers:
                await self._orphan_dependents(metadata["uid"])
                await self._remove_finalizer(key, _ORPHAN)
            elif _FOREGROUND in finalizers and await self._delete_dependents(metadata["uid"]):
                await self._remove_finalizer(key, _FOREGROUND)
            return
        owners = metadata.get("ownerReferences", [])
        present = [owner for owner in owners if self._is_present(owner, key.namespace)]
        if owners and not present:
            await self._api.delete(key, uid=metadata["uid"], propagation="Background")
        elif len(present) < len(owners):
            await self._api.update(key, lambda current: _with_owners(current, present), manager=_MANAGER)

    async def _orphan_dependents(self, owner_uid: str) -> None:
        for key in sorted(self._dependents.get(owner_uid, ())):
            await self._api.update(key, lambda current: _without_owner(current, owner_uid), manager=_MANAGER)

    async def _delete_dependents(self, owner_uid: str) -> bool:
        """Whether none is left that the owner has to wait for."""
        is_waiting = False
        for key in sorted(self._dependents.get(owner_uid, ())):
            dependent = self._api.get(*key)
            if dependent is None:
                continue
            metadata = dependent["metadata"]
            if "deletionTimestamp" not in metadata:
                await self._api.delete(key, uid=metadata["uid"], propagation="Foreground")
            blocks = any(
                owner["uid"] == owner_uid and owner.get("blockOwnerDeletion")
                for owner in metadata.get("ownerReferences", ())
            )
            is_waiting = is_waiting or (blocks and self._api.get(*key) is not None)
        return not is_waiting

    async def _remove_finalizer(self, key: Key, finalizer: str) -> None:
        def change(current: Tree) -> Tree:
            kept = [name for name in current["metadata"].get("finalizers", ()) if name != finalizer]
            return {**current, "metadata": {**current["metadata"], "finalizers": kept}}

        await self._api.update(key, change, manager=_MANAGER)

    def _key_of(self, owner: Tree, namespace: str) -> Key | None:
        resource = self._api.registry.find_kind(owner["apiVersion"], owner["kind"])
        if resource is None or resource.service is not Service.STORED:
            return None
        return Key(resource.storage, namespace if resource.namespaced else "", owner["name"])

    def _is_present(self, owner: Tree, namespace: str) -> bool:
        if self._api.registry.find_kind(owner["apiVersion"], owner["kind"]) is None:
            return True  # nobody can say that an owner of an unknown kind is gone
        key = self._key_of(owner, namespace)
        tree = None if key is None else self._api.get(*key)
        return tree is not None and tree["metadata"]["uid"] == owner["uid"]


def _with_owners(current: Tree, owners: list[Tree]) -> Tree:
    metadata = {**current["metadata"], "ownerReferences": owners}
    if not owners:
        del metadata["ownerReferences"]
    return {**current, "metadata": metadata}


def _without_owner(current: Tree, uid: str) -> Tree:
    owners = current["metadata"].get("ownerReferences", [])
    return _with_owners(current, [owner for owner in owners if owner["uid"] != uid])
