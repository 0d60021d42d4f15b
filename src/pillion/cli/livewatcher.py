"""What `pillion run` shows on a terminal: log lines scroll by, and below them the table of the pods stays current."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from typing import IO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from pillion.cli.output import Output
from pillion.cli.table import POD_COLUMNS, WIDE_COLUMNS, cells, line, widths
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
LINES_LIMIT = 500
"""Log lines that may wait for the next drawing."""


class _Screen(io.TextIOBase):
    """The terminal as Rich sees it. Its bytes go through the output: a terminal may be stopped by Ctrl-S, or gone."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        self._output.write(text.encode(errors="replace"))
        return len(text)

    def isatty(self) -> bool:
        return True


class LiveWatcher:
    def __init__(self, output: Output, clock: Clock, *, wide: bool, show_timeline: bool) -> None:
        self._output = output
        self._console = Console(file=cast("IO[str]", _Screen(output)))
        self._clock = clock
        self._wide = wide
        self._show_timeline = show_timeline
        self._pods: dict[str, core_v1.Pod] = {}
        self._colours: dict[tuple[str, str], str] = {}
        self._said: set[str] = set()
        self._lines: list[Text] = []
        self._drawn = asyncio.Event()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._live.start()
        self._drawing = asyncio.get_running_loop().call_later(0, self._draw)

    def _draw(self) -> None:
        lines, self._lines = self._lines, []
        self._live.update(self._table())
        if lines:
            self._console.print(Text("\n").join(lines))  # draws the table below them, too
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
        titles = WIDE_COLUMNS if self._wide else POD_COLUMNS
        now = self._clock.now()
        rows = [cells(pod_row(pod, now), wide=self._wide) for pod in self._pods.values()]
        columns = widths(titles, rows)
        lines = [Text(line(titles, columns), style="bold", no_wrap=True, overflow="crop")]
        for row in rows:
            shown = Text(line(row, columns), no_wrap=True, overflow="crop")
            status = shown.plain.index(row[2], columns[0] + columns[1])
            shown.stylize(_style(row[2]), status, status + len(row[2]))
            lines.append(shown)
        return Group(*lines)

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
            payload = entry.payload.decode(errors="replace")
            text = Text.from_ansi(payload) if "\x1b" in payload else Text(payload)
            self._lines.append(Text.assemble((f"{name}/{container} | ", colour), text))
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


def _style(status: str) -> str:
    if any(word in status for word in _BAD):
        return "bold red"
    return "green" if status in _GOOD else "yellow"
