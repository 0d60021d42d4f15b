"""What is done to a Pod by POST: bind it to a node, evict it; and what is not done yet: resize.

Sources: pkg/registry/core/pod/storage/storage.go (BindingREST), eviction.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.decoding import read_message
from pillion.apiserver.deletion import read_delete_options
from pillion.apiserver.negotiation import read_body
from pillion.apiserver.registry import Resource
from pillion.apiserver.requests import Request, check_write_options
from pillion.apiserver.responding import Answer
from pillion.apiserver.writes import WriteOptions
from pillion.apiserver.writing import WriteVerbs
from pillion.clock import Clock
from pillion.objects.fielderrors import Path, not_supported, required
from pillion.units import Instant, format_time

Tree = dict[str, Any]


class _Metadata(msgspec.Struct):
    name: str = ""
    uid: str = ""


class _Node(msgspec.Struct):
    kind: str = ""
    name: str = ""


class _Binding(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    target: _Node = msgspec.field(default_factory=_Node)


class _Eviction(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    deleteOptions: Tree = msgspec.field(default_factory=dict)


class PodActions:
    def __init__(self, verbs: WriteVerbs, pods: Resource, clock: Clock) -> None:
        self._verbs = verbs
        self._pods = pods
        self._clock = clock

    async def bind(self, request: Request) -> Answer:
        """POST to a Pod's `binding`, or to `bindings` with the Pod's name in the body."""
        check_write_options(request)
        tree = (await read_body(request)).tree
        binding = read_message(_Binding, tree, "Binding")
        name, uid, node = (
            request.target.name or binding.metadata.name,
            binding.metadata.uid,
            binding.target.name,
        )
        if binding.target.kind not in ("", "Node", "Minion"):
            errors = [not_supported(Path("target").child("kind"), binding.target.kind, ("Node", "<empty>"))]
            raise statuses.invalid("Binding", name, errors)
        if not node:
            raise statuses.invalid("Binding", name, [required(Path("target").child("name"))])
        now = self._clock.now()
        pods = self._pods

        def change(current: Tree | None) -> Tree:
            assert current is not None
            return bound(pods, current, node, uid, now)

        options = WriteOptions(
            user=request.user, manager=request.field_manager, is_dry_run=request.is_dry_run
        )
        await self._verbs.writes.update(
            pods, request.target.namespace, name, change, options, subresource="binding"
        )
        return Answer(body=msgspec.json.encode(statuses.success(code=201)), code=201)

    async def evict(self, request: Request) -> Answer:
        """POST to a Pod's `eviction`: a deletion, as no PodDisruptionBudget stands against it."""
        check_write_options(request)
        target = request.target
        tree = (await read_body(request)).tree
        eviction = read_message(_Eviction, tree, "Eviction")
        if (eviction.metadata.name or target.name) != target.name:
            raise statuses.bad_request("name in URL does not match name in Eviction object")
        asked = eviction.deleteOptions
        options = WriteOptions(user=request.user, is_dry_run=request.is_dry_run or bool(asked.get("dryRun")))
        wanted = read_delete_options(asked)
        await self._verbs.deletions.delete(target.resource, target.namespace, target.name, wanted, options)
        return Answer(body=msgspec.json.encode(statuses.success(code=201)), code=201)

    async def refuse_resize(self, request: Request) -> Answer:
        raise statuses.refused(
            request.target.resource,
            request.target.name,
            "pillion does not resize the containers of a running Pod yet: delete it and create it again",
        )


def bound(pods: Resource, pod: Tree, node: str, uid: str, now: Instant) -> Tree:
    """The Pod on its node, with the condition that says so. Raises ApiError."""
    metadata, spec = pod["metadata"], pod["spec"]
    name = metadata["name"]
    if uid and uid != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
        raise statuses.conflict(pods, name, why)
    if "deletionTimestamp" in metadata:
        raise statuses.conflict(pods, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
        raise statuses.conflict(pods, name, why)
    if spec.get("schedulingGates"):
        raise statuses.conflict(pods, name, f"pod {name} has non-empty .spec.schedulingGates")
    status = pod.get("status", {})
    others = [known for known in status.get("conditions", ()) if known["type"] != "PodScheduled"]
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": format_time(now),
    }
    return {
        **pod,
        "spec": {**spec, "nodeName": node},
        "status": {**status, "conditions": [*others, scheduled]},
    }
