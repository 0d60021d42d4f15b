"""Events, written to the store in the background: who has one to tell never waits, and repeats are counted.

Source: client-go, tools/record (event.go, events_cache.go).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

from pillion.daemon.api import Api
from pillion.daemon.workqueue import WorkQueue
from pillion.store import Key
from pillion.units import format_time

Tree = dict[str, Any]
_Sort = tuple[str, ...]

REMEMBERED = 4096
"""Sorts of events whose repeats are counted (events_cache.go: maxLruCacheEntries)."""


class EventSink(Protocol):
    def say(
        self, about: Tree, *, type_: str, reason: str, message: str, component: str, host: str = ""
    ) -> None: ...


class Events:
    """An `EventSink`; `tell` takes a whole Event."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: OrderedDict[_Sort, Tree] = OrderedDict()
        """The Event of each sort, as it should be in the store."""
        self._queue: WorkQueue[_Sort] = WorkQueue("events", self._write, workers=8)
        self._made = 0

    async def run(self) -> None:
        await self._queue.run()

    def say(
        self, about: Tree, *, type_: str, reason: str, message: str, component: str, host: str = ""
    ) -> None:
        metadata = about["metadata"]
        at = format_time(self._api.clock.now())
        involved = {
            "kind": about["kind"],
            "apiVersion": about["apiVersion"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        if metadata.get("namespace"):
            involved["namespace"] = metadata["namespace"]
        self.tell(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"namespace": metadata.get("namespace", "default")},
                "involvedObject": involved,
                "type": type_,
                "reason": reason,
                "message": message,
                "count": 1,
                "firstTimestamp": at,
                "lastTimestamp": at,
                "source": {"component": component, **({"host": host} if host else {})},
                "reportingComponent": component,
                "reportingInstance": host,
            }
        )

    def tell(self, event: Tree) -> None:
        sort = _sort_of(event)
        known = self._known.get(sort)
        if known is None:
            self._known[sort] = event | {"metadata": self._named(event)}
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(sort)
            times = {"count": known["count"] + 1, "lastTimestamp": event["lastTimestamp"]}
            self._known[sort] = known | times
        self._queue.add(sort)

    def _named(self, event: Tree) -> Tree:
        """`OBJECT.HEX`: the hexadecimal nanoseconds of its birth in Kubernetes; here, of no two Events the same."""
        self._made += 1
        nanos = int(self._api.clock.now() * 1_000_000_000) + self._made % 1000
        namespace = event["metadata"].get("namespace", "default")
        return {"name": f"{event['involvedObject']['name']}.{nanos:x}", "namespace": namespace}

    async def _write(self, sort: _Sort) -> None:
        event = self._known.get(sort)
        if event is None:
            return
        metadata = event["metadata"]
        key = Key("events", metadata["namespace"], metadata["name"])
        times = {field: event[field] for field in ("count", "lastTimestamp")}
        manager = event["source"]["component"]
        if event["count"] > 1:
            updated = await self._api.update(key, lambda current: {**current, **times}, manager=manager)
            if updated is not None:
                return
        tree = self._api.get("namespaces", "", metadata["namespace"])
        if tree is None or "deletionTimestamp" in tree["metadata"]:
            return  # nobody will look for it any more
        await self._api.create(
            "events", metadata["namespace"], {**event, "metadata": dict(metadata)}, manager=manager
        )


def _sort_of(event: Tree) -> _Sort:
    """What the recorder's key is made of (events_cache.go: getEventKey)."""
    involved, source = event["involvedObject"], event.get("source", {})
    return (
        source.get("component", ""),
        source.get("host", ""),
        *(involved.get(field, "") for field in ("kind", "namespace", "name", "uid", "fieldPath")),
        event.get("type", ""),
        event.get("reason", ""),
        event.get("message", ""),
    )
