"""The surroundings of one plugin: its context, and an intake that settles when the test says so."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pillion.collector.multiline import MultilineParser
from pillion.collector.parsers import Parser
from pillion.collector.records import Content
from pillion.collector.records.conversion import as_records
from pillion.collector.status import InputStatus, Notices, OutputStatus
from pillion.units import Instant


class WallClock:
    def now(self) -> Instant:
        return Instant(time.time())


class PluginContext:
    """Of an input or an output; `parsers` by name."""

    def __init__(self, name: str = "plugin.0", *, parsers: Mapping[str, Parser] | None = None) -> None:
        self.name = name
        self.clock = WallClock()
        self.log = logging.getLogger(f"test.{name}")
        self.environment: Mapping[str, str] = {}
        self.folder = Path("/")
        self.notices = Notices(self.log)
        self.concurrent = False
        self.checkpoint_folder: Path | None = None
        self.began: float | None = None
        self._parsers = parsers or {}

    def parser(self, name: str) -> Parser:
        return self._parsers[name]

    def multiline_parser(self, name: str) -> MultilineParser:
        raise AssertionError(name)


class OutputSurroundings(PluginContext):
    def __init__(self, name: str = "output.0") -> None:
        super().__init__(name)
        self.status = OutputStatus(name=name, plugin=name.split(".", maxsplit=1)[0])


class InputSurroundings(PluginContext):
    def __init__(self, name: str = "input.0", *, parsers: Mapping[str, Parser] | None = None) -> None:
        super().__init__(name, parsers=parsers)
        self.status = InputStatus(name=name, plugin=name.split(".", maxsplit=1)[0])


class HeldIntake:
    """Keeps what it is given. With `settle_at_once` it settles, too; otherwise `settle` does."""

    def __init__(self, *, settle_at_once: bool = True) -> None:
        self.chunks: list[tuple[str, Content]] = []
        self.settle_at_once = settle_at_once
        self._unsettled: list[Callable[[], None]] = []
        self._changed = asyncio.Condition()
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def put(self, tag: str, content: Content, *, settled: Callable[[], None] | None = None) -> None:
        await self.is_open.wait()
        self.chunks.append((tag, content))
        if settled is not None:
            self._unsettled.append(settled)
        if self.settle_at_once:
            self.settle()
        async with self._changed:
            self._changed.notify_all()

    def settle(self) -> None:
        due, self._unsettled = self._unsettled, []
        for settled in due:
            settled()

    @property
    def records(self) -> list[tuple[str, int, dict[str, Any]]]:
        return [
            (tag, at, body)
            for tag, content in self.chunks
            for at, body in zip(as_records(content).times, as_records(content).bodies, strict=True)
        ]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, _, body in self.records]

    async def until(self, records: int, seconds: float = 30) -> None:
        """Until that many records have arrived."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.records) >= records)


def wait_for(is_true: Callable[[], bool], seconds: float = 30) -> None:
    """Until it is, looked at again and again: for what another process does."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it has not happened"
        threading.Event().wait(0.01)
