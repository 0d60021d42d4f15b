"""The items of owned lists by their path elements (structured-merge-diff, typed/helpers.go)."""

from __future__ import annotations

from typing import Any

from pillion.apiserver.openapi.listtypes import ListType
from pillion.apiserver.patching import fieldset
from pillion.apiserver.patching.schema import ListAtom


class UnidentifiedError(ValueError):
    """An item that no path element can name."""


def item_element(atom: ListAtom, item: Any) -> str:
    """The path element of an item of a set or of a keyed list. Raises UnidentifiedError."""
    return _keyed(atom, item) if atom.rule.type is ListType.MAP else _of_set(item)


def group_items(atom: ListAtom, items: Any) -> dict[str, list[Any]]:
    """Items by their elements, in order; more than one where an object was stored with duplicates.

    Items that nothing identifies are left out: validation has refused them where it matters.
    """
    grouped: dict[str, list[Any]] = {}
    for item in items if isinstance(items, list) else ():
        try:
            element = item_element(atom, item)
        except UnidentifiedError:
            continue
        grouped.setdefault(element, []).append(item)
    return grouped


def _keyed(atom: ListAtom, item: Any) -> str:
    if item is None:
        raise UnidentifiedError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise UnidentifiedError("associative list with keys may not have non-map elements")
    keys = {}
    for name in sorted(atom.rule.keys):
        if name in item:
            keys[name] = item[name]
        elif name in atom.key_defaults:
            keys[name] = atom.key_defaults[name]
        else:
            raise UnidentifiedError(
                f'associative list with keys has an element that omits key field "{name}" '
                "(and doesn't have default value)"
            )
    return fieldset.key(keys)


def _of_set(item: Any) -> str:
    if item is None:
        raise UnidentifiedError("associative list without keys has an element that's an explicit null")
    if isinstance(item, dict):
        raise UnidentifiedError("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise UnidentifiedError("not supported: associative list with lists as elements")
    return fieldset.value(item)
