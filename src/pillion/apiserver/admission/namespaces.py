"""NamespaceLifecycle: nothing is made in a namespace that is not there or on its way out.

Source: apiserver, pkg/admission/plugin/namespace/lifecycle/admission.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.seams import AdmissionRequest, Operation
from pillion.apiserver.statuses import ApiError
from pillion.store import Key, Store

Tree = dict[str, Any]

_IMMORTAL = ("default", "kube-system", "kube-public")


class NamespaceLifecycle:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def admit(self, request: AdmissionRequest) -> Tree | None:
        resource = request.resource
        if resource.storage == "namespaces":
            if request.operation is Operation.DELETE and request.name in _IMMORTAL:
                raise statuses.forbidden(resource, request.name, "this namespace may not be deleted")
        elif resource.namespaced and request.operation is Operation.CREATE:
            self._check(request)
        return request.object

    def _check(self, request: AdmissionRequest) -> None:
        """Raises ApiError."""
        namespace = request.namespace
        stored = self._store.get(Key("namespaces", "", namespace))
        if stored is None:
            raise ApiError(
                404,
                "NotFound",
                f'namespaces "{namespace}" not found',
                {"name": namespace, "kind": "namespaces"},
            )
        tree = msgspec.json.decode(stored.value)
        if "deletionTimestamp" not in tree["metadata"]:
            return
        refusal = statuses.forbidden(
            request.resource,
            request.name,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        refusal.details = {**(refusal.details or {}), "causes": [cause]}
        raise refusal
