"""The kubelet's two pages for Prometheus, from the summary: some of `/metrics`, all of `/metrics/resource`.

Sources: pkg/kubelet/metrics/metrics.go; pkg/kubelet/metrics/collectors/resource_metrics.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pillion.units import parse_time

Tree = Mapping[str, Any]

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class _Page:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def family(self, name: str, kind: str, meaning: str, samples: Iterable[str]) -> None:
        """No samples, no family."""
        lines = [f"{name}{sample}" for sample in samples]
        if lines:
            self._lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *lines]

    def encode(self) -> bytes:
        return ("\n".join(self._lines) + "\n").encode()


def kubelet_page(summary: Tree) -> bytes:
    page = _Page()
    pods = summary["pods"]
    containers = sum(len(pod["containers"]) for pod in pods)
    page.family(
        "kubelet_node_name",
        "gauge",
        "[ALPHA] The node's name. The count is always 1.",
        [f'{{node="{summary["node"]["nodeName"]}"}} 1'],
    )
    page.family(
        "kubelet_running_containers",
        "gauge",
        "[ALPHA] Number of containers currently running",
        [f'{{container_state="running"}} {containers}'],
    )
    page.family(
        "kubelet_running_pods",
        "gauge",
        "[ALPHA] Number of pods that have a running pod sandbox",
        [f" {len(pods)}"],
    )
    return page.encode()


def resource_page(summary: Tree) -> bytes:
    page = _Page()
    node, pods = summary["node"], summary["pods"]
    containers = [
        ({"container": container["name"], **_of_pod(pod)}, container)
        for pod in pods
        for container in pod["containers"]
    ]
    parts: list[tuple[str, Sequence[tuple[Tree, Tree]]]] = [
        ("container", containers),
        ("node", [({}, node)]),
        ("pod", [(_of_pod(pod), pod) for pod in pods]),
    ]
    for part, things in parts:
        page.family(
            f"{part}_cpu_usage_seconds_total",
            "counter",
            f"[STABLE] Cumulative cpu time consumed by the {part} in core-seconds",
            _samples(things, "cpu", lambda cpu: cpu["usageCoreNanoSeconds"] / 1e9),
        )
        page.family(
            f"{part}_memory_working_set_bytes",
            "gauge",
            f"[STABLE] Current working set of the {part} in bytes",
            _samples(things, "memory", lambda memory: memory["workingSetBytes"]),
        )
    page.family(
        "container_start_time_seconds",
        "gauge",
        "[STABLE] Start time of the container since unix epoch in seconds",
        [f"{_labels(labels)} {parse_time(one['startTime'])}" for labels, one in containers],
    )
    page.family("resource_scrape_error", "gauge", "[STABLE] 1 if there was an error, 0 otherwise", [" 0"])
    return page.encode()


def _of_pod(pod: Tree) -> dict[str, str]:
    return {"namespace": pod["podRef"]["namespace"], "pod": pod["podRef"]["name"]}


def _samples(
    things: Sequence[tuple[Tree, Tree]], field: str, value: Callable[[Tree], float]
) -> Iterable[str]:
    """With the time of the measurement, in milliseconds. What is not measured has no sample."""
    for labels, thing in things:
        measured = thing.get(field)
        if measured is not None:
            yield f"{_labels(labels)} {value(measured)} {round(parse_time(measured['time']) * 1000)}"


def _labels(labels: Tree) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""
