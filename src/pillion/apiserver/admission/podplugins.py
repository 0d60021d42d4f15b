"""Plugins that look at a pod alone: its priority, its tolerations, its runtime class."""

from __future__ import annotations

from typing import Any

from pillion.apiserver import statuses
from pillion.apiserver.admission.chain import is_new_pod, with_spec
from pillion.apiserver.seams import AdmissionRequest
from pillion.store import Key, Store

Tree = dict[str, Any]


class Priority:
    """plugin/pkg/admission/priority/admission.go. The classes are the two that every cluster has."""

    CLASSES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}  # noqa: RUF012
    _POLICY = "PreemptLowerPriority"

    async def admit(self, request: AdmissionRequest) -> Tree | None:
        if not is_new_pod(request) or request.object is None:
            return request.object
        spec = request.object.get("spec", {})
        class_name = spec.get("priorityClassName", "")
        if class_name and class_name not in self.CLASSES:
            why = f"no PriorityClass with name {class_name} was found"
            raise statuses.forbidden(request.resource, request.name, why)
        for field, what, computed in (
            ("priority", "integer value of priority", self.CLASSES.get(class_name, 0)),
            ("preemptionPolicy", "string value of PreemptionPolicy", self._POLICY),
        ):
            if spec.get(field, computed) != computed:
                raise statuses.forbidden(
                    request.resource,
                    request.name,
                    f"the {what} ({spec[field]}) must not be provided in pod spec; priority admission controller "
                    f"computed {computed} from the given PriorityClass name",
                )
        return with_spec(
            request.object, priority=self.CLASSES.get(class_name, 0), preemptionPolicy=self._POLICY
        )


class DefaultTolerationSeconds:
    """plugin/pkg/admission/defaulttolerationseconds/admission.go."""

    KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    SECONDS = 300

    async def admit(self, request: AdmissionRequest) -> Tree | None:
        if request.resource.storage != "pods" or request.subresource or request.object is None:
            return request.object
        tolerations = list(request.object.get("spec", {}).get("tolerations", ()))
        missing = [key for key in self.KEYS if not any(_covers(known, key) for known in tolerations)]
        if not missing:
            return request.object
        tolerations += [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": self.SECONDS}
            for key in missing
        ]
        return with_spec(request.object, tolerations=tolerations)


def _covers(toleration: Tree, key: str) -> bool:
    return toleration.get("key", key) in (key, "") and toleration.get("effect", "") in ("", "NoExecute")


class RuntimeClass:
    """plugin/pkg/admission/runtimeclass/admission.go."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def admit(self, request: AdmissionRequest) -> Tree | None:
        if is_new_pod(request) and request.object is not None:
            name = request.object.get("spec", {}).get("runtimeClassName")
            if name and self._store.get(Key("runtimeclasses.node.k8s.io", "", name)) is None:
                why = f'pod rejected: RuntimeClass "{name}" not found'
                raise statuses.forbidden(request.resource, request.name, why)
        return request.object
