"""`kill -9` of the server, and the next one: how long clients have nobody to ask, and when every container is known.

While no server runs, one container of every pod is ended: the next server has to find out, and to start it again.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.memory import monitors
from bench.served import Client, Detached, Served, detached
from bench.serving import until_ready
from bench.world import pod_manifest

Tree = dict[str, Any]

CROWDS = (3, 20)
ROUNDS = 7
ENDED = "main"
_PODS = "/api/v1/namespaces/default/pods"


def adoption(folder: Path) -> list[Figure]:
    figures = []
    for size in CROWDS:
        own = folder / str(size)
        own.mkdir()
        (own / "image").symlink_to(folder / "image")
        with detached(own) as server:
            answers, known = _rounds(server, size)
        what = f"kill -9 with {size} pods × 3 containers"
        figures += [
            Figure(f"{what}: `pillion serve --detach` until it returns", "ms", answers),
            Figure(f"the same, until the end of {size} containers meanwhile is told", "ms", known),
        ]
    return figures


def _rounds(server: Detached, size: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    running = server.start()
    client, watcher = running.connect(), running.connect()
    events = watcher.events(f"{_PODS}?watch=1")
    names = [f"pod-{index}" for index in range(size)]
    for name in names:
        client.ask("POST", _PODS, pod_manifest(name))
    until_ready(events, *names)
    watcher.close()
    answers, known = [], []
    for _ in range(ROUNDS):
        before = _instances(client)
        client.close()
        server.kill(running)
        _end_containers(running)
        begun = time.perf_counter()
        running = server.start()
        answers.append((time.perf_counter() - begun) * 1000)
        watcher = running.connect()
        _until_all_ends_are_told(watcher.events(f"{_PODS}?watch=1"), before)
        known.append((time.perf_counter() - begun) * 1000)
        watcher.close()
        client = running.connect()
        _until_all_run(client)
    client.close()
    return tuple(answers), tuple(known)


def _end_containers(server: Served) -> None:
    for monitor in monitors(str(server.state)):
        command = Path(f"/proc/{monitor}/cmdline").read_text().split("\0")
        if f"/{ENDED}/" not in command[command.index("--log-path") + 1]:
            continue
        for child in Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)


def _statuses(client: Client) -> dict[str, Tree]:
    """Of the containers that are ended, by pod."""
    items = json.loads(client.ask("GET", _PODS))["items"]
    return {
        pod["metadata"]["name"]: status
        for pod in items
        for status in pod["status"]["containerStatuses"]
        if status["name"] == ENDED
    }


def _instances(client: Client) -> dict[str, str]:
    return {name: status["containerID"] for name, status in _statuses(client).items()}


def _until_all_ends_are_told(events: Iterator[Tree], before: dict[str, str]) -> None:
    waiting = dict(before)
    for event in events:
        name = event["object"]["metadata"]["name"]
        for status in event["object"]["status"]["containerStatuses"]:
            if status["name"] == ENDED and name in waiting and _is_told(status, waiting[name]):
                del waiting[name]
        if not waiting:
            return
    raise RuntimeError("a watch ended early")


def _is_told(status: Tree, instance: str) -> bool:
    ends = (status["state"].get("terminated"), status.get("lastState", {}).get("terminated"))
    return any(end is not None and end["containerID"] == instance for end in ends)


def _until_all_run(client: Client) -> None:
    while not all("running" in status["state"] for status in _statuses(client).values()):
        time.sleep(0.02)  # noqa: TID251 - its restarts are not what is measured
