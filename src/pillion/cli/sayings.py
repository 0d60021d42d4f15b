"""What `pillion run` says about pods, line by line, whoever shows it."""

from __future__ import annotations

from collections.abc import Iterable

from pillion.cli.timeline import timeline
from pillion.daemon.publishing import Published
from pillion.daemon.run import FinishedPod
from pillion.objects.models import core_v1
from pillion.plan.pods import containers_of, metadata_of

_STAND_IN = "StandIn"
_SHOWN_EVENTS = frozenset({_STAND_IN})
"""Normal events worth a line; Warnings always are."""


def applied_line(label: str, what: str) -> tuple[str, str]:
    """The line and its style."""
    if what == "orphaned":
        return f"pod/{label} was left by an earlier run and is not asked for any more: stopping it", "yellow"
    return f"pod/{label} {what}", "bold"


def is_shown(event: core_v1.Event) -> bool:
    return event.type == "Warning" or event.reason in _SHOWN_EVENTS


def event_line(event: core_v1.Event) -> str:
    if event.reason == _STAND_IN:
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
