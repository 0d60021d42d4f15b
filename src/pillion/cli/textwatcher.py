"""What `pillion run` prints without a terminal: a kubectl-like row at each change, log lines, events. Plain lines."""

from __future__ import annotations

from collections.abc import Iterable

from pillion.cli.output import Output
from pillion.cli.table import POD_COLUMNS, WIDE_COLUMNS, cells, line, widths
from pillion.cli.timeline import timeline
from pillion.crilog import Entry
from pillion.daemon.publishing import Published
from pillion.daemon.run import FinishedPod
from pillion.objects.models import core_v1
from pillion.plan.pods import containers_of, identity_of, metadata_of
from pillion.status import PodRow

STAND_IN = "StandIn"
SHOWN_EVENTS = frozenset({STAND_IN})
"""Normal events worth a line; Warnings always are."""
_RESERVED = 24
"""Least width of the NAME column, so that rows of several pods line up as they come."""


class TextWatcher:
    def __init__(self, output: Output, *, wide: bool, show_timeline: bool) -> None:
        self._output = output
        self._wide = wide
        self._show_timeline = show_timeline
        self._rows: dict[str, tuple[str, ...]] = {}
        self._has_title = False
        self._said: set[str] = set()

    def say(self, text: str) -> None:
        self._output.write(text.encode(errors="replace") + b"\n")

    def applied(self, pod: core_v1.Pod, what: str) -> None:
        name = metadata_of(pod).name
        if what == "orphaned":
            self.say(f"pod/{name} was left by an earlier run and is not asked for any more: stopping it")
        else:
            self.say(f"pod/{name} {what}")

    def changed(self, pod: core_v1.Pod, row: PodRow) -> None:
        uid = identity_of(pod).uid
        shown = cells(row, wide=self._wide)
        if self._rows.get(uid, ())[:4] == shown[:4]:
            return
        self._rows[uid] = shown
        titles = WIDE_COLUMNS if self._wide else POD_COLUMNS
        columns = widths(titles, list(self._rows.values()))
        columns[0] = max(columns[0], _RESERVED)
        columns[2] = max(columns[2], len("PodInitializing"))
        if not self._has_title:
            self._has_title = True
            self.say(line(titles, columns))
        self.say(line(shown, columns))

    def event(self, event: core_v1.Event) -> None:
        text = event_line(event)
        if (event.type == "Warning" or event.reason in SHOWN_EVENTS) and text not in self._said:
            self._said.add(text)
            self.say(text)

    def reachable(self, pod: core_v1.Pod, published: Iterable[Published]) -> None:
        for text in reachable_lines(pod, published):
            self.say(text)

    async def log(self, pod: core_v1.Pod, container: str, entries: list[Entry]) -> None:
        prefix = f"{metadata_of(pod).name}/{container} | ".encode()
        self._output.write(b"".join(prefix + entry.payload + b"\n" for entry in entries))
        await self._output.room()

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")

    def finished(self, pods: list[FinishedPod]) -> None:
        for text in summary(pods, with_timeline=self._show_timeline):
            self.say(text)

    def hurry(self) -> None:
        self._output.hurry()

    async def close(self) -> None:
        await self._output.close()


def event_line(event: core_v1.Event) -> str:
    if event.reason == STAND_IN:
        return f"stand-in: {event.message}"
    about = event.involvedObject
    path = about.fieldPath or ""
    container = f"/{path[path.index('{') + 1 : -1]}" if "{" in path else ""
    return f"{(event.type or '').lower()}: {about.name}{container}: {event.reason}: {event.message}"


def reachable_lines(pod: core_v1.Pod, published: Iterable[Published]) -> list[str]:
    """Where each port of the pod can be reached from this machine."""
    ip = pod.status.podIP if pod.status is not None else None
    outside = {
        (p.host_port.container_port, p.host_port.protocol): f"{p.host_port.host_ip}:{p.host_port.host_port}"
        for p in published
    }
    lines = []
    name = metadata_of(pod).name
    for _, container in containers_of(pod):
        for port in container.ports or ():
            protocol = port.protocol or "TCP"
            places = [f"{ip}:{port.containerPort}"]
            if port.hostPort:
                places.append(f"{port.hostIP or '0.0.0.0'}:{port.hostPort}")  # noqa: S104 - as Kubernetes shows it
            own = outside.pop((port.containerPort, protocol), None)
            if own is not None:
                places.append(own)
            label = f" ({port.name})" if port.name else ""
            lines.append(
                f"{name}/{container.name}: port {port.containerPort}{label} at {', '.join(reversed(places))}"
            )
    lines += [f"{name}: port {number} at {place}" for (number, _), place in outside.items()]
    return lines


def summary(pods: list[FinishedPod], *, with_timeline: bool) -> list[str]:
    """Which container failed, why, and its last log lines; at the end one line per pod."""
    lines: list[str] = []
    if with_timeline:
        for pod in pods:
            lines += ["", f"timeline of {metadata_of(pod.pod).name}", *timeline(pod.story)]
    if lines:
        lines.append("")
    for pod in pods:
        name = metadata_of(pod.pod).name
        status = pod.pod.status
        why = f": {status.reason}: {status.message}" if status is not None and status.reason else ""
        lines.append(f"pod/{name} {pod.phase}{why}")
        for failed in pod.failed:
            message = f": {failed.message.rstrip()}" if failed.message else ""
            lines.append(f"  {failed.name}: exit code {failed.exit_code} ({failed.reason}){message}")
            lines += [f"    | {text}" for text in failed.last_lines]
    return lines
