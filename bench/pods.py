"""Starting, stopping, restarting and keeping pods, on a node in this process."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from bench.figures import Figure
from bench.memory import available_mb, monitors, proportional_mb
from bench.world import running_node

ROUNDS = 10
CROWDS = (1, 10, 50, 100)
LARGE_CROWD = 50
"""Pods: below, what the rest of the machine does with its memory meanwhile outweighs them."""


async def start_and_stop(folder: Path) -> list[Figure]:
    """One pod at a time, three containers, on a machine that does nothing else."""
    starts, stops = [], []
    async with running_node(folder) as world:
        for index in range(ROUNDS + 1):
            begun = time.perf_counter()
            pod = world.create(f"pod-{index}")
            await world.until_ready(pod)
            ready = time.perf_counter()
            await world.until_stoppable(pod)
            asked = time.perf_counter()
            await world.delete(pod)
            gone = time.perf_counter()
            if index:  # the first one also makes the bridge and fills the page cache
                starts.append((ready - begun) * 1000)
                stops.append((gone - asked) * 1000)
    return [
        Figure("pod of 3 containers: created → Ready", "ms", tuple(starts)),
        Figure("pod of 3 containers: deleted → gone", "ms", tuple(stops)),
    ]


async def crash(folder: Path) -> list[Figure]:
    """A sidecar's process is killed; the first restart of a container has no back-off."""
    back = []
    async with running_node(folder) as world:
        for index in range(ROUNDS):
            pod = world.create(f"pod-{index}")
            await world.until_ready(pod)
            begun = time.perf_counter()
            os.kill(world.process_of(pod, "sidecar-1"), signal.SIGKILL)
            await world.until(lambda pod=pod: world.restarts(pod, "sidecar-1") == 1)  # type: ignore[misc]
            back.append((time.perf_counter() - begun) * 1000)
            await world.until_stoppable(pod)
            await world.delete(pod)
    return [Figure("killed sidecar: SIGKILL → running again", "ms", tuple(back))]


async def crowd(folder: Path) -> list[Figure]:
    """Many pods at once: how long, how much CPU, how much memory."""
    figures = []
    for size in CROWDS:
        async with running_node(folder) as world:
            first = world.create("first")  # makes the bridge and fills the page cache
            await world.until_ready(first)
            await world.until_stoppable(first)
            await world.delete(first)
            memory, cpu, begun = available_mb(), _cpu_seconds(), time.perf_counter()
            pods = [world.create(f"pod-{index}") for index in range(size)]
            await world.until_ready(*pods)
            took, spent, used = time.perf_counter() - begun, _cpu_seconds() - cpu, memory - available_mb()
            monitoring = [proportional_mb(pid) for pid in monitors(str(folder / "state"))]
            for pod in pods:
                await world.until_stoppable(pod)
            begun = time.perf_counter()
            await world.delete(*pods)
            stopping = time.perf_counter() - begun
        name = f"{size} pod{'s' if size > 1 else ''} × 3 containers"
        figures += [
            Figure(f"{name}: all created → all Ready", "s", (took,)),
            Figure(f"{name}: all deleted → all gone", "s", (stopping,)),
            Figure(f"{name}: CPU for the start, per pod", "ms", (spent * 1000 / size,)),
            Figure(f"{name}: conmon's memory (PSS), per pod", "MB", (sum(monitoring) / size,)),
        ]
        if size >= LARGE_CROWD:
            figures.append(Figure(f"{name}: memory the machine lost, per pod", "MB", (used / size,)))
    return figures


def _cpu_seconds() -> float:
    """Ours and that of every command we have waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
