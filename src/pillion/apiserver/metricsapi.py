"""metrics.k8s.io: what Pods and the Node use, for `kubectl top` (kubernetes-sigs/metrics-server, pkg/api)."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver import selectors, statuses
from pillion.apiserver.nodeproxy import NodeProxy
from pillion.apiserver.reading import show_list, show_object
from pillion.apiserver.requests import Request
from pillion.apiserver.responding import Answer
from pillion.clock import Clock
from pillion.store import Key, Store, Stored
from pillion.units import format_time

Tree = dict[str, Any]

_WINDOW = "10s"


class MetricsApi:
    """Made from the node's summary (stats/v1alpha1) when asked."""

    def __init__(self, store: Store, node: NodeProxy, clock: Clock) -> None:
        self._store = store
        self._node = node
        self._clock = clock

    async def list_(self, request: Request) -> Answer:
        labels = selectors.parse_labels(request.option("labelSelector"))
        measured = await self._measured(request)
        chosen = [
            msgspec.json.encode(tree)
            for tree in measured
            if all(wanted.matches(tree["metadata"].get("labels") or {}) for wanted in labels)
        ]
        return show_list(request, chosen, {"resourceVersion": str(self._store.revision)}, self._clock.now())

    async def get(self, request: Request) -> Answer:
        for tree in await self._measured(request):
            if tree["metadata"]["name"] == request.target.name:
                return show_object(request, msgspec.json.encode(tree), self._clock.now())
        raise statuses.not_found(request.target.resource, request.target.name)

    async def _measured(self, request: Request) -> list[Tree]:
        summary = await self._node.stats()
        if request.target.resource.kind == "NodeMetrics":
            return self._of_node(summary)
        return self._of_pods(summary, request.target.namespace)

    def _of_node(self, summary: Tree) -> list[Tree]:
        node = summary.get("node") or {}
        name = node.get("nodeName") or ""
        stored = self._store.get(Key("nodes", "", name))
        usage = _usage(node)
        return [] if usage is None else [self._metrics("NodeMetrics", name, "", stored) | {"usage": usage}]

    def _of_pods(self, summary: Tree, namespace: str) -> list[Tree]:
        found = []
        for pod in summary.get("pods") or ():
            reference = pod["podRef"]
            if namespace and reference["namespace"] != namespace:
                continue
            containers = [
                {"name": container["name"], "usage": usage}
                for container in pod.get("containers") or ()
                if (usage := _usage(container)) is not None
            ]
            stored = self._store.get(Key("pods", reference["namespace"], reference["name"]))
            if containers and stored is not None:
                head = self._metrics("PodMetrics", reference["name"], reference["namespace"], stored)
                found.append(head | {"containers": containers})
        return sorted(found, key=lambda tree: (tree["metadata"]["namespace"], tree["metadata"]["name"]))

    def _metrics(self, kind: str, name: str, namespace: str, stored: Stored | None) -> Tree:
        now = format_time(self._clock.now())
        metadata: Tree = {"name": name, "creationTimestamp": now}
        if namespace:
            metadata["namespace"] = namespace
        labels = msgspec.json.decode(stored.value)["metadata"].get("labels") if stored is not None else None
        if labels:
            metadata["labels"] = labels
        return {
            "kind": kind,
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": metadata,
            "timestamp": now,
            "window": _WINDOW,
        }


def _usage(measured: Tree) -> Tree | None:
    """Nanocores and kibibytes, as metrics-server writes them; None when there is no measurement yet."""
    nanocores = (measured.get("cpu") or {}).get("usageNanoCores")
    working_set = (measured.get("memory") or {}).get("workingSetBytes")
    if nanocores is None or working_set is None:
        return None
    return {"cpu": f"{nanocores}n" if nanocores else "0", "memory": f"{working_set // 1024}Ki"}
