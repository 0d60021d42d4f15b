"""The dummy input: the same record again and again, to try a configuration with (plugins/in_dummy)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, ClassVar

from pillion.collector.configuration.settings import InputSettings, key
from pillion.collector.inputs.jsonstream import NotJsonError, values
from pillion.collector.plugin import InputPlugin
from pillion.collector.records import Texts, encode_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.collector.plugin import InputContext, Intake
    from pillion.collector.records import Body

_DEFAULT = '{"message":"dummy"}'
_NANOS = 1_000_000_000
_BATCH = 1000
"""Most records in one go: what a loop that was held up has missed is made up for in such steps."""


class DummySettings(InputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "metadata": "records have no metadata here",
        "test_hang_on_exit": "it is for Fluent Bit's own tests",
    }

    dummy: Annotated[str, key(help="the record: a JSON object")] = _DEFAULT
    rate: Annotated[int, key(help="records a second")] = 1
    interval_sec: Annotated[int, key(help="seconds between two records, in place of rate")] = 0
    interval_nsec: Annotated[int, key(help="and nanoseconds")] = 0
    copies: Annotated[int, key(help="how many records each time")] = 1
    samples: Annotated[int, key(help="after how many times it ends; 0: never")] = 0
    start_time_sec: Annotated[int, key(help="the first record's time, in seconds; -1: the present")] = -1
    start_time_nsec: Annotated[int, key(help="and nanoseconds")] = -1
    fixed_timestamp: Annotated[bool, key(help="all records have the first one's time")] = False
    flush_on_startup: Annotated[bool, key(help="the first record at once, not after an interval")] = False

    @property
    def interval(self) -> float:
        """Seconds (in_dummy.c, configure)."""
        if self.interval_sec < 0 or self.interval_nsec < 0:
            return 1 / self.rate if self.rate > 1 else 1.0
        if self.interval_sec or self.interval_nsec:
            return self.interval_sec + self.interval_nsec / _NANOS
        return (_NANOS // self.rate) / _NANOS if self.rate > 1 else 1.0


class Dummy:
    def __init__(self, settings: DummySettings, context: InputContext, bodies: list[Body]) -> None:
        self._settings = settings
        self._context = context
        self._text = b"".join([encode_body(body) + b"\n" for body in bodies]) * max(settings.copies, 0)
        self._began = self._now()

    async def run(self, intake: Intake, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        interval = self._settings.interval
        self._began = self._now()
        due = loop.time() + (0 if self._settings.flush_on_startup else interval)
        left = self._settings.samples or None
        while left != 0 and not await _stops_before(stopping, due):
            missed = min(int((loop.time() - due) / interval) + 1, _BATCH, left or _BATCH)
            if self._text:
                content = Texts(data=self._text * missed, times=self._time())
                await intake.put(self._settings.tag or self._context.name, content)
            due += missed * interval
            left = None if left is None else left - missed
        await stopping.wait()

    async def close(self) -> None:
        """Nothing is open."""

    def _time(self) -> int:
        """generate_timestamp: a start that is given is where our time begins; it goes on as ours does."""
        settings = self._settings
        now = self._began if settings.fixed_timestamp else self._now()
        if settings.start_time_sec < 0 and settings.start_time_nsec < 0:
            return now
        return max(settings.start_time_sec, 0) * _NANOS + max(settings.start_time_nsec, 0) + now - self._began

    def _now(self) -> int:
        return int(self._context.clock.now() * _NANOS)


async def _stops_before(stopping: asyncio.Event, due: float) -> bool:
    try:
        async with asyncio.timeout_at(due):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


def build(settings: DummySettings, context: InputContext) -> Dummy:
    bodies: list[Body] = []
    try:
        found = values(settings.dummy.encode())
        bodies = [value for value in found if isinstance(value, dict)]
        if len(bodies) < len(found):
            context.log.warning("%s: dummy: what is no JSON object is left out", settings.place)
    except NotJsonError:
        context.log.warning(
            "%s: dummy: it is no JSON; %s is used, as in Fluent Bit", settings.place, _DEFAULT
        )
        bodies = [{"message": "dummy"}]
    return Dummy(settings, context, bodies)


PLUGIN = InputPlugin(name="dummy", settings=DummySettings, build=build)
