"""How ownership moves when an object changes, and what an applier's configuration makes of an object.

Semantics: structured-merge-diff, merge/update.go. An object of another served version is read as if it were of this
one: our kinds keep their fields' names between versions.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver.patching.comparison import Comparison, compare, fields_of, parts_of
from pillion.apiserver.patching.conflicts import Conflict, list_conflicts
from pillion.apiserver.patching.fieldset import (
    FieldSet,
    difference,
    intersection,
    union,
    without_branches,
)
from pillion.apiserver.patching.managedfields import Managed, Manager, Operation, Owned
from pillion.apiserver.patching.merging import merge, remove, with_named_fields
from pillion.apiserver.patching.schema import Atom

Tree = dict[str, Any]


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    object: Tree
    managed: Managed
    conflicts: list[Conflict]
    """Not empty: the rest is what force would make of it."""
    changed: bool
    """Whether the object differs from what it was, owners aside."""


def take_over(managed: Managed, changes: Comparison) -> Managed:
    """What others still own after somebody made these changes."""
    left = {}
    for manager, owned in managed.items():
        fields = difference(difference(owned.fields, changes.changed), changes.removed)
        if fields is owned.fields:
            left[manager] = owned
        elif fields:
            left[manager] = msgspec.structs.replace(owned, fields=fields)
    return left


def apply(
    live: Tree, config: Tree, atom: Atom, managed: Managed, manager: Manager, version: str, ignored: FieldSet
) -> Applied:
    """Merge what `manager` now wants into the object, and remove what it no longer does and nobody else applies."""
    last = managed.get(manager)
    wanted = without_branches(fields_of(config, atom), ignored)
    appliers = [
        owned.fields
        for other, owned in managed.items()
        if other.operation is Operation.APPLY and other != manager
    ]
    merged = merge(live, config, atom)
    if last is not None and last.fields:
        merged = _prune(merged, last.fields, [wanted, *appliers], atom)
    changes = compare(live, merged, atom)
    counted = changes.without(ignored)
    others = {other: owned for other, owned in managed.items() if other != manager}
    taken = {other: intersection(owned.fields, counted.changed) for other, owned in others.items()}
    conflicts = list_conflicts({other: fields for other, fields in taken.items() if fields})
    now_managed = take_over(others, counted)
    if wanted:
        now_managed[manager] = Owned(
            fields=wanted, api_version=version, time=last.time if last is not None else None
        )
    return Applied(object=merged, managed=now_managed, conflicts=conflicts, changed=not changes.is_same)


def _prune(merged: Tree, last: FieldSet, applied: list[FieldSet], atom: Atom) -> Tree:
    """Without what the manager applied last time, except for what some applier applies now."""
    was_ours = with_named_fields(last, atom)
    pruned = remove(merged, was_ours, atom) or {}
    kept: FieldSet = {}
    for fields in applied:
        kept = union(kept, fields)
    everything = parts_of(merged, atom)
    remaining = union(parts_of(pruned, atom), with_named_fields(kept, atom))
    # Appliers' fields come back first; then all that was not ours to remove.
    pruned = remove(merged, difference(everything, remaining), atom) or {}
    gone = difference(everything, parts_of(pruned, atom))
    return remove(merged, intersection(gone, was_ours), atom) or {}
