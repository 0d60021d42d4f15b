"""Fields that a write cannot change, so that it does not own them (GetResetFields of each registry strategy)."""

from __future__ import annotations

from typing import Any

from pillion.apiserver.patching.fieldset import FieldSet, build

_STATUS = build({"status": {}})
_SPEC = build({"spec": {}})
_POD_STATUS: FieldSet = {**_SPEC, "f:metadata": {"f:deletionTimestamp": {}, "f:ownerReferences": {}}}
_WITHOUT_STATUS = frozenset({"ConfigMap", "Secret", "ServiceAccount", "Event", "Lease", "RuntimeClass"})


def reset_fields(kind: str, subresource: str) -> FieldSet:
    """What is put back to what it was when `kind` is written through this subresource (empty: the object itself)."""
    if kind in _WITHOUT_STATUS:
        return {}
    if subresource == "status":
        return _POD_STATUS if kind == "Pod" else _SPEC
    return {} if subresource == "finalize" else _STATUS


def is_reset(entries: Any) -> bool:
    """Whether a client asks for managedFields to be forgotten: an empty list, or one empty entry."""
    return entries in ([], [{}])
