"""A configuration merged into an object, and fields taken out of one.

Semantics: structured-merge-diff, typed/merge.go and typed/remove.go.
"""

from __future__ import annotations

from typing import Any

from pillion.apiserver.patching.elements import UnidentifiedError, group_items, item_element
from pillion.apiserver.patching.fieldset import FieldSet, children, field, is_member, node
from pillion.apiserver.patching.schema import Atom, ListAtom, MapAtom, is_leaf, resolve


def merge(live: Any, config: Any, atom: Atom) -> Any:
    """`live` with everything `config` mentions. Nothing is removed."""
    resolved = resolve(atom, config)
    if is_leaf(resolved) or not live:
        return config
    if not config:
        return live
    if isinstance(resolved, MapAtom) and isinstance(live, dict) and isinstance(config, dict):
        merged = dict(live)
        for name, value in config.items():
            child = resolved.field(name)
            known = child is not None and name in merged
            merged[name] = merge(merged[name], value, child) if known and child is not None else value
        return merged
    if isinstance(resolved, ListAtom) and isinstance(live, list) and isinstance(config, list):
        return _merge_lists(live, config, resolved)
    return config


def _merge_lists(live: list[Any], config: list[Any], atom: ListAtom) -> list[Any]:
    """In the order of `config` where it says one; items that are only live keep their place between the others."""
    configured = {element: items[0] for element, items in group_items(atom, config).items()}
    grouped = group_items(atom, live)
    shared = [element for element in configured if element in grouped]
    order = [(item_element(atom, item), item) for item in live if _is_identified(atom, item)]
    wanted = list(configured)
    merged: list[Any] = []
    done: set[str] = set()

    def take(element: str) -> None:
        mine = grouped.get(element, ())
        value = configured[element]
        merged.append(merge(mine[0], value, atom.item) if len(mine) == 1 else value)
        done.add(element)
        if shared and shared[0] == element:
            shared.pop(0)

    left, right = 0, 0
    while left < len(order) or right < len(wanted):
        if left < len(order):
            element, item = order[left]
            if right < len(wanted):
                if element == wanted[right]:
                    take(element)
                    left, right = left + 1, right + 1
                    continue
                if element in configured and shared and shared[0] != element:
                    left += 1
                    continue
            if element not in configured:
                merged.append(item)
                left += 1
                continue
            if element in done:
                left += 1
        if right < len(wanted):
            take(wanted[right])
            right += 1
    return merged


def _is_identified(atom: ListAtom, item: Any) -> bool:
    try:
        item_element(atom, item)
    except UnidentifiedError:
        return False
    return True


def remove(value: Any, items: FieldSet, atom: Atom) -> Any:
    """`value` without these fields and items. What becomes empty by it becomes null: still mentioned, nothing in it.

    Decoding takes null for absent; between two removals the difference counts.
    """
    resolved = resolve(atom, value)
    if is_leaf(resolved):
        return None if isinstance(value, dict | list) and items else value
    if isinstance(resolved, MapAtom) and isinstance(value, dict):
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            rest = _remove_at(field(name), inner, items, resolved.field(name))
            if rest is not _GONE:
                kept[name] = rest
        return kept or None
    if isinstance(resolved, ListAtom) and isinstance(value, list):
        left = []
        for item in value:
            try:
                rest = _remove_at(item_element(resolved, item), item, items, resolved.item)
            except UnidentifiedError:
                rest = item
            if rest is not _GONE:
                left.append(rest)
        return left or None
    return value


_GONE = object()


def _remove_at(element: str, value: Any, items: FieldSet, atom: Atom | None) -> Any:
    inside = items.get(element)
    if inside is None or atom is None:
        return value
    if is_member(inside):
        return _GONE
    return remove(value, inside, atom)


def with_named_fields(fields: FieldSet, atom: Atom) -> FieldSet:
    """The set, and the objects that its members are fields of (fieldpath: Set.EnsureNamedFieldsAreMembers).

    A set made of `metadata.labels.app` then holds `metadata` and `metadata.labels`, too; keys of a map and items of
    a list stay what they were.
    """
    ensured: FieldSet = {}
    for element, inner in fields.items():
        below = children(inner)
        child, declared = _child(element, atom)
        if below and child is not None:
            below = with_named_fields(below, child)
        found = node(below, member=is_member(inner) or (declared and bool(below)))
        if found is not None:
            ensured[element] = found
    return ensured


def _child(element: str, atom: Atom) -> tuple[Atom | None, bool]:
    if isinstance(atom, MapAtom) and element.startswith("f:"):
        name = element[2:]
        return atom.field(name), atom.declares(name)
    if isinstance(atom, ListAtom):
        return atom.item, False
    return (atom, False) if not isinstance(atom, MapAtom) and element.startswith("f:") else (None, False)
