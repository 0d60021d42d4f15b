"""What `pillion run` shows on a terminal: log lines scroll by, and below them the table of the pods stays current."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pillion.cli.table import POD_COLUMNS, WIDE_COLUMNS, cells
from pillion.cli.textwatcher import SHOWN_EVENTS, event_line, reachable_lines, summary
from pillion.clock import Clock
from pillion.crilog import Entry
from pillion.daemon.publishing import Published
from pillion.daemon.run import FinishedPod
from pillion.objects.models import core_v1
from pillion.plan.pods import identity_of, metadata_of
from pillion.status import PodRow, pod_row

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
_GOOD, _BAD = ("Running", "Completed", "Succeeded"), ("Error", "BackOff", "Err", "OOM", "Invalid", "Failed")
FRAME = 0.1
"""Seconds between two drawings at the most; log lines that come in between are drawn together."""


class LiveWatcher:
    def __init__(self, console: Console, clock: Clock, *, wide: bool, show_timeline: bool) -> None:
        self._console = console
        self._clock = clock
        self._wide = wide
        self._show_timeline = show_timeline
        self._pods: dict[str, core_v1.Pod] = {}
        self._colours: dict[tuple[str, str], str] = {}
        self._said: set[str] = set()
        self._lines: list[Text] = []
        self._drawn = asyncio.Event()
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._live.start()
        self._drawing = asyncio.get_running_loop().call_later(0, self._draw)

    def _draw(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._console.print(Text("\n").join(lines))
        self._live.update(self._table(), refresh=True)
        self._drawn.set()
        # Once a second at least, because ages move on by themselves.
        self._drawing = asyncio.get_running_loop().call_later(1.0, self._draw)

    def _draw_soon(self) -> None:
        if self._drawn.is_set():
            self._drawn.clear()
            self._drawing.cancel()
            self._drawing = asyncio.get_running_loop().call_later(FRAME, self._draw)

    def _table(self) -> Table:
        titles = WIDE_COLUMNS if self._wide else POD_COLUMNS
        table = Table(*titles, box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
        now = self._clock.now()
        for pod in self._pods.values():
            row = cells(pod_row(pod, now), wide=self._wide)
            table.add_row(*(self._style(index, cell) for index, cell in enumerate(row)))
        return table

    def _style(self, index: int, cell: str) -> Text:
        if index != 2:
            return Text(cell)
        if any(word in cell for word in _BAD):
            return Text(cell, style="bold red")
        return Text(cell, style="green" if cell in _GOOD else "yellow")

    def say(self, text: str, style: str = "") -> None:
        self._lines.append(Text(text, style=style))
        self._draw_soon()

    def applied(self, pod: core_v1.Pod, what: str) -> None:
        name = metadata_of(pod).name
        if what == "orphaned":
            self.say(
                f"pod/{name} was left by an earlier run and is not asked for any more: stopping it", "yellow"
            )
        else:
            self.say(f"pod/{name} {what}", "bold")

    def changed(self, pod: core_v1.Pod, row: PodRow) -> None:  # noqa: ARG002 - drawn with the time of drawing
        self._pods[identity_of(pod).uid] = pod
        self._draw_soon()

    def event(self, event: core_v1.Event) -> None:
        text = event_line(event)
        if (event.type == "Warning" or event.reason in SHOWN_EVENTS) and text not in self._said:
            self._said.add(text)
            self.say(text, "red" if event.type == "Warning" else "dim")

    def reachable(self, pod: core_v1.Pod, published: Iterable[Published]) -> None:
        for text in reachable_lines(pod, published):
            self.say(text, "bold")

    async def log(self, pod: core_v1.Pod, container: str, entries: list[Entry]) -> None:
        name = metadata_of(pod).name or ""
        colour = self._colours.setdefault((name, container), _COLOURS[len(self._colours) % len(_COLOURS)])
        for entry in entries:
            prefix = Text(f"{name}/{container} | ", style=colour)
            self._lines.append(prefix + Text.from_ansi(entry.payload.decode(errors="replace")))
        self._draw_soon()
        if len(self._lines) > 500:
            await self._drawn.wait()

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}", "yellow")

    def finished(self, pods: list[FinishedPod]) -> None:
        self._stop()
        for text in summary(pods, with_timeline=self._show_timeline):
            self._console.print(escape(text), highlight=False, soft_wrap=True)

    async def close(self) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._live.is_started:
            self._drawing.cancel()
            self._draw()
            self._drawing.cancel()
            self._live.stop()
