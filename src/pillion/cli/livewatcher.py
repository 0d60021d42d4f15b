"""What `pillion run` shows on a terminal: log lines scroll by, and below them the table of the pods stays current."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable, Iterator
from typing import IO, cast

from rich.console import Console, ConsoleOptions, Group
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from pillion.cli.ansi import Prefixes, harmless, paint, status_style
from pillion.cli.output import Output
from pillion.cli.recent import Recent
from pillion.cli.sayings import applied_line, event_line, is_shown, reachable_lines, summary
from pillion.cli.table import Columns, line, place, widths
from pillion.clock import Clock
from pillion.crilog import Entry
from pillion.daemon.publishing import Published
from pillion.daemon.run import FinishedPod
from pillion.objects.models import core_v1
from pillion.plan.pods import identity_of
from pillion.status import PodRow, pod_row

FRAME = 0.1
"""Seconds between two drawings at the most; log lines that come in between are drawn together."""
LINES_LIMIT = 20_000
"""Log lines that may wait for the next drawing; then followers of logs wait, and the log files are the buffer."""


class _Screen(io.TextIOBase):
    """The terminal as Rich sees it. Its bytes go through the output: a terminal may be stopped by Ctrl-S, or gone."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        self._output.write(text.encode(errors="replace"))
        return len(text)

    def isatty(self) -> bool:
        return True


class _Raw:
    """Lines that are ready for the terminal: Rich would take 100 us to look at each, and a container may be quick."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        yield Segment(self._text)


class LiveWatcher:
    def __init__(self, output: Output, clock: Clock, columns: Columns, *, show_timeline: bool) -> None:
        self._output = output
        self._console = Console(file=cast("IO[str]", _Screen(output)))
        self._clock = clock
        self._columns = columns
        self._show_timeline = show_timeline
        self._pods: dict[str, core_v1.Pod] = {}
        self._prefixes = Prefixes()
        self._said = Recent()
        self._lines: list[str] = []
        self._shown: list[Callable[[], None]] = []
        self._drawn = asyncio.Event()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._live.start()
        self._drawing = asyncio.get_running_loop().call_later(0, self._draw)

    def _draw(self) -> None:
        lines, self._lines = self._lines, []
        self._live.update(self._table())
        if lines:
            self._console.print(_Raw("\n".join(lines) + "\n"), crop=False)  # draws the table below them, too
            self._output.write(b"", _each(self._shown))
            self._shown = []
        elif self._output.has_room:
            self._live.refresh()
        self._drawn.set()
        # Once a second at least, because ages move on by themselves.
        self._drawing = asyncio.get_running_loop().call_later(1.0, self._draw)

    def _draw_soon(self) -> None:
        if self._drawn.is_set():
            self._drawn.clear()
            self._drawing.cancel()
            self._drawing = asyncio.get_running_loop().call_later(FRAME, self._draw)

    def _table(self) -> Group:
        columns, now = self._columns, self._clock.now()
        rows = [columns.cells(pod, pod_row(pod, now)) for pod in self._pods.values()]
        wide = widths(columns.titles, rows)
        lines = [Text(line(columns.titles, wide), style="bold", no_wrap=True, overflow="crop")]
        for row in rows:
            shown = Text(line(row, wide), no_wrap=True, overflow="crop")
            begin, status = place(wide, columns.status), row[columns.status]
            shown.stylize(status_style(status), begin, begin + len(status))
            lines.append(shown)
        return Group(*lines)

    def say(self, text: str, style: str = "") -> None:
        self._lines.append(paint(harmless(text), style))
        self._draw_soon()

    def applied(self, pod: core_v1.Pod, what: str) -> None:
        self.say(*applied_line(self._columns.label(pod), what))

    def changed(self, pod: core_v1.Pod, row: PodRow) -> None:  # noqa: ARG002 - drawn with the time of drawing
        self._pods[identity_of(pod).uid] = pod
        self._draw_soon()

    def event(self, event: core_v1.Event) -> None:
        text = event_line(event)
        if is_shown(event) and self._said.add(text):
            self.say(text, "red" if event.type == "Warning" else "dim")

    def reachable(self, pod: core_v1.Pod, published: Iterable[Published]) -> None:
        for text in reachable_lines(pod, published):
            self.say(text, "bold")

    async def log(
        self, pod: core_v1.Pod, container: str, entries: list[Entry], shown: Callable[[], None]
    ) -> None:
        prefix = self._prefixes.of(f"{self._columns.label(pod)}/{container}")
        self._lines += [prefix + harmless(entry.payload.decode(errors="replace")) for entry in entries]
        self._shown.append(shown)
        self._draw_soon()
        if len(self._lines) > LINES_LIMIT:
            await self._drawn.wait()
        await self._output.room()

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}", "yellow")

    def finished(self, pods: list[FinishedPod]) -> None:
        self._stop()
        for text in summary(pods, with_timeline=self._show_timeline):
            self._console.print(Text(text), soft_wrap=True)

    def hurry(self) -> None:
        self._output.hurry()

    async def close(self) -> None:
        self._stop()
        await self._output.close()

    def _stop(self) -> None:
        if self._live.is_started:
            self._drawing.cancel()
            self._draw()
            self._drawing.cancel()
            self._live.stop()


def _each(callbacks: list[Callable[[], None]]) -> Callable[[], None]:
    def call() -> None:
        for callback in callbacks:
            callback()

    return call
