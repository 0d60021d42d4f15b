"""Namespaces: the four that every cluster has, and an end for those that are deleted: empty first, then gone.

Source: pkg/controller/namespace/deletion/namespaced_resources_deleter.go.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pillion.daemon.api import Api, Seen
from pillion.daemon.workqueue import WorkQueue
from pillion.store import Key

Tree = dict[str, Any]

INITIAL = ("default", "kube-system", "kube-public", "kube-node-lease")
"""pkg/controlplane/controller/systemnamespaces, and the node's own."""
_MANAGER = "kube-controller-manager"
_FINALIZER = "kubernetes"
_LOOK_AGAIN = 5.0
"""Seconds; only for what no change announces, such as a write that was under way when the end began."""


async def ensure_initial(api: Api) -> None:
    for name in INITIAL:
        if api.get("namespaces", "", name) is None:
            tree = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await api.create("namespaces", "", tree, manager=_MANAGER)


async def run(api: Api) -> None:
    ending: set[str] = set()

    async def reconcile(name: str) -> float | None:
        tree = api.get("namespaces", "", name)
        if tree is None or "deletionTimestamp" not in tree["metadata"]:
            ending.discard(name)
            return None
        ending.add(name)
        if await _empty(api, name):
            await api.update(
                Key("namespaces", "", name), _without_finalizer, manager=_MANAGER, subresource="finalize"
            )
            return None
        return _LOOK_AGAIN

    queue = WorkQueue("namespaces", reconcile)

    async def follow(storage: str) -> None:
        async for seen in api.follow(storage):
            if storage == "namespaces":
                _look_at(seen, queue)
            elif seen.is_gone and seen.key.namespace in ending:
                queue.add(seen.key.namespace)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.run())
        for storage in ("namespaces", *api.storages(namespaced_only=True)):
            tasks.create_task(follow(storage))


def _look_at(seen: Seen, queue: WorkQueue[str]) -> None:
    if not seen.is_gone and b'"deletionTimestamp"' in seen.stored.value:
        queue.add(seen.key.name)


async def _empty(api: Api, namespace: str) -> bool:
    """Ask everything in it to go. Whether nothing is left."""
    remaining = 0
    # Pods first: the others may be what they are made of.
    for storage in sorted(api.storages(namespaced_only=True), key=lambda known: known != "pods"):
        for item in api.store.list(storage, namespace).items:
            await api.delete(item.key, propagation="Background")
        remaining += len(api.store.list(storage, namespace).items)
    return not remaining


def _without_finalizer(current: Tree) -> Tree:
    kept = [name for name in current.get("spec", {}).get("finalizers", ()) if name != _FINALIZER]
    return {**current, "spec": {**current.get("spec", {}), "finalizers": kept}}
