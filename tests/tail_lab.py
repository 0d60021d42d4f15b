"""What tests of the tail input stand on: an intake that remembers and settles when it is told to, and a context."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.inputs.tail.plugin import PLUGIN
from pillion.collector.inputs.tail.settings import TailSettings
from pillion.collector.inputs.tail.tail import Tail
from pillion.collector.records import Content, as_records
from pillion.collector.status import InputStatus, Notices
from pillion.units import Instant


class WallClock:
    def now(self) -> Instant:
        return Instant(time.time())


class Handed(msgspec.Struct):
    tag: str
    content: Content
    settled: Callable[[], None] | None
    is_settled: bool = False

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return as_records(self.content).bodies


class FakeIntake:
    """Keeps everything. `eager`: settles at once. `limit`: waits while so many are not settled."""

    def __init__(self, *, eager: bool = True, limit: int = 10**9) -> None:
        self.handed: list[Handed] = []
        self.eager = eager
        self.limit = limit
        self.arrived = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, tag: str, content: Content, *, settled: Callable[[], None] | None = None) -> None:
        while len(self.unsettled()) >= self.limit:
            self._room.clear()
            await self._room.wait()
        one = Handed(tag, content, settled)
        self.handed.append(one)
        self.arrived.set()
        if self.eager:
            self.settle(one)

    def settle(self, *which: Handed) -> None:
        for one in which:
            if not one.is_settled:
                one.is_settled = True
                if one.settled is not None:
                    one.settled()
        self._room.set()

    def unsettled(self) -> list[Handed]:
        return [one for one in self.handed if not one.is_settled]

    def bodies(self) -> list[dict[str, Any]]:
        return [body for one in self.handed for body in one.bodies]

    def texts(self, key: str = "log") -> list[str]:
        return [body[key] for body in self.bodies()]

    async def until(self, happened: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait for a fact that comes with records or a little after them."""
        async with asyncio.timeout(seconds):
            while not happened():
                self.arrived.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self.arrived.wait()
                except TimeoutError:
                    continue


class TailContext:
    name = "tail.0"
    environment: dict[str, str] = {}  # noqa: RUF012

    def __init__(
        self, folder: Path, *, parsers: dict[str, Any] | None = None, multiline: dict[str, Any] | None = None
    ) -> None:
        self.folder = folder
        self.checkpoint_folder: Path | None = folder / "checkpoints"
        self.began: float | None = None
        self.clock = WallClock()
        self.log = logging.getLogger("pillion.test.tail")
        self.notices = Notices(self.log)
        self.status = InputStatus(name=self.name, plugin="tail")
        self._parsers = parsers or {}
        self._multiline = multiline or {}

    def parser(self, name: str) -> Any:
        if name not in self._parsers:
            raise ConfigurationError(f"there is no parser {name}")
        return self._parsers[name]

    def multiline_parser(self, name: str) -> Any:
        return self._multiline[name]


class Running(msgspec.Struct):
    tail: Tail
    intake: FakeIntake
    context: TailContext
    stopping: asyncio.Event
    task: asyncio.Task[None]

    async def stop(self) -> None:
        self.stopping.set()
        await self.task

    async def kill(self) -> None:
        """As `kill -9` ends it: nothing more is read, settled or saved. Only descriptors are given back."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.tail._saving._store = None
        await self.tail.close()


def start(context: TailContext, intake: FakeIntake, settings: TailSettings) -> Running:
    tail = PLUGIN.build(settings, context)
    assert isinstance(tail, Tail)
    stopping = asyncio.Event()
    return Running(tail, intake, context, stopping, asyncio.create_task(tail.run(intake, stopping)))


@asynccontextmanager
async def tailing(
    folder: Path,
    *,
    intake: FakeIntake | None = None,
    context: TailContext | None = None,
    **keys: Any,
) -> Iterator[Running]:  # type: ignore[misc]
    """A tail of `folder/*.log`, unless `keys` say otherwise, that has had its first look."""
    keys.setdefault("path", (f"{folder}/*.log",))
    running = start(context or TailContext(folder), intake or FakeIntake(), TailSettings(**keys))
    await running.intake.until(lambda: running.tail._is_hearing or running.task.done())
    try:
        yield running
    finally:
        if not running.task.done():
            await running.stop()
        await running.tail.close()
        if not running.task.cancelled():
            running.task.result()
