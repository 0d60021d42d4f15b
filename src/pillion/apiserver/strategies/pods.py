# ruff: noqa: ARG002 - a strategy may look at all that its kind could need
"""Pods (pkg/registry/core/pod/strategy.go)."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from pillion.apiserver.decoding import Decoded
from pillion.apiserver.registry import Resource
from pillion.apiserver.strategies.generic import Strategy
from pillion.objects import FieldError, core_v1, validate, warnings
from pillion.objects.defaults import GRACE_SECONDS
from pillion.objects.qos import compute_qos
from pillion.objects.validation import (
    validate_ephemeral_containers_update,
    validate_pod_status_update,
    validate_pod_update,
)

Tree = dict[str, Any]

_ENDED = ("Succeeded", "Failed")


class PodStrategy(Strategy):
    shows_deleted = True

    def prepare_create(self, new: Tree) -> None:
        new.setdefault("metadata", {})["generation"] = 1
        # In Go a spec is never absent: admission may have begun one, and validation says what it lacks.
        new.setdefault("spec", {}).setdefault("containers", [])
        pod = msgspec.convert(new, type=core_v1.Pod)
        new["status"] = {"phase": "Pending", "qosClass": compute_qos(pod)}

    def prepare_update(self, new: Tree, old: Tree, subresource: str) -> None:
        match subresource:
            case "status":
                new["spec"] = old["spec"]
                # Old kubelets sent owner references back broken; a status has no business with them.
                _keep(new["metadata"], old["metadata"], "ownerReferences")
            case "ephemeralcontainers":
                added = new.get("spec", {}).get("ephemeralContainers")
                metadata = {**old["metadata"], **_managed_fields(new)}
                new.update(old | {"metadata": metadata})
                new["spec"] = {
                    key: value for key, value in old["spec"].items() if key != "ephemeralContainers"
                }
                if added is not None:
                    new["spec"]["ephemeralContainers"] = added
            case "binding":
                # BindingREST writes past the strategy: the node is nobody's field, and no new generation.
                _keep(new["metadata"], old["metadata"], "managedFields")
                return
            case _:
                new["status"] = old.get("status", {})
        if new.get("spec") != old.get("spec"):
            metadata = new["metadata"]
            metadata["generation"] = metadata.get("generation", 0) + 1

    def validate_create(self, resource: Resource, new: Decoded) -> list[FieldError]:
        assert new.model is not None
        return validate(new.model)

    def validate_update(
        self, resource: Resource, new: Decoded, old: Decoded, subresource: str
    ) -> list[FieldError]:
        after, before = cast("core_v1.Pod", new.model), cast("core_v1.Pod", old.model)
        match subresource:
            case "status":
                return validate_pod_status_update(after, before)
            case "binding":
                return []
            case "ephemeralcontainers":
                return validate_ephemeral_containers_update(after, before)
            case _:
                return validate_pod_update(after, before)

    def warnings(self, new: Decoded) -> list[str]:
        return warnings(cast("core_v1.Pod", new.model))

    def grace_seconds(self, tree: Tree, asked: int | None) -> int | None:
        spec, status = tree.get("spec", {}), tree.get("status", {})
        if not spec.get("nodeName") or status.get("phase") in _ENDED:
            return 0
        grace = spec.get("terminationGracePeriodSeconds", GRACE_SECONDS) if asked is None else asked
        return 1 if grace < 0 else grace


def _keep(new: Tree, old: Tree, field: str) -> None:
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)


def _managed_fields(tree: Tree) -> Tree:
    metadata = tree.get("metadata", {})
    return {"managedFields": metadata["managedFields"]} if "managedFields" in metadata else {}
