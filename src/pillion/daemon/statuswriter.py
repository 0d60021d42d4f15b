"""What the node reports, written to the store: the newest status of each pod, its Events, and its end.

Source: pkg/kubelet/status/status_manager.go (syncPod, mergePodStatus, canBeDeleted).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pillion.daemon.api import Abandoned, Api
from pillion.daemon.events import Events
from pillion.daemon.workqueue import WorkQueue
from pillion.objects import core_v1, decode, encode
from pillion.plan.pods import identity_of
from pillion.status import with_foreign_conditions
from pillion.store import Key

Tree = dict[str, Any]

_MANAGER = "kubelet"


class StatusWriter:
    """The node's `StatusWriter`. Statuses that come faster than they can be written are skipped but for the last."""

    def __init__(self, api: Api, events: Events) -> None:
        self._api = api
        self._events = events
        self._pods: dict[str, core_v1.Pod] = {}
        """By UID: what is to be written."""
        self._finished: dict[str, Key] = {}
        self._queue: WorkQueue[str] = WorkQueue("pod status", self._write, workers=8)
        self._on_finished: Callable[[str], None] = lambda _uid: None

    def on_finished(self, callback: Callable[[str], None]) -> None:
        """Told the UID of each pod that the node has finished."""
        self._on_finished = callback

    async def run(self) -> None:
        await self._queue.run()

    def pod_changed(self, pod: core_v1.Pod) -> None:
        uid = identity_of(pod).uid
        self._pods[uid] = pod
        self._queue.add(uid)

    def event(self, event: core_v1.Event) -> None:
        self._events.tell(encode(event))

    def pod_finished(self, pod: core_v1.Pod) -> None:
        identity = identity_of(pod)
        self._finished[identity.uid] = Key("pods", identity.namespace, identity.name)
        self._queue.add(identity.uid)
        self._on_finished(identity.uid)

    def look_again(self, uid: str) -> None:
        """The object of a finished pod has changed: it may be time to let it go."""
        if uid in self._finished:
            self._queue.add(uid)

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._pods.pop(uid, None)
        self._finished.pop(uid, None)

    async def _write(self, uid: str) -> None:
        pod = self._pods.get(uid)
        if pod is not None:
            await self._write_status(uid, pod)
            if self._pods.get(uid) is pod:
                del self._pods[uid]
        key = self._finished.get(uid)
        if key is not None and uid not in self._pods:
            await self._let_go(uid, key)

    async def _write_status(self, uid: str, pod: core_v1.Pod) -> None:
        identity = identity_of(pod)

        def change(current: Tree) -> Tree:
            if current["metadata"]["uid"] != uid:
                raise Abandoned
            theirs, _ = decode(core_v1.PodStatus, current.get("status", {}))
            own = pod.status or core_v1.PodStatus()
            return {**current, "status": encode(with_foreign_conditions(own, theirs))}

        key = Key("pods", identity.namespace, identity.name)
        await self._api.update(key, change, manager=_MANAGER, subresource="status")

    async def _let_go(self, uid: str, key: Key) -> None:
        """Nothing of the pod is left on the node: the object of a deleted one goes, with this UID or not at all."""
        tree = self._api.get(*key)
        if tree is None or tree["metadata"]["uid"] != uid or "deletionTimestamp" not in tree["metadata"]:
            return
        await self._api.delete(key, uid=uid, grace_seconds=0, propagation="Background")
