"""What `pillion run` prints without a terminal: a kubectl-like row at each change, log lines, events. Plain lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pillion.cli.ansi import Prefixes, paint, status_style
from pillion.cli.output import Output
from pillion.cli.recent import Recent
from pillion.cli.sayings import applied_line, event_line, is_shown, reachable_lines, summary
from pillion.cli.table import Columns, line, place, widths
from pillion.crilog import Entry
from pillion.daemon.publishing import Published
from pillion.daemon.run import FinishedPod
from pillion.objects.models import core_v1
from pillion.plan.pods import identity_of
from pillion.status import PodRow

_RESERVED = 24
"""Least width of the NAME column, so that rows of several pods line up as they come."""


class TextWatcher:
    def __init__(self, output: Output, columns: Columns, *, is_coloured: bool, show_timeline: bool) -> None:
        self._output = output
        self._columns = columns
        self._is_coloured = is_coloured
        self._show_timeline = show_timeline
        self._rows: dict[str, tuple[str, ...]] = {}
        self._has_title = False
        self._prefixes = Prefixes()
        self._said = Recent()

    def say(self, text: str, style: str = "") -> None:
        shown = paint(text, style) if self._is_coloured else text
        self._output.write(shown.encode(errors="replace") + b"\n")

    def applied(self, pod: core_v1.Pod, what: str) -> None:
        self.say(*applied_line(self._columns.label(pod), what))

    def changed(self, pod: core_v1.Pod, row: PodRow) -> None:
        uid, columns = identity_of(pod).uid, self._columns
        shown = columns.cells(pod, row)
        told = columns.titles.index("RESTARTS") + 1
        if self._rows.get(uid, ())[:told] == shown[:told]:
            return
        self._rows[uid] = shown
        wide = widths(columns.titles, list(self._rows.values()))
        name = columns.titles.index("NAME")
        wide[name] = max(wide[name], _RESERVED)
        wide[columns.status] = max(wide[columns.status], len("PodInitializing"))
        if not self._has_title:
            self._has_title = True
            self.say(line(columns.titles, wide), "bold")
        text = line(shown, wide)
        if self._is_coloured:
            begin, status = place(wide, columns.status), shown[columns.status]
            end = begin + len(status)
            text = text[:begin] + paint(status, status_style(status)) + text[end:]
        self.say(text)

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
        name = f"{self._columns.label(pod)}/{container}"
        prefix = (self._prefixes.of(name) if self._is_coloured else f"{name} | ").encode()
        self._output.write(b"".join(prefix + entry.payload + b"\n" for entry in entries), shown)
        await self._output.room()

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}", "yellow")

    def finished(self, pods: list[FinishedPod]) -> None:
        for text in summary(pods, with_timeline=self._show_timeline):
            self.say(text)

    def hurry(self) -> None:
        self._output.hurry()

    async def close(self) -> None:
        await self._output.close()
