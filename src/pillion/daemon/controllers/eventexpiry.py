"""Events are forgotten an hour after they last happened (kube-apiserver: --event-ttl)."""

from __future__ import annotations

import asyncio

from pillion.daemon.api import Api
from pillion.daemon.workqueue import WorkQueue
from pillion.store import Key
from pillion.units import parse_time

TTL_SECONDS = 3600.0


async def run(api: Api) -> None:
    async def reconcile(key: Key) -> float | None:
        tree = api.get(*key)
        if tree is None:
            return None
        last = max(
            (tree[field] for field in ("lastTimestamp", "eventTime") if tree.get(field)),
            default=tree["metadata"]["creationTimestamp"],
        )
        left = parse_time(last) + TTL_SECONDS - api.clock.now()
        if left > 0:
            return left
        await api.delete(key)
        return None

    queue = WorkQueue("event expiry", reconcile, workers=1)

    async def follow() -> None:
        async for seen in api.follow("events"):
            if not seen.is_gone:
                queue.add_after(seen.key, TTL_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        for item in api.store.list("events").items:
            queue.add(item.key)
        tasks.create_task(queue.run())
        tasks.create_task(follow())
