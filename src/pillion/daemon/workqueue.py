"""A queue of names to look at again: each at most once, one look at a name at a time, failures tried again.

What a look does depends on how things are then, never on what had changed: so nothing is lost when changes come faster
than looks, or when a look fails. (The idea is client-go's, util/workqueue.)
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from pillion.apiserver.statuses import ApiError
from pillion.errors import HostError, PillionError

_log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

FIRST_DELAY, MAX_DELAY = 0.1, 60.0
"""Seconds until a failed look is repeated; they double."""


class WorkQueue(Generic[K]):
    def __init__(
        self, name: str, reconcile: Callable[[K], Awaitable[float | None]], *, workers: int = 4
    ) -> None:
        """`reconcile` looks at one name; it returns the seconds until it wants to look again by itself."""
        self._name = name
        self._reconcile = reconcile
        self._workers = workers
        self._waiting: deque[K] = deque()
        self._queued: set[K] = set()
        self._active: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()
        self._idle: list[asyncio.Future[None]] = []

    def add(self, key: K) -> None:
        """Look at it soon."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._waiting.append(key)
            if self._idle:
                self._idle.pop().set_result(None)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at it then, unless it is looked at before."""
        known = self._timers.get(key)
        if known is not None:
            if known.when() <= self._loop.time() + seconds:
                return
            known.cancel()
        self._timers[key] = self._loop.call_later(seconds, self.add, key)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._workers):
                    tasks.create_task(self._work(), name=self._name)
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                waiter = self._loop.create_future()
                self._idle.append(waiter)
                try:
                    await waiter
                finally:
                    if waiter in self._idle:
                        self._idle.remove(waiter)
            key = self._waiting.popleft()
            self._queued.discard(key)
            self._active.add(key)
            try:
                await self._look(key)
            finally:
                self._active.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _look(self, key: K) -> None:
        try:
            delay = await self._reconcile(key)
        except (ApiError, PillionError) as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            level = logging.ERROR if isinstance(error, HostError) else logging.WARNING
            _log.log(level, "%s: %s: %s", self._name, key, error)
            self.add_after(key, min(FIRST_DELAY * 2 ** (failures - 1), MAX_DELAY))
            return
        self._failures.pop(key, None)
        if delay is not None:
            self.add_after(key, delay)
