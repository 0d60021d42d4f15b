"""Fields that an applier would take from others (apimachinery: util/managedfields/internal/conflict.go)."""

from __future__ import annotations

import msgspec

from pillion.apiserver.patching.errors import Cause, PatchError
from pillion.apiserver.patching.fieldset import FieldSet, Path, format_path, has, paths
from pillion.apiserver.patching.managedfields import Manager, Operation


class Conflict(msgspec.Struct, frozen=True):
    manager: Manager
    path: Path


def list_conflicts(owned: dict[Manager, FieldSet]) -> list[Conflict]:
    """By manager, then in the order of fields."""
    return [Conflict(manager, path) for manager in sorted(owned) for path in paths(owned[manager])]


def except_for(conflicts: list[Conflict], allowed: FieldSet) -> list[Conflict]:
    return [conflict for conflict in conflicts if not has(allowed, conflict.path)]


def conflict_error(conflicts: list[Conflict]) -> PatchError:
    """409, and each conflict as a cause."""
    causes = tuple(
        Cause(
            reason="FieldManagerConflict",
            message=f"conflict with {_describe(conflict.manager)}",
            field=format_path(conflict.path),
        )
        for conflict in conflicts
    )
    return PatchError(409, "Conflict", _message(conflicts), causes)


def _message(conflicts: list[Conflict]) -> str:
    if len(conflicts) == 1:
        (only,) = conflicts
        return (
            f"Apply failed with 1 conflict: conflict with {_describe(only.manager)}: {format_path(only.path)}"
        )
    by_manager: dict[Manager, list[str]] = {}
    for conflict in conflicts:
        by_manager.setdefault(conflict.manager, []).append(f"- {format_path(conflict.path)}")
    lines = [
        line
        for manager, fields in by_manager.items()
        for line in (f"conflicts with {_describe(manager)}:", *fields)
    ]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def _describe(manager: Manager) -> str:
    text = msgspec.json.encode(manager.name).decode()
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    return f"{text} using {manager.api_version}" if manager.operation is Operation.UPDATE else text
