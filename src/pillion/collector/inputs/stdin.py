"""The stdin input: records on the collector's standard input (plugins/in_stdin). Its end is the collector's end."""

from __future__ import annotations

import asyncio
import os
import select
import stat
from typing import TYPE_CHECKING, Annotated, ClassVar

from pillion.collector.configuration.settings import Differs, InputSettings, Kind, key
from pillion.collector.inputs.stdinlines import LineReader
from pillion.collector.plugin import InputPlugin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.collector.plugin import InputContext, Intake

_STANDARD_INPUT = 0
_READ_BYTES = 256 << 10
_LONGEST_LINE = 2 << 20
"""Bytes after which a line, or a JSON value, is given out in pieces."""
_SMALLEST_BUFFER = 16_000
_LAST_READS = 16
"""Reads after which nobody is waited for any more who goes on writing while the collector stops: a pipe is empty."""


class StdinSettings(InputSettings, frozen=True, kw_only=True):
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "lines that are no JSON": (
            "kept under `key`", Differs(fluent_bit="passed over", why="they would be lost without a word")
        ),
    }  # fmt: skip

    parser: Annotated[str, key(help="how to read each line; without it lines are JSON")] = ""
    key: Annotated[str, key(help="ours: the key for lines that are neither JSON nor match the parser")] = (
        "log"
    )
    buffer_size: Annotated[
        int, key(kind=Kind.SIZE, help="Fluent Bit's longest record; here lines of 2 MB are whole at least")
    ] = _SMALLEST_BUFFER

    def __post_init__(self) -> None:
        if self.buffer_size < _SMALLEST_BUFFER:
            raise ValueError(f"buffer_size: at least {_SMALLEST_BUFFER} bytes")


class Stdin:
    def __init__(self, settings: StdinSettings, context: InputContext, descriptor: int) -> None:
        self._settings = settings
        self._context = context
        self._descriptor = descriptor
        self._longest = max(_LONGEST_LINE, settings.buffer_size)
        parser = context.parser(settings.parser) if settings.parser else None
        self._lines = LineReader(settings.key, parser, self._longest)
        self._rest = b""
        """A line whose end has not come."""

    async def run(self, intake: Intake, stopping: asyncio.Event) -> None:
        is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        async with asyncio.TaskGroup() as group:
            wake = asyncio.Event()
            last_reads = _LAST_READS
            watching = group.create_task(_relay(stopping, wake))
            try:
                while True:
                    if not is_file and not stopping.is_set():
                        await self._readable(wake)
                    if stopping.is_set():
                        last_reads -= 1
                        if last_reads < 0 or not self._has_more():
                            break
                    data = os.read(self._descriptor, _READ_BYTES)
                    if not data:
                        self._context.log.info("the end of standard input")
                        break
                    await self._take(data, intake)
                    await asyncio.sleep(0)
            finally:
                watching.cancel()
        await self._end(intake)

    async def close(self) -> None:
        """Standard input is not ours to close."""

    async def _readable(self, wake: asyncio.Event) -> None:
        """Wait until there is something to read, or `wake`."""
        loop = asyncio.get_running_loop()
        wake.clear()
        try:
            loop.add_reader(self._descriptor, wake.set)
        except PermissionError:  # /dev/null, which is always readable
            return
        try:
            await wake.wait()
        finally:
            loop.remove_reader(self._descriptor)

    def _has_more(self) -> bool:
        return bool(select.select([self._descriptor], [], [], 0)[0])

    async def _take(self, data: bytes, intake: Intake) -> None:
        whole, newline, rest = (self._rest + data).rpartition(b"\n")
        if len(rest) > self._longest:
            whole, newline, rest = self._rest + data, b"\n", b""
        self._rest = rest
        if newline:
            await self._put(whole + newline, intake)

    async def _end(self, intake: Intake) -> None:
        if self._rest:
            await self._put(self._rest + b"\n", intake)
            self._rest = b""
        for content in self._lines.end(self._now()):
            await intake.put(self._settings.tag or self._context.name, content)

    async def _put(self, data: bytes, intake: Intake) -> None:
        for content in self._lines.read(self._cleaned(data), self._now()):
            await intake.put(self._settings.tag or self._context.name, content)
        if self._lines.is_text:
            name = self._context.name
            self._context.notices.raise_(
                f"{name}: text",
                f"{name}: some lines are no JSON: they are kept under `{self._settings.key}`; name a parser",
            )

    def _cleaned(self, data: bytes) -> bytes:
        """As `Lines` wants them: UTF-8, without `\\r` and empty lines."""
        try:
            data.decode()
        except UnicodeDecodeError:
            self._context.status.invalid_utf8 += sum(not _is_utf8(line) for line in data.split(b"\n"))
            data = data.decode("utf-8", "replace").encode()
        if b"\r\n" in data:
            data = data.replace(b"\r\n", b"\n")
        if b"\n\n" in data or data.startswith(b"\n"):
            data = b"".join([line + b"\n" for line in data.split(b"\n") if line])
        return data

    def _now(self) -> int:
        return int(self._context.clock.now() * 1e9)


async def _relay(stopping: asyncio.Event, wake: asyncio.Event) -> None:
    await stopping.wait()
    wake.set()


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def build(settings: StdinSettings, context: InputContext) -> Stdin:
    return Stdin(settings, context, _STANDARD_INPUT)


PLUGIN = InputPlugin(name="stdin", settings=StdinSettings, build=build)
