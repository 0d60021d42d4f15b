"""Strategic merge patch: lists merged by the keys of their items, directives in the patch itself.

Semantics: apimachinery, util/strategicpatch/patch.go (StrategicMergeMapPatch), to the letter: a patch with a directive
in an unexpected place does here what it does there.
"""

from __future__ import annotations

from typing import Any

from pillion.apiserver.patching.bodies import parse_json
from pillion.apiserver.patching.errors import bad_request, merge_failure
from pillion.apiserver.patching.jsonpatch import same
from pillion.apiserver.patching.ordering import (
    delete_items,
    element_type,
    merge_key_of,
    normalize_order,
    partition,
    validate_order,
)
from pillion.apiserver.patching.schema import (
    DEDUCED,
    Atom,
    ListAtom,
    MapAtom,
    object_atom,
    resolve,
)
from pillion.apiserver.patching.validation import go_print
from pillion.objects import DictMixin

Tree = Any

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ORDER = "$setElementOrder"
DELETE_FROM = "$deleteFromPrimitiveList"


def apply_strategic_merge_patch(
    current: dict[str, Tree], body: bytes, model: type[DictMixin]
) -> dict[str, Tree]:
    """Raises PatchError."""
    patch = parse_json(body)
    if patch is None:
        return current
    if not isinstance(patch, dict):
        raise bad_request("json: cannot unmarshal into Go value of type map[string]interface {}")
    return _merge_maps(current, patch, object_atom(model))


def _merge_maps(original: dict[str, Tree], patch: dict[str, Tree], atom: Atom) -> dict[str, Tree]:
    if DIRECTIVE in patch:
        return _follow_directive(patch)
    merged, rest = _retain_keys(original, patch)
    for name in [name for name in rest if name.startswith(SET_ORDER)]:
        _set_order(merged, rest, name, atom)
    for name, value in rest.items():
        if name.startswith(DELETE_FROM):
            _merge_field(merged, _parallel_name(name, DELETE_FROM), value, atom, deletes=True)
        else:
            _merge_field(merged, name, value, atom, deletes=False)
    return merged


def _follow_directive(patch: dict[str, Tree]) -> dict[str, Tree]:
    match patch[DIRECTIVE]:
        case "replace":
            return {name: value for name, value in patch.items() if name != DIRECTIVE}
        case "delete":
            return {}
        case unknown:
            raise merge_failure(f"unknown patch type: {go_print(unknown)} in map: {go_print(patch)}")


def _retain_keys(
    original: dict[str, Tree], patch: dict[str, Tree]
) -> tuple[dict[str, Tree], dict[str, Tree]]:
    """Copies of both, the original without what `$retainKeys` does not name, the patch without the directive."""
    if RETAIN_KEYS not in patch:
        return dict(original), dict(patch)
    rest = {name: value for name, value in patch.items() if name != RETAIN_KEYS}
    retained = patch[RETAIN_KEYS]
    if not isinstance(retained, list):
        raise bad_request("invalid patch format of retainKeys")
    for name, value in rest.items():
        is_parallel = name.startswith((DELETE_FROM, SET_ORDER))
        if value is not None and not is_parallel and name not in retained:
            raise bad_request("invalid patch format of retainKeys")
    return {name: value for name, value in original.items() if name in retained}, rest


def _merge_field(merged: dict[str, Tree], name: str, value: Tree, atom: Atom, *, deletes: bool) -> None:
    """Merge one field of the patch. Without a counterpart in the object the patch's value is taken as it is."""
    if value is None:
        merged.pop(name, None)
        return
    mine = merged.get(name)
    if mine is None or _go_type(mine) != _go_type(value):
        if not deletes:
            _take(merged, name, value)
    elif isinstance(value, dict):
        merged[name] = _merge_maps(mine, value, _lookup(atom, name))
    elif isinstance(value, list):
        merged[name] = _merge_lists(mine, value, _lookup(atom, name), deletes=deletes)
    else:
        merged[name] = value


def _take(merged: dict[str, Tree], name: str, value: Tree) -> None:
    """The patch's value, without the directives in it: there is nothing they could be about."""
    plain = _without_directives(_without_nulls(value))
    if plain is _DROPPED:
        merged.pop(name, None)
    else:
        merged[name] = plain


_DROPPED = object()


def _without_directives(value: Tree) -> Tree:
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return _DROPPED
        plain = {name: _without_directives(inner) for name, inner in value.items()}
        return {name: inner for name, inner in plain.items() if inner is not _DROPPED}
    if isinstance(value, list):
        return [plain for item in value if (plain := _without_directives(item)) is not _DROPPED]
    return value


def _without_nulls(value: Tree) -> Tree:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _go_type(value: Tree) -> str:
    match value:
        case bool():
            return "bool"
        case dict():
            return "map"
        case list():
            return "slice"
        case str():
            return "string"
        case float():
            return "float64"
        case _:
            return "int64"


def _lookup(atom: Atom, name: str) -> Atom:
    if isinstance(atom, MapAtom):
        child = atom.field(name)
        if child is None:
            raise merge_failure(
                f'unable to find api field in struct {_struct(atom)} for the json field "{name}"'
            )
        return child
    return DEDUCED


