"""A node on real containers, for what the command line cannot do: objects that appear and change while pods run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.node_lab import config_map

from pillion.clock import LoopClock
from pillion.containers.images import parse_sources
from pillion.daemon.assembly import Config, build_drivers
from pillion.daemon.objects import LocalObjects
from pillion.lifecycle import Stage
from pillion.node import Node, PodWorker
from pillion.objects.codec import decode
from pillion.objects.defaults import default
from pillion.objects.models import core_v1
from pillion.objects.qos import compute_qos

pytestmark = pytest.mark.host


class Lab:
    def __init__(self, folder: Path) -> None:
        clock = LoopClock()
        self.objects = LocalObjects(clock)
        self.events: list[str] = []
        self.objects.on_event(lambda event: self.events.append(event.message or ""))
        images = parse_sources(["box=host"], folder=folder)
        self.drivers = build_drivers(Config(state_dir=str(folder), images=images), clock, self.objects)
        self.node = Node(self.drivers, self.objects)

    def run_pod(
        self, script: str, *, env: list[Any] | None = None, volume: dict[str, Any] | None = None
    ) -> PodWorker:
        container: dict[str, Any] = {"name": "main", "image": "box", "command": ["/bin/sh", "-c", script]}
        spec: dict[str, Any] = {"containers": [container], "restartPolicy": "Never"}
        if env:
            container["env"] = env
        if volume:
            container["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
            spec["volumes"] = [{"name": "v"} | volume]
        pod, problems = decode(
            core_v1.Pod, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
        )
        assert problems == []
        default(pod)
        return self.node.add(self.objects.admit(pod, node=self.drivers.node.name, qos_class=compute_qos(pod)))

    async def until(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(15):
            while not fact():  # noqa: ASYNC110 - files and events alike
                await asyncio.sleep(0.02)

    def log(self, worker: PodWorker) -> str:
        plan, state = worker.plan, self.drivers.state
        path = Path(state.container_log(state.pod_logs(plan.namespace, plan.name, plan.uid), "main", 0))
        return "".join(line.split(" ", 3)[3] for line in path.read_text().splitlines(keepends=True))


def live(folder: Path, life: Callable[[Lab], Awaitable[None]]) -> None:
    async def whole() -> None:
        lab = Lab(folder)
        await lab.node.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                ready = asyncio.Event()
                running = tasks.create_task(lab.node.run(ready))
                await ready.wait()
                try:
                    await life(lab)
                finally:
                    for worker in lab.node.workers.values():
                        worker.delete(0)
                    await lab.until(
                        lambda: all(w.record.stage is Stage.FINISHED for w in lab.node.workers.values())
                    )
                    running.cancel()
        finally:
            await lab.node.close()

    asyncio.run(whole())


def secret(name: str, **data: str) -> core_v1.Secret:
    object_, problems = decode(
        core_v1.Secret, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    )
    assert problems == []
    return object_


def test_what_a_container_waits_for_lets_it_start_as_soon_as_it_is_there(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        source = {"secretKeyRef": {"name": "credentials", "key": "token"}}
        worker = lab.run_pod("echo $TOKEN", env=[{"name": "TOKEN", "valueFrom": source}])
        await lab.until(lambda: 'Error: secret "credentials" not found' in lab.events)
        lab.objects.put_secret(secret("credentials", other="x"))
        lab.node.references_changed()
        await lab.until(lambda: "Error: couldn't find key token in Secret default/credentials" in lab.events)
        lab.objects.put_secret(secret("credentials", token="s3cret"))
        lab.node.references_changed()
        await lab.until(lambda: worker.record.stage is Stage.FINISHED)
        assert lab.log(worker) == "s3cret\n"
        assert worker.record.phase == "Succeeded"
        assert not any("s3cret" in text for text in lab.events)

    live(tmp_path, life)


def test_a_running_container_sees_a_config_map_change_as_a_whole(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        lab.objects.put_config_map(config_map("settings", a="1", b="1"))
        worker = lab.run_pod(
            "until test $(cat /v/a)$(cat /v/b) = 22; do sleep 0.02; done; ls /v",
            volume={"configMap": {"name": "settings"}},
        )
        await lab.until(lambda: worker.record.phase == "Running")
        lab.objects.put_config_map(config_map("settings", a="2", b="2", c="3"))
        lab.node.references_changed()
        await lab.until(lambda: worker.record.stage is Stage.FINISHED)
        assert lab.log(worker) == "a\nb\nc\n"

    live(tmp_path, life)


def test_a_volume_that_is_missing_keeps_a_pod_until_it_is_there(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod("cat /v/mode", volume={"configMap": {"name": "settings"}})
        message = 'MountVolume.SetUp failed for volume "v" : configmap "settings" not found'
        await lab.until(lambda: message in lab.events)
        lab.objects.put_config_map(config_map("settings", mode="fast"))
        lab.node.references_changed()
        await lab.until(lambda: worker.record.stage is Stage.FINISHED)
        assert lab.log(worker) == "fast\n"  # the log has lines only

    live(tmp_path, life)
