"""A pipeline between an input whose hands are the test's and outputs that say what they are told to.

def test_…(tmp_path):
    async def life(lab):
        await lab.put("a", "one", "two")
        await lab.until(lambda: lab.outputs["out"].texts == ["one", "two"])
    live(tmp_path, life, outputs={"out": {}})
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from pillion.clock import LoopClock
from pillion.collector.buffer import DiskBuffer
from pillion.collector.configuration import Configuration, Place, PluginKind, PluginSection
from pillion.collector.configuration.service import ServiceSettings
from pillion.collector.configuration.settings import FilterSettings, InputSettings, OutputSettings, key
from pillion.collector.pipeline.ending import Ending
from pillion.collector.pipeline.instances import Surroundings
from pillion.collector.pipeline.pipeline import Pipeline
from pillion.collector.plugin import (
    Again,
    Delivered,
    Filter,
    FilterPlugin,
    InputContext,
    InputPlugin,
    Intake,
    OutputContext,
    OutputPlugin,
    Verdict,
)  # fmt: skip
from pillion.collector.records import Content, Lines, as_records
from pillion.collector.status import Notices

TIME = 1_700_000_000 * 10**9
"""Of every record."""
SERVICE: dict[str, Any] = {
    "grace": 20.0,
    "storage_path": "storage",
    "scheduler_base": 0.001,
    "scheduler_cap": 0.01,
}
PATIENCE = 20.0
"""Seconds within which everything happens that will happen, on any machine."""


class HandSettings(InputSettings, frozen=True, kw_only=True):
    note: Annotated[str, key()] = ""


class Hand:
    """The input: what the test puts."""

    def __init__(self, settings: HandSettings, context: InputContext) -> None:
        self.context = context
        self.intake: Intake | None = None
        self.has_started = asyncio.Event()
        self.ends = asyncio.Event()
        """Set: `run` returns although nobody asked for it."""
        self.last: list[tuple[str, str]] = []
        """(tag, line) that the last read finds."""
        self.settled: list[str] = []
        self.put_lines: list[str] = []
        self.is_closed = False
        self.settled_after_close = False

    async def run(self, intake: Intake, stopping: asyncio.Event) -> None:
        self.intake = intake
        self.has_started.set()
        async with asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(stopping.wait()), tasks.create_task(self.ends.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        for tag, line in self.last:
            await self.put(tag, line)

    async def put(self, tag: str, *lines: str) -> None:
        assert self.intake is not None
        self.put_lines += lines
        data = "".join(f"{line}\n" for line in lines).encode()
        await self.intake.put(tag, Lines(data=data, time=TIME), settled=lambda: self._settled(lines))

    def _settled(self, lines: tuple[str, ...]) -> None:
        self.settled_after_close |= self.is_closed
        self.settled += lines

    async def close(self) -> None:
        self.is_closed = True


class ScriptSettings(OutputSettings, frozen=True, kw_only=True):
    limit: Annotated[int, key()] = 1 << 20
    note: Annotated[str, key()] = ""


class Script:
    """The output: takes everything, unless it was told otherwise. `texts` are the lines it took."""

    def __init__(self, settings: ScriptSettings, context: OutputContext) -> None:
        self.name = context.name
        self.settings = settings
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.contents: list[Content] = []
        """Everything it was offered."""
        self.script: deque[Verdict | Callable[[Content], Verdict] | Exception] = deque()
        self.otherwise: Callable[[Content], Verdict] | None = None
        self.gate = threading.Event()
        """Cleared: deliveries wait until it is set, or they are interrupted."""
        self.gate.set()
        self.is_waiting = threading.Event()
        self.interrupted = threading.Event()
        self.is_closed = False
        self.now = threading.Lock()

    @property
    def limit_bytes(self) -> int:
        return self.settings.limit

    def deliver(self, tag: str, content: Content) -> Verdict:
        self.contents.append(content)
        while not self.gate.is_set():
            self.is_waiting.set()
            if self.interrupted.wait(0.001):
                return Again(reason="interrupted")
        step = self.script.popleft() if self.script else self.otherwise
        if isinstance(step, Exception):
            raise step
        verdict = step(content) if callable(step) else step
        if verdict is None:
            verdict = Delivered()
        self._take(tag, content, verdict)
        return verdict

    def _take(self, tag: str, content: Content, verdict: Verdict) -> None:
        lines = lines_of(content)
        if isinstance(verdict, Delivered):
            refused = [line for _, records in verdict.rejected for line in lines_of(records)]
            taken = [line for line in lines if line not in refused]
        elif isinstance(verdict, Again) and verdict.remaining is not None:
            refused = [line for _, records in verdict.rejected for line in lines_of(records)]
            kept = lines_of(verdict.remaining)
            taken = [line for line in lines if line not in kept and line not in refused]
        else:
            return
        with self.now:
            self.texts += taken
            self.tags.append(tag)

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.is_closed = True


def lines_of(content: Content) -> list[str]:
    return [str(body["log"]) for body in as_records(content).bodies]


class AnyFilterSettings(FilterSettings, frozen=True, kw_only=True):
    which: Annotated[str, key()] = ""


class Plugins:
    def __init__(self, filters: Mapping[str, Callable[[], Filter]]) -> None:
        self.hands: dict[str, Hand] = {}
        self.scripts: dict[str, Script] = {}
        self._filters = filters

    def input_plugin(self, _: str) -> InputPlugin[HandSettings]:
        return InputPlugin(name="hand", settings=HandSettings, build=self._hand)

    def filter_plugin(self, _: str) -> FilterPlugin[AnyFilterSettings]:
        return FilterPlugin(
            name="any", settings=AnyFilterSettings, build=lambda settings, _: self._filters[settings.which]()
        )

    def output_plugin(self, _: str) -> OutputPlugin[ScriptSettings]:
        return OutputPlugin(name="script", settings=ScriptSettings, build=self._script)

    def _hand(self, settings: HandSettings, context: InputContext) -> Hand:
        hand = self.hands[context.name] = Hand(settings, context)
        return hand

    def _script(self, settings: ScriptSettings, context: OutputContext) -> Script:
        script = self.scripts[context.name] = Script(settings, context)
        return script


def configuration(
    *,
    inputs: Mapping[str, dict[str, Any]] | None = None,
    filters: Mapping[str, dict[str, Any]] | None = None,
    outputs: Mapping[str, dict[str, Any]] | None = None,
    service: dict[str, Any] | None = None,
) -> Configuration:
    """Names to settings; an output takes every tag unless its settings say otherwise."""
    place = Place("test.conf")
    return Configuration(
        file="test.conf",
        folder=".",
        service=ServiceSettings(**SERVICE | (service or {})),
        inputs=tuple(
            PluginSection(kind=PluginKind.INPUT, plugin="hand", name=name, settings=HandSettings(**given), place=place)
            for name, given in (inputs if inputs is not None else {"in": {}}).items()
        ),
        filters=tuple(
            PluginSection(
                kind=PluginKind.FILTER, plugin="any", name=name,
                settings=AnyFilterSettings(**{"match": "*", "which": name} | given), place=place,
            )
            for name, given in (filters or {}).items()
        ),
        outputs=tuple(
            PluginSection(
                kind=PluginKind.OUTPUT, plugin="script", name=name,
                settings=ScriptSettings(**{"match": "*"} | given), place=place,
            )
            for name, given in (outputs if outputs is not None else {"out": {}}).items()
        ),
    )  # fmt: skip


class Lab:
    def __init__(
        self,
        configuration: Configuration,
        folder: Path,
        *,
        plugins: Plugins,
        disk: bool,
        prepare: Callable[[Lab], None] | None = None,
    ) -> None:
        log = logging.getLogger("pillion.collector.test")
        self.folder = folder
        self.plugins = plugins
        self.clock = LoopClock()
        self.notices = Notices(log)
        self.disk = DiskBuffer(folder / "storage", log=log, notices=self.notices) if disk else None
        self.pipeline = Pipeline(
            configuration,
            self.surroundings(configuration),
            disk=self.disk,
            rejected_folder=folder / "rejected",
            random=random.Random(1).random,
        )
        self.ending: Ending | None = None
        if prepare is not None:
            prepare(self)

    def surroundings(self, configuration: Configuration) -> Surroundings:
        return Surroundings(
            configuration,
            clock=self.clock,
            environment={},
            folder=self.folder,
            notices=self.notices,
            checkpoint_folder=self.folder,
            plugins=self.plugins,
        )

    @property
    def hand(self) -> Hand:
        return next(iter(self.plugins.hands.values()))

    @property
    def outputs(self) -> dict[str, Script]:
        return self.plugins.scripts

    @property
    def out(self) -> Script:
        return self.plugins.scripts["out"]

    async def put(self, tag: str, *lines: str) -> None:
        await self.hand.put(tag, *lines)

    async def until(self, claim: Callable[[], object]) -> None:
        """Waits for a fact."""
        async with asyncio.timeout(PATIENCE):
            while not claim():  # noqa: ASYNC110 - whatever the test waits for
                await asyncio.sleep(0.001)

    def dead_letters(self, output: str = "out") -> list[dict[str, Any]]:
        path = self.folder / "rejected" / f"{output}.jsonl"
        return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


async def _life(
    lab: Lab, story: Callable[[Lab], Awaitable[None]], how: Literal["stop", "stop_now", "kill"]
) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lab.pipeline.run())
        await lab.until(
            lambda: (
                lab.plugins.hands and all(hand.has_started.is_set() for hand in lab.plugins.hands.values())
            )
        )
        try:
            await story(lab)
        finally:
            if how == "stop":
                lab.pipeline.stop()
            else:
                lab.pipeline.stop_now()
        async with asyncio.timeout(PATIENCE):
            lab.ending = await running


def live(
    folder: Path,
    story: Callable[[Lab], Awaitable[None]],
    *,
    filters: Mapping[str, Callable[[], Filter]] | None = None,
    disk: bool = False,
    prepare: Callable[[Lab], None] | None = None,
    how: Literal["stop", "stop_now"] = "stop",
    configured: Configuration | None = None,
    **parts: Any,
) -> Lab:
    """Runs a pipeline, lets the story happen, and ends it. The lab, to be looked at."""

    async def main() -> Lab:
        wanted = configured or configuration(filters={name: {} for name in filters or {}}, **parts)
        lab = Lab(wanted, folder, plugins=Plugins(filters or {}), disk=disk, prepare=prepare)
        await _life(lab, story, how)
        return lab

    return asyncio.run(main())
