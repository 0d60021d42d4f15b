"""A running pipeline: inputs, filters and outputs of one configuration, and its ordered end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path

from pillion.collector.buffer import DiskBuffer
from pillion.collector.configuration import Configuration
from pillion.collector.pipeline.assembly import (
    Plan,
    PlannedInput,
    PlannedOutput,
    RunningInput,
    RunningOutput,
    plan,
)
from pillion.collector.pipeline.deadletters import DeadLetters, file_name
from pillion.collector.pipeline.destinations import Destination
from pillion.collector.pipeline.ending import Ending, say, settle_left
from pillion.collector.pipeline.filtering import Passed
from pillion.collector.pipeline.instances import LOG, Surroundings, build_input
from pillion.collector.pipeline.intake import Source
from pillion.collector.pipeline.lanes import Delivery
from pillion.collector.pipeline.road import MainRoad, Route
from pillion.collector.status import FilterStatus, InputStatus, OutputStatus
from pillion.errors import PillionError

LAST_SECONDS = 2.0
"""Of the grace: to let deliveries go, write down what is left, and save checkpoints."""


class Pipeline:
    """Built in the loop's thread. Raises ConfigurationError or HostError."""

    def __init__(
        self,
        configuration: Configuration,
        surroundings: Surroundings,
        *,
        disk: DiskBuffer | None,
        rejected_folder: Path | None,
        random: Callable[[], float],
    ) -> None:
        self.configuration = configuration
        self.log = logging.getLogger(f"{LOG}.engine")
        self.disk = disk
        self.inputs: list[RunningInput] = []
        self.retiring: list[RunningInput] = []
        """Inputs that a reload took away, until everything they read is settled."""
        self.changing = asyncio.Lock()
        """Held while outputs are exchanged: the end waits for that."""
        self._surroundings = surroundings
        self._rejected_folder = rejected_folder
        self._random = random
        self._stopping = asyncio.Event()
        self._grace = configuration.service.grace
        self._deadline: asyncio.Timeout | None = None
        """Of the end, once it has begun."""
        self._failure = ""
        self._tasks: asyncio.TaskGroup | None = None
        self._background: set[asyncio.Task[None]] = set()
        first = plan(configuration, surroundings)
        self.outputs = [self._open_output(planned) for planned in first.outputs]
        self.road = MainRoad(
            first.chain,
            self._routes(first),
            disk=disk,
            clock=surroundings.clock,
            notices=surroundings.notices,
        )
        self._first_inputs = first.inputs

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def run(self) -> Ending:
        """Until `stop`, or until an input ends by itself. Says what was left undelivered."""
        if self.disk is not None:
            self.road.take_recovered(self.disk.recovered)
        async with asyncio.TaskGroup() as self._tasks:
            self.spawn(self.road.give_out_held())
            for planned in self._first_inputs:
                self.start_input(planned)
            await self._stopping.wait()
            ending = await self._end()
        self._tasks = None
        return ending

    def stop(self) -> None:
        """Asks for the ordered end."""
        self._stopping.set()

    def stop_now(self) -> None:
        """Asks for the end without waiting for deliveries."""
        self._grace = 0.0
        self._stopping.set()
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time())

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def grace(self) -> float:
        """Seconds."""
        return self._grace

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Work that ends with the pipeline, if not before."""
        assert self._tasks is not None
        task = self._tasks.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def exchange(
        self, configuration: Configuration, surroundings: Surroundings, planned: Plan
    ) -> list[Passed]:
        """Other filters and outputs from now on. What the old filters held, on its way to the outputs."""
        held = self.road.empty_filters()
        self.configuration = configuration
        self._surroundings = surroundings
        self._grace = configuration.service.grace
        self.outputs = [self._open_output(each) for each in planned.outputs]
        self.road.replace(planned.chain, self._routes(planned))
        return held

    # ── what the service shows ───────────────────────────────────────────────────────────────────────────────────────
    @property
    def input_statuses(self) -> list[InputStatus]:
        return [each.source.status for each in (*self.inputs, *self.retiring)]

    @property
    def filter_statuses(self) -> list[FilterStatus]:
        return [stage.status for stage in self.road.chain.stages]

    @property
    def output_statuses(self) -> list[OutputStatus]:
        for each in self.outputs:
            each.destination.status.oldest_unsent = each.destination.oldest
        return [each.destination.status for each in self.outputs]

    # ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def start_input(self, planned: PlannedInput) -> None:
        """One that cannot start ends the collector."""
        if self.is_stopping:
            return
        section, settings = planned.section, planned.section.settings
        source = Source(
            planned.status,
            road=self.road,
            limit_bytes=settings.mem_buf_limit,
            on_disk=self.disk is not None and settings.storage_type == "filesystem",
        )
        try:
            built = build_input(section, planned.status, self._surroundings)
        except PillionError as error:
            self._fail(section.name, str(error))
            return
        assert self._tasks is not None
        running = RunningInput(section, built, source)
        self.inputs.append(running)
        running.task = self._tasks.create_task(self._run_input(running))

    async def _run_input(self, running: RunningInput) -> None:
        name = running.section.name
        try:
            await running.input.run(running.source, running.stopping)
            if not running.stopping.is_set():
                self.log.info("%s has come to its end, and the collector with it", name)
                self.stop()
        except PillionError as error:
            self._fail(name, str(error))
        except Exception as error:
            self.log.debug("%s raised", name, exc_info=True)
            self._fail(name, f"our mistake: {type(error).__name__}: {error}")
        finally:
            running.ended.set()

    def _fail(self, name: str, why: str) -> None:
        self._failure = self._failure or f"{name}: {why}"
        self.log.error("%s: %s; the collector ends", name, why)
        self.stop()

    async def close_input(self, running: RunningInput) -> None:
        running_name = running.section.name
        try:
            await running.input.close()
        except (PillionError, OSError) as error:
            self._failure = self._failure or f"{running_name}: {error}"
            self.log.error("%s: %s", running_name, error)
        running.source.is_closed = True

    # ── outputs ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _open_output(self, planned: PlannedOutput) -> RunningOutput:
        section = planned.section
        if planned.kept is not None:
            planned.kept.destination.limits = planned.limits
            return RunningOutput(section=section, destination=planned.kept.destination)
        assert planned.output is not None
        letters = None
        if self._rejected_folder is not None and self.configuration.service.storage_keep_rejected:
            path = self._rejected_folder / file_name(section.name)
            letters = DeadLetters(path, output=section.name, now=self._surroundings.clock.now)
        destination = Destination(
            planned.output,
            workers=section.settings.workers,
            limits=planned.limits,
            status=planned.status,
            dead_letters=letters,
            notices=self._surroundings.notices,
            log=logging.getLogger(f"{LOG}.output:{section.plugin}:{section.name}"),
            clock=self._surroundings.clock,
            random=self._random,
        )
        return RunningOutput(section=section, destination=destination)

    def _routes(self, planned: Plan) -> tuple[Route, ...]:
        return tuple(
            Route(
                pattern=each.pattern,
                destination=running.destination,
                disk_limit=each.section.settings.storage_total_limit_size,
                drops_oldest=each.section.settings.storage_overflow == "drop_oldest",
            )
            for each, running in zip(planned.outputs, self.outputs, strict=True)
        )

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _end(self) -> Ending:
        """Last read, last deliveries, whatever the backoff says; what is left is written down, if there is where."""
        begin = asyncio.get_running_loop().time()
        last = min(LAST_SECONDS, self._grace / 5)
        self.log.info("ending, within %.0f s", self._grace)
        try:
            async with asyncio.timeout_at(begin + self._grace - last) as self._deadline:
                async with self.changing:
                    await self._finish()
        except TimeoutError:
            self.log.warning("the time is over")
        self._deadline = None  # what follows has bounds of its own
        for task in self._background:
            task.cancel()
        inputs = [*self.inputs, *self.retiring]
        for running in inputs:
            assert running.task is not None
            running.task.cancel()
        ending = settle_left(await self._close_outputs(last / 4), self.disk)
        if self.disk is not None:
            await self.disk.close(last / 2)
        for running in inputs:
            await running.ended.wait()
            await self.close_input(running)
        ending.failure = self._failure
        say(ending, self.log)
        return ending

    async def _finish(self) -> None:
        """Returns when everything that is there to be read is delivered."""
        inputs = [*self.inputs, *self.retiring]
        for output in self.outputs:
            output.destination.hurry()
        for running in inputs:
            running.stopping.set()
        for running in inputs:
            await running.ended.wait()
        await self.road.give_out(self.road.empty_filters())
        for output in self.outputs:
            await output.destination.drained()

    async def _close_outputs(self, within: float) -> dict[str, list[Delivery]]:
        left: dict[str, list[Delivery]] = {}

        async def close(output: RunningOutput) -> None:
            left[output.section.name] = await output.destination.close(patience=0, within=within)

        async with asyncio.TaskGroup() as tasks:
            for output in self.outputs:
                tasks.create_task(close(output))
        return {name: deliveries for name, deliveries in left.items() if deliveries}
