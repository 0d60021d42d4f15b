"""The order of items after a strategic merge: `$setElementOrder`, then the patch's, then the object's.

Semantics: apimachinery, util/strategicpatch/patch.go (normalizeElementOrder, mergeSortedSlice,
validatePatchWithSetOrderList).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

from pillion.apiserver.patching.errors import merge_failure, unprocessable
from pillion.apiserver.patching.jsonpatch import same
from pillion.apiserver.patching.validation import go_print

Tree = Any


def element_type(*lists: list[Tree]) -> str:
    """`map` or the type of the scalars. Raises PatchError where items differ in type, or are lists."""
    types = {_type_of(item) for items in lists for item in items}
    if "list" in types:
        raise unprocessable()
    if len(types) > 1:
        shown = " ".join(go_print(items) for items in lists)
        raise merge_failure(f"list element types are not identical: [{shown}]")
    if not types:
        raise merge_failure("no elements in any of the given slices")
    return types.pop()


def _type_of(item: Tree) -> str:
    if isinstance(item, dict):
        return "map"
    return type(item).__name__


def merge_key_of(item: Tree, key: str) -> Tree:
    """Raises PatchError for an item without it."""
    if not isinstance(item, dict):
        raise merge_failure(
            f"expected a map[string]interface {{}}, but received a {type(item).__name__.replace('str', 'string')}"
        )
    if key not in item:
        raise merge_failure(f"map: {go_print(item)} does not contain declared merge key: {key}")
    return item[key]


def delete_items(items: list[Tree], key: str, value: Tree) -> list[Tree]:
    """Without the items that have this key."""
    return [item for item in items if not (key in item and same(item[key], value))]


def partition(items: list[Tree], wanted: list[Tree], key: str) -> tuple[list[Tree], list[Tree]]:
    """Items that `wanted` names, by key or by value, and the others."""
    named: list[Tree] = []
    others: list[Tree] = []
    for item in items:
        position = _find(wanted, merge_key_of(item, key) if key else item, key)
        (others if position is None else named).append(item)
    return named, others


def normalize_order(
    patched: list[Tree], server_only: list[Tree], patch_order: list[Tree], server_order: list[Tree], key: str
) -> list[Tree]:
    """Both lists in their own order, then one: a server's item comes before the first patched one it preceded."""
    left = _in_order(server_only, server_order, key)
    right = _in_order(patched, patch_order, key)
    place = _placer(server_order, key)
    merged: list[Tree] = []
    i = j = 0
    while i < len(left) and j < len(right):
        mine, theirs = place(left[i]), place(right[j])
        if mine is not None and theirs is not None and mine < theirs:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return [*merged, *left[i:], *right[j:]]


def _in_order(items: list[Tree], order: list[Tree], key: str) -> list[Tree]:
    if key:
        for item in (*items, *order):
            merge_key_of(item, key)
    kept = [item for item in items if not _is_deletion(item)]
    place = _placer(order, key)

    def by_place(left: Tree, right: Tree) -> int:
        mine, theirs = place(left), place(right)
        return 0 if mine is None or theirs is None else mine - theirs

    kept.sort(key=cmp_to_key(by_place))
    return [*kept, *(item for item in items if _is_deletion(item))]


def _is_deletion(item: Tree) -> bool:
    return isinstance(item, dict) and item.get("$patch") == "delete"


def _placer(order: list[Tree], key: str) -> Callable[[Tree], int | None]:
    return lambda item: _find(order, item.get(key) if key else item, key)


def _find(items: list[Tree], wanted: Tree, key: str) -> int | None:
    for index, item in enumerate(items):
        if same(merge_key_of(item, key) if key else item, wanted):
            return index
    return None


def validate_order(items: list[Tree], order: list[Tree], key: str) -> None:
    """Whether the patched items stand in the order they ask for, deletions aside. Raises PatchError."""
    if not items or not order:
        return
    if key:
        for item in items:
            if not isinstance(item, dict):
                merge_key_of(item, key)
    wanted = [item for item in items if not _is_deletion(item)]
    position = 0
    for place in order:
        while position < len(wanted) and isinstance(wanted[position], dict) and "$patch" in wanted[position]:
            position += 1
        if position == len(wanted):
            return
        mine = merge_key_of(wanted[position], key) if key else wanted[position]
        theirs = merge_key_of(place, key) if key else place
        if same(mine, theirs):
            position += 1
    if position < len(wanted):
        raise merge_failure(
            f"The order in patch list:\n{go_print(items)}\n doesn't match $setElementOrder list:\n{go_print(order)}\n"
        )
