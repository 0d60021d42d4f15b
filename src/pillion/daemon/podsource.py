"""The pods of the store, brought to the node: begun, changed, ended, forgotten (pkg/kubelet/kubelet.go: syncLoop).

Nothing here waits for a pod: the workers do that, each for its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from pillion.daemon.api import Api, Seen
from pillion.daemon.resurrection import record_of
from pillion.daemon.statuswriter import StatusWriter
from pillion.lifecycle import Stage
from pillion.node import Node, SavedPod
from pillion.objects import core_v1, decode
from pillion.status.conditions import OWN

Tree = dict[str, Any]

ORPHAN_GRACE = 1
"""Seconds for pods without an object (kubelet.go: HandlePodCleanups)."""
_ENDED = ("Succeeded", "Failed")
_log = logging.getLogger(__name__)


class Remembers(Protocol):
    """Keeps something for pods: tokens, certificates."""

    def forget(self, pod_uid: str) -> None: ...


class PodSource:
    def __init__(
        self,
        api: Api,
        node: Node,
        node_name: str,
        writer: StatusWriter,
        credentials: Iterable[Remembers],
        saved: Mapping[str, SavedPod],
    ) -> None:
        """`saved` are the pods an earlier process left, `credentials` who is told that one is gone."""
        self._api = api
        self._node = node
        self._node_name = node_name
        self._writer = writer
        self._credentials = tuple(credentials)
        self._saved = dict(saved)
        self._given: dict[str, Tree] = {}
        """What the node was told last of each pod's object, by UID."""
        self._on_gone: Callable[[], None] = lambda: None
        self._gone: set[str] = set()
        """Pods without an object that the node still ends."""

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Told whenever neither object nor node have a pod any more."""
        self._on_gone = callback

    def adopt(self) -> None:
        """Once, before `follow`: go on with what an earlier process left, and end what nobody asks for any more."""
        for tree in self._api.list("pods"):
            uid = tree["metadata"]["uid"]
            saved = self._saved.pop(uid, None)
            if saved is not None:
                self._node.adopt(saved)
                self._tell(uid, tree)
        for uid, saved in self._saved.items():
            worker = self._node.adopt(saved)
            self._gone.add(uid)
            worker.delete(ORPHAN_GRACE)
        self._saved.clear()

    async def follow(self) -> None:
        async for seen in self._api.follow("pods"):
            self._see(seen)

    def finished(self, uid: str) -> None:
        """The node has finished the pod."""
        if uid in self._gone:
            self._forget(uid)

    def _see(self, seen: Seen) -> None:
        tree = seen.tree()
        uid = tree["metadata"]["uid"]
        if seen.is_gone:
            self._end(uid)
            return
        # A name that was taken again at once: the old pod's deletion came before, and is being worked on.
        if tree["spec"].get("nodeName") != self._node_name:
            return
        if uid not in self._node.workers and not self._begin(uid, tree):
            return
        self._tell(uid, tree)

    def _begin(self, uid: str, tree: Tree) -> bool:
        """Whether the node has the pod now."""
        is_deleted = "deletionTimestamp" in tree["metadata"]
        if tree.get("status", {}).get("phase") in _ENDED and not is_deleted:
            return False
        pod = _decode(tree)
        record = record_of(pod)
        if record is None:
            self._node.add(pod)
        else:
            self._node.adopt(SavedPod(pod=pod, record=record))
        self._given[uid] = tree
        return True

    def _tell(self, uid: str, tree: Tree) -> None:
        worker = self._node.workers[uid]
        given = self._given.get(uid)
        self._given[uid] = tree
        if given is None or _matters(given) != _matters(tree):
            worker.update(_decode(tree))
        if "deletionTimestamp" in tree["metadata"]:
            worker.delete(tree["metadata"].get("deletionGracePeriodSeconds", 0))
            self._writer.look_again(uid)

    def _end(self, uid: str) -> None:
        self._given.pop(uid, None)
        self._writer.forget(uid)
        worker = self._node.workers.get(uid)
        if worker is None:
            self._on_gone()
            return
        if worker.record.stage is Stage.FINISHED:
            self._forget(uid)
            return
        self._gone.add(uid)
        worker.delete(ORPHAN_GRACE)

    def _forget(self, uid: str) -> None:
        self._gone.discard(uid)
        self._given.pop(uid, None)
        self._writer.forget(uid)
        for credential in self._credentials:
            credential.forget(uid)
        self._node.forget(uid)
        self._on_gone()


def _matters(tree: Tree) -> tuple[object, ...]:
    """What the node has to know of; our own statuses come back by the same way."""
    metadata = tree["metadata"]
    conditions = tree.get("status", {}).get("conditions", ())
    return (
        tree["spec"],
        metadata.get("generation"),
        metadata.get("labels"),
        metadata.get("annotations"),
        [(known["type"], known["status"]) for known in conditions if known["type"] not in OWN],
    )


def _decode(tree: Tree) -> core_v1.Pod:
    pod, _ = decode(core_v1.Pod, tree)
    return pod
