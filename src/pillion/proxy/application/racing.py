"""Waiting for the first of several things, so that none of them is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from pillion.errors import PillionError


async def first_of(*waits: Coroutine[Any, Any, object]) -> int:
    """The number of the first that ends; the others are cancelled, and have ended, too.

    Raises the PillionError of that first, as itself: a group of tasks would wrap it.
    """
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_outcome(wait)) for wait in waits]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        first = next(number for number, task in enumerate(running) if task.done())
        for task in running:
            task.cancel()
    failure = running[first].result()
    if failure is not None:
        raise failure
    return first


async def _outcome(wait: Coroutine[Any, Any, object]) -> PillionError | None:
    try:
        await wait
    except PillionError as error:
        return error
    return None
