"""Pods bound to a node that is not there: nobody would ever run them, or say that they have ended.

Source: pkg/controller/podgc/gc_controller.go (gcOrphaned).
"""

from __future__ import annotations

import asyncio

from pillion.daemon.api import Api
from pillion.daemon.workqueue import WorkQueue
from pillion.store import Key

QUARANTINE_SECONDS = 40.0
"""How long a node may be missing, as it may be about to register (gc_controller.go: quarantineTime)."""


async def run(api: Api) -> None:
    async def reconcile(key: Key) -> None:
        if _is_orphaned(api, key):
            await api.delete(key, grace_seconds=0)

    queue = WorkQueue("orphaned pods", reconcile, workers=1)

    async def follow() -> None:
        async for seen in api.follow("pods"):
            if not seen.is_gone and _is_orphaned(api, seen.key):
                queue.add_after(seen.key, QUARANTINE_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.run())
        tasks.create_task(follow())


def _is_orphaned(api: Api, key: Key) -> bool:
    stored = api.store.get(key)
    if stored is None or b'"nodeName":"' not in stored.value:
        return False
    tree = api.get(*key)
    node = tree["spec"].get("nodeName") if tree is not None else None
    return bool(node) and api.store.get(Key("nodes", "", str(node))) is None
