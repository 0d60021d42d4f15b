"""Pods get their node: the one there is, unless something keeps them from it (pkg/scheduler/schedule_one.go)."""

from __future__ import annotations

import asyncio
from typing import Any

from pillion.apiserver.podactions import bound
from pillion.daemon.api import Abandoned, Api, Seen
from pillion.daemon.controllers.fitting import why_not
from pillion.daemon.events import EventSink
from pillion.daemon.workqueue import WorkQueue
from pillion.store import Key
from pillion.units import Instant, format_time

Tree = dict[str, Any]

_NAME = "default-scheduler"
_MANAGER = "kube-scheduler"
_ENDED = ("Succeeded", "Failed")


class Scheduler:
    def __init__(self, api: Api, node_name: str, events: EventSink) -> None:
        self._api = api
        self._node_name = node_name
        self._events = events
        self._pending: set[Key] = set()
        self._queue: WorkQueue[Key] = WorkQueue("scheduler", self._reconcile, workers=8)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue.run())
            tasks.create_task(self._follow_pods())
            tasks.create_task(self._follow_node())

    async def _follow_pods(self) -> None:
        async for seen in self._api.follow("pods"):
            if b'"nodeName":"' not in seen.stored.value and not seen.is_gone:
                self._queue.add(seen.key)
            elif seen.key in self._pending:
                self._pending.discard(seen.key)
            elif self._pending and _frees_something(seen):
                self._try_all()

    async def _follow_node(self) -> None:
        shown: tuple[object, ...] = ()
        async for seen in self._api.follow("nodes"):
            tree = seen.tree()
            what_counts = (tree.get("spec"), tree["metadata"].get("labels"), seen.is_gone)
            if what_counts != shown:
                shown = what_counts
                self._try_all()

    def _try_all(self) -> None:
        for key in self._pending:
            self._queue.add(key)

    async def _reconcile(self, key: Key) -> None:
        pod = self._api.get(*key)
        if pod is None or not _waits(pod):
            self._pending.discard(key)
            return
        node = self._api.get("nodes", "", self._node_name)
        others = [
            other
            for other in self._api.list("pods")
            if other["spec"].get("nodeName") and other.get("status", {}).get("phase") not in _ENDED
        ] if _looks_at_others(pod) else []  # fmt: skip
        now = self._api.clock.now()
        why = "no nodes available to schedule pods" if node is None else why_not(pod, node, others)
        if why is not None:
            self._pending.add(key)
            await self._refuse(key, pod, why, now)
            return
        uid, node_name = pod["metadata"]["uid"], self._node_name

        def change(current: Tree) -> Tree:
            if not _waits(current):
                raise Abandoned
            return bound(self._api.resource("pods"), current, node_name, uid, now)

        if await self._api.update(key, change, manager=_MANAGER, subresource="binding") is not None:
            self._pending.discard(key)
            self._events.say(
                pod,
                type_="Normal",
                reason="Scheduled",
                message=f"Successfully assigned {key.namespace}/{key.name} to {node_name}",
                component=_NAME,
            )

    async def _refuse(self, key: Key, pod: Tree, why: str, now: Instant) -> None:
        def change(current: Tree) -> Tree:
            if not _waits(current):
                raise Abandoned
            return _unschedulable(current, why, now)

        written = await self._api.update(key, change, manager=_MANAGER, subresource="status")
        if written is not None and _condition(pod).get("message") != why:
            self._events.say(pod, type_="Warning", reason="FailedScheduling", message=why, component=_NAME)


def _waits(pod: Tree) -> bool:
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and spec.get("schedulerName", _NAME) == _NAME
        and "deletionTimestamp" not in pod["metadata"]
    )


def _looks_at_others(pod: Tree) -> bool:
    """Most pods have nothing to fear from their neighbours but host ports and what those say themselves."""
    return True if pod["spec"].get("affinity") else bool(_ports_of(pod))


def _ports_of(pod: Tree) -> list[Tree]:
    containers = (*pod["spec"].get("initContainers", ()), *pod["spec"].get("containers", ()))
    return [port for container in containers for port in container.get("ports", ()) if port.get("hostPort")]


def _frees_something(seen: Seen) -> bool:
    return (
        seen.is_gone
        or b'"phase":"Succeeded"' in seen.stored.value
        or b'"phase":"Failed"' in seen.stored.value
    )


def _condition(pod: Tree) -> Tree:
    conditions = pod.get("status", {}).get("conditions", ())
    return next((known for known in conditions if known["type"] == "PodScheduled"), {})


def _unschedulable(pod: Tree, why: str, now: Instant) -> Tree:
    known = _condition(pod)
    if known.get("message") == why:
        return pod
    status = pod.get("status", {})
    others = [condition for condition in status.get("conditions", ()) if condition["type"] != "PodScheduled"]
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": why,
        "lastProbeTime": None,
        "lastTransitionTime": known.get("lastTransitionTime", format_time(now)),
    }
    return {**pod, "status": {**status, "conditions": [*others, condition]}}