def _struct(atom: MapAtom) -> str:
    return atom.model.__name__ if atom.model is not None else "map"


def _merge_lists(original: list[Tree], patch: list[Tree], atom: Atom, *, deletes: bool) -> list[Tree]:
    resolved = resolve(atom, patch)
    if not isinstance(resolved, ListAtom) or "merge" not in resolved.rule.strategies:
        return patch
    if not original and not patch:
        return original
    key = resolved.rule.merge_key
    if element_type(original, patch) != "map":
        if deletes:
            return [item for item in original if not any(same(item, gone) for gone in patch)]
        merged = _deduplicate([*original, *patch])
        key = ""
    elif not key:
        raise merge_failure("cannot merge lists without merge key for type struct")
    else:
        original, patch = _merge_special_items(original, patch, key)
        merged = _merge_items(original, patch, key, resolved.item)
    mine, server_only = partition(merged, patch, key)
    return normalize_order(mine, server_only, patch, original, key)


def _merge_special_items(original: list[Tree], patch: list[Tree], key: str) -> tuple[list[Tree], list[Tree]]:
    """Follow the directives among the items; what is left of both lists."""
    plain = []
    replaces = False
    for item in patch:
        if DIRECTIVE not in item:
            plain.append(item)
            continue
        match item[DIRECTIVE]:
            case "delete":
                original = delete_items(original, key, merge_key_of(item, key))
            case "replace":
                replaces = True
            case "merge":
                raise merge_failure("merging lists cannot yet be specified in the patch")
            case unknown:
                raise merge_failure(f"unknown patch type: {go_print(unknown)} in map: {go_print(item)}")
    return (plain, []) if replaces else (original, plain)


def _merge_items(original: list[Tree], patch: list[Tree], key: str, atom: Atom) -> list[Tree]:
    merged = list(original)
    for item in patch:
        wanted = merge_key_of(item, key)
        for index, mine in enumerate(merged):
            if key in mine and same(mine[key], wanted):
                merged[index] = _merge_maps(mine, item, atom)
                break
        else:
            merged.append(item)
    return merged


def _deduplicate(items: list[Tree]) -> list[Tree]:
    kept: list[Tree] = []
    for item in items:
        if not any(same(item, other) for other in kept):
            kept.append(item)
    return kept


def _set_order(merged: dict[str, Tree], patch: dict[str, Tree], directive: str, atom: Atom) -> None:
    """Merge a list together with its `$setElementOrder`; both are done with then."""
    order = patch.pop(directive)
    name = _parallel_name(directive, SET_ORDER)
    if not isinstance(order, list):
        raise merge_failure(f"expected a []interface {{}}, but received a {_received(order)}")
    original, items = merged.get(name, []), patch.get(name, [])
    for found in (original, items):
        if not isinstance(found, list):
            raise merge_failure(f"expected a []interface {{}}, but received a {_received(found)}")
    resolved = resolve(_lookup(atom, name), order)
    key = resolved.rule.merge_key if isinstance(resolved, ListAtom) else ""
    validate_order(items, order, key)
    if name not in merged and name not in patch:
        return
    if name in merged and name in patch:
        joined = _merge_lists(original, items, resolved, deletes=False)
        if key and isinstance(items[0] if items else None, dict):
            original = _reused_order(original, items, key)
    else:
        joined = _without_directives(items) if name in patch else original
    if not original and not items:
        raise merge_failure("no elements in any of the given slices")
    element_type(original, items)
    mine, server_only = partition(joined, order, key)
    merged[name] = normalize_order(mine, server_only, order, original, key)
    patch.pop(name, None)


def _reused_order(original: list[Tree], items: list[Tree], key: str) -> list[Tree]:
    """The object's order as Kubernetes goes by it: items that are added stand in the places of those deleted.

    Its slices share memory there: what `append` writes after a deletion shows in the original. Clients see the result.
    """
    kept = original
    for item in items:
        if item.get(DIRECTIVE) == "delete":
            kept = delete_items(kept, key, item[key])
    if len(kept) == len(original) or any(item.get(DIRECTIVE) == "replace" for item in items):
        return original
    known = [item[key] for item in kept if key in item]
    added = [item for item in items if DIRECTIVE not in item and item[key] not in known]
    return [*kept, *added[: len(original) - len(kept)]]


def _parallel_name(directive: str, prefix: str) -> str:
    """The list that `$setElementOrder/NAME` or `$deleteFromPrimitiveList/NAME` is about."""
    found, slash, name = directive.partition("/")
    if found != prefix or not slash:
        what = "primitive list" if prefix == DELETE_FROM else "setElementOrder list"
        raise bad_request(f"invalid patch format of {what}")
    return name


def _received(value: Tree) -> str:
    return (
        {
            "map": "map[string]interface {}",
            "string": "string",
            "bool": "bool",
            "float64": "float64",
            "int64": "int64",
        }[_go_type(value)]
        if value is not None
        else "%!s(<nil>)"
    )
