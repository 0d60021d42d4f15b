"""The objects of `pillion run`, kept in memory: what an API server's store is for `pillion serve`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import msgspec

from pillion.clock import Clock
from pillion.objects.models import core_v1, meta_v1
from pillion.plan.pods import identity_of, metadata_of
from pillion.status import repeat, same
from pillion.status.containers import to_time

EVENTS_KEPT = 2000
"""Events remembered; older ones are dropped, as an API server's are after an hour."""
GENERATED_PREFIX_LIMIT = 58
"""Characters of a generateName that are used (apiserver: storage/names/generate.go)."""


def named(pod: core_v1.Pod) -> core_v1.Pod:
    """The pod with a name, made from its `generateName` if need be."""
    meta = metadata_of(pod)
    if meta.name:
        return pod
    name = f"{(meta.generateName or '')[:GENERATED_PREFIX_LIMIT]}{uuid.uuid4().hex[:5]}"
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(meta, name=name))


class LocalObjects:
    """ConfigMaps, Secrets, Pods and Events of one run. It is the node's `Configs` and its `StatusWriter`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._config_maps: dict[tuple[str, str], core_v1.ConfigMap] = {}
        self._secrets: dict[tuple[str, str], core_v1.Secret] = {}
        self.pods: dict[str, core_v1.Pod] = {}
        """By UID, in the order of their creation; a pod that is finished stays as it was last seen."""
        self.finished: set[str] = set()
        self.events: list[core_v1.Event] = []
        self.changed = asyncio.Event()
        """Set at every change; whoever waits for changes clears it."""
        self._on_event: Callable[[core_v1.Event], None] = lambda _event: None

    def on_event(self, callback: Callable[[core_v1.Event], None]) -> None:
        self._on_event = callback

    # Configs

    def put_config_map(self, config_map: core_v1.ConfigMap) -> None:
        meta = config_map.metadata or meta_v1.ObjectMeta()
        self._config_maps[meta.namespace or "default", meta.name or ""] = config_map

    def put_secret(self, secret: core_v1.Secret) -> None:
        meta = secret.metadata or meta_v1.ObjectMeta()
        self._secrets[meta.namespace or "default", meta.name or ""] = secret

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None:
        return self._config_maps.get((namespace, name))

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
        return self._secrets.get((namespace, name))

    # Pods

    def admit(self, pod: core_v1.Pod, *, node: str, qos_class: str) -> core_v1.Pod:
        """A pod as the API server would store it: identity, creation time, node, initial status."""
        meta = pod.metadata or meta_v1.ObjectMeta()
        spec = pod.spec
        assert spec is not None
        uid = str(uuid.uuid4())
        admitted = core_v1.Pod(
            apiVersion="v1",
            kind="Pod",
            metadata=msgspec.structs.replace(
                meta,
                namespace=meta.namespace or "default",
                uid=uid,
                creationTimestamp=to_time(self._clock.now()),
                generation=1,
            ),
            spec=msgspec.structs.replace(spec, nodeName=node),
            status=core_v1.PodStatus(phase="Pending", qosClass=qos_class),
        )
        self.pods[uid] = admitted
        return admitted

    def keep(self, pod: core_v1.Pod) -> None:
        """A pod of an earlier process, adopted."""
        self.pods[identity_of(pod).uid] = pod

    # StatusWriter

    def pod_changed(self, pod: core_v1.Pod) -> None:
        self.pods[identity_of(pod).uid] = pod
        self.changed.set()

    def event(self, event: core_v1.Event) -> None:
        for known in reversed(self.events[-100:]):
            if same(known, event):
                repeat(known, self._clock.now())
                self._on_event(known)
                return
        self.events.append(event)
        del self.events[:-EVENTS_KEPT]
        self._on_event(event)

    def pod_finished(self, pod: core_v1.Pod) -> None:
        self.finished.add(identity_of(pod).uid)
        self.changed.set()
