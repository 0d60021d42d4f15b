"""The queue: each name at most once at a time, none forgotten, failures tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pillion.daemon.workqueue import WorkQueue
from pillion.errors import HostError


def live(queue_of: Callable[[], WorkQueue[str]], body: Callable[[WorkQueue[str]], Awaitable[None]]) -> None:
    async def whole() -> None:
        queue = queue_of()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(queue.run())
            async with asyncio.timeout(5):
                await body(queue)
            running.cancel()

    asyncio.run(whole())


def test_a_name_that_is_added_while_it_is_looked_at_is_looked_at_again() -> None:
    seen: list[str] = []
    first, going = asyncio.Event(), asyncio.Event()
    second = asyncio.Event()

    async def reconcile(name: str) -> None:
        seen.append(name)
        if len(seen) == 1:
            first.set()
            await going.wait()
        else:
            second.set()

    async def body(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await first.wait()
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(0)
        assert seen == ["a"], "never twice at a time"
        going.set()
        await second.wait()
        await asyncio.sleep(0)
        assert seen == ["a", "a"], "many additions are one"

    live(lambda: WorkQueue("test", reconcile), body)


def test_names_are_looked_at_side_by_side() -> None:
    both = asyncio.Barrier(3)

    async def reconcile(_name: str) -> None:
        await both.wait()

    async def body(queue: WorkQueue[str]) -> None:
        queue.add("a")
        queue.add("b")
        await both.wait()

    live(lambda: WorkQueue("test", reconcile), body)


def test_a_look_that_fails_is_repeated() -> None:
    done = asyncio.Event()
    looks = 0

    async def reconcile(_name: str) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise HostError("the disk is full")
        done.set()

    async def body(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await done.wait()
        assert looks == 2

    live(lambda: WorkQueue("test", reconcile), body)


def test_a_look_may_ask_for_another_and_news_come_first() -> None:
    moments: list[float] = []
    third = asyncio.Event()

    async def reconcile(_name: str) -> float:
        moments.append(asyncio.get_running_loop().time())
        if len(moments) == 3:
            third.set()
        return 0.05 if len(moments) > 1 else 3600.0

    async def body(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await asyncio.sleep(0.01)
        queue.add("a")
        await third.wait()
        assert moments[2] - moments[1] >= 0.049

    live(lambda: WorkQueue("test", reconcile), body)
