"""The fields of a value, and the fields in which two values differ.

Semantics: structured-merge-diff, typed/tofieldset.go and typed/compare.go. Equal branches are skipped, so comparing
costs about as much as what has changed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver.patching.elements import group_items
from pillion.apiserver.patching.fieldset import SELF, FieldSet, children, field, node, union, without_branches
from pillion.apiserver.patching.schema import Atom, ListAtom, MapAtom, ResolvedAtom, is_leaf, resolve


class Comparison(msgspec.Struct, frozen=True):
    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def is_same(self) -> bool:
        return not (self.added or self.modified or self.removed)

    @property
    def changed(self) -> FieldSet:
        """Added or modified."""
        return union(self.modified, self.added)

    def without(self, ignored: FieldSet) -> Comparison:
        return Comparison(
            without_branches(self.added, ignored),
            without_branches(self.modified, ignored),
            without_branches(self.removed, ignored),
        )


def fields_of(value: Any, atom: Atom) -> FieldSet:
    """Every leaf and every list item that a configuration mentions."""
    return children(_mentioned(value, resolve(atom, value)))


def _mentioned(value: Any, atom: ResolvedAtom) -> FieldSet:
    found: FieldSet = {}
    if isinstance(atom, MapAtom) and isinstance(value, dict) and not atom.is_atomic:
        for name, inner in value.items():
            child = atom.field(name)
            if child is None:
                continue
            resolved = resolve(child, inner)
            member = inner is None or inner == {} or is_leaf(resolved) or not atom.declares(name)
            mentioned = node(_mentioned(inner, resolved), member=member)
            if mentioned is not None:
                found[field(name)] = mentioned
    elif isinstance(atom, ListAtom) and isinstance(value, list) and not atom.is_atomic:
        for element, items in group_items(atom, value).items():
            inner_fields = _mentioned(items[0], resolve(atom.item, items[0])) if len(items) == 1 else {}
            found[element] = {SELF: {}, **inner_fields} if inner_fields else {}
    return found


def parts_of(value: Any, atom: Atom) -> FieldSet:
    """Everything that is there: leaves and items, the objects around them, and what is empty."""
    return children(_whole(value, atom))


def compare(left: Any, right: Any, atom: Atom) -> Comparison:
    """What became different from `left` to `right`. Objects and items that come or go are fields, too."""
    result = Comparison({}, {}, {})
    if left != right:
        _compare_inside(left, right, resolve(atom, right), result)
    return result


def _compare_inside(left: Any, right: Any, atom: ResolvedAtom, into: Comparison) -> None:
    if isinstance(atom, MapAtom):
        _compare_maps(
            left if isinstance(left, dict) else {}, right if isinstance(right, dict) else {}, atom, into
        )
    elif isinstance(atom, ListAtom):
        _compare_lists(group_items(atom, left), group_items(atom, right), atom, into)


def _compare_maps(left: dict[str, Any], right: dict[str, Any], atom: MapAtom, into: Comparison) -> None:
    for name, value in left.items():
        child = atom.field(name)
        if child is None:
            continue
        if name not in right:
            into.removed[field(name)] = _whole(value, child)
        elif value is not right[name] and value != right[name]:
            _compare_values(field(name), value, right[name], child, into)
    for name, value in right.items():
        child = atom.field(name)
        if name not in left and child is not None:
            into.added[field(name)] = _whole(value, child)


def _compare_lists(
    left: dict[str, list[Any]], right: dict[str, list[Any]], atom: ListAtom, into: Comparison
) -> None:
    for element in left | right:
        before, after = left.get(element, []), right.get(element, [])
        if len(before) == len(after) == 1:
            if before != after:
                _compare_values(element, before[0], after[0], atom.item, into)
        elif len(before) > 1 and len(after) > 1:
            if before != after:
                into.modified[element] = {}
        else:
            # One of them, or the duplicates as one, comes, goes or takes the place of the other.
            if before:
                into.removed[element] = _whole_item(before, atom.item)
            if after:
                into.added[element] = _whole_item(after, atom.item)


def _compare_values(element: str, left: Any, right: Any, atom: Atom, into: Comparison) -> None:
    before, after = resolve(atom, left), resolve(atom, right)
    if type(before) is not type(after):
        # Deduced kinds only: what was below the one goes, what is below the other comes.
        into.modified[element] = {}
        _put(into.removed, element, children(_whole(left, atom)))
        _put(into.added, element, children(_whole(right, atom)))
        return
    if is_leaf(after) or (_is_empty(left) and _is_empty(right)):
        into.modified[element] = {}
        return
    inside = Comparison({}, {}, {})
    _compare_inside(left, right, after, inside)
    _put(into.added, element, inside.added)
    _put(into.modified, element, inside.modified)
    _put(into.removed, element, inside.removed)


def _put(fields: FieldSet, element: str, inner: FieldSet) -> None:
    if inner:
        fields[element] = inner


def _whole(value: Any, atom: Atom) -> FieldSet:
    """The node of a value that came or went, itself and everything below it."""
    resolved = resolve(atom, value)
    if is_leaf(resolved) or _is_empty(value):
        return {}
    below: FieldSet = {}
    if isinstance(resolved, MapAtom) and isinstance(value, dict):
        for name, inner in value.items():
            child = resolved.field(name)
            if child is not None:
                below[field(name)] = _whole(inner, child)
    elif isinstance(resolved, ListAtom):
        for element, items in group_items(resolved, value).items():
            below[element] = _whole_item(items, resolved.item)
    return {SELF: {}, **below} if below else {}


def _whole_item(items: list[Any], atom: Atom) -> FieldSet:
    """The same of an item; duplicates have no fields that could be told apart."""
    return _whole(items[0], atom) if len(items) == 1 else {}


def _is_empty(value: Any) -> bool:
    """Nothing, an empty map or an empty list: the difference between them is one of the value itself."""
    return value is None or value == {} or value == []
