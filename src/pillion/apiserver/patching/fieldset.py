"""Sets of fields, kept as they are written in `managedFields`: the FieldsV1 tree itself.

Each name is a path element: `f:NAME` a field, `k:{…}` an item of a keyed list by its keys, `v:…` an item of a set by
its value, `i:N` an item by its place. A node that is `{}` is a member without children; a node with children is a
member itself when it holds `.`. So sets are read and written without any conversion.

Semantics: structured-merge-diff, fieldpath/set.go and fieldpath/serialize.go. Sets are never changed in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

FieldSet = dict[str, "FieldSet"]
Path = tuple[str, ...]

SELF = "."


def field(name: str) -> str:
    return f"f:{name}"


def key(keys: dict[str, Any]) -> str:
    """The element of a list item; names in alphabetical order, as the caller has them."""
    return "k:" + _go_json(keys)


def value(item: Any) -> str:
    return "v:" + _go_json(item)


def build(paths: dict[str, Any]) -> FieldSet:
    """A set from nested names of fields: `{"metadata": {"name": {}}}`; every one named is a member."""
    return {field(name): ({SELF: {}, **build(inner)} if inner else {}) for name, inner in paths.items()}


def is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def node(children: FieldSet, *, member: bool) -> FieldSet | None:
    """A node, or None for one that would say nothing."""
    if not children:
        return {} if member else None
    return {SELF: {}, **children} if member else children


def children(of: FieldSet) -> FieldSet:
    """A node without its own membership."""
    return {element: inner for element, inner in of.items() if element != SELF} if SELF in of else of


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    if not right:
        return left
    if not left:
        return right
    merged = dict(left)
    for element, inner in right.items():
        mine = merged.get(element)
        merged[element] = inner if mine is None else _union_node(mine, inner)
    return merged


def _union_node(left: FieldSet, right: FieldSet) -> FieldSet:
    if left and right:
        return union(left, right)
    only = left or right
    return {SELF: {}, **only} if only and SELF not in only else only


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    kept = {}
    for element, mine in left.items():
        theirs = right.get(element)
        if theirs is None or element == SELF:
            continue
        both = is_member(mine) and is_member(theirs)
        found = node(intersection(mine, theirs), member=both)
        if found is not None:
            kept[element] = found
    return kept


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of `left` that are not members of `right`; a field stays when its children go, and vice versa."""
    if not right:
        return left
    kept = {}
    for element, mine in left.items():
        theirs = right.get(element)
        if element == SELF:
            continue
        if theirs is None:
            kept[element] = mine
            continue
        member = is_member(mine) and not is_member(theirs)
        rest = node(children(difference(mine, theirs)), member=member)
        if rest is not None:
            kept[element] = rest
    return kept


def without_branches(left: FieldSet, right: FieldSet) -> FieldSet:
    """`left` without the members of `right` and everything below them (RecursiveDifference)."""
    if not right:
        return left
    kept = {}
    for element, mine in left.items():
        theirs = right.get(element)
        if element == SELF or (theirs is not None and is_member(theirs)):
            continue
        if theirs is None:
            kept[element] = mine
            continue
        rest = node(children(without_branches(mine, theirs)), member=is_member(mine))
        if rest is not None:
            kept[element] = rest
    return kept


def has(fields: FieldSet, path: Path) -> bool:
    for element in path:
        if element not in fields:
            return False
        fields = fields[element]
    return bool(path) and is_member(fields)


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every member: those of a level before what is below them, each in the order of path elements."""
    ordered = sorted((element for element in fields if element != SELF), key=_order)
    for element in ordered:
        if is_member(fields[element]):
            yield (*prefix, element)
    for element in ordered:
        yield from paths(fields[element], (*prefix, element))


def format_path(path: Path) -> str:
    """As people read it: `.spec.containers[name="a"].image`."""
    return "".join(format_element(element) for element in path)


def format_element(element: str) -> str:
    rest = element[2:]
    match element[0]:
        case "f":
            return f".{rest}"
        case "k":
            keys = msgspec.json.decode(rest)
            return "[" + ",".join(f"{name}={_go_text(keys[name])}" for name in sorted(keys)) + "]"
        case "v":
            return f"[={_go_text(msgspec.json.decode(rest))}]"
        case _:
            return f"[{rest}]"


def parse_fields(tree: Any) -> FieldSet:
    """A set a client sent, in our spelling of path elements. Raises ValueError for anything else."""
    if not isinstance(tree, dict):
        raise ValueError("not an object")
    parsed: FieldSet = {}
    for element, inner in tree.items():
        if element == SELF:
            parsed[SELF] = {}
        else:
            parsed[_parse_element(element)] = parse_fields(inner)
    return parsed


def _parse_element(text: str) -> str:
    kind, rest = text[:2], text[2:]
    try:
        match kind:
            case "f:":
                return text
            case "k:":
                keys = msgspec.json.decode(rest)
                if isinstance(keys, dict):
                    return key(dict(sorted(keys.items())))
            case "v:":
                item = msgspec.json.decode(rest)
                if not isinstance(item, dict | list):
                    return value(item)
            case "i:":
                return f"i:{int(rest)}"
            case _:
                pass
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    raise ValueError(f"not a path element: {text}")


def _order(element: str) -> tuple[Any, ...]:
    rest = element[2:]
    match element[0]:
        case "f":
            return (0, rest)
        case "k":
            keys = msgspec.json.decode(rest)
            return (1, tuple((name, _value_order(keys[name])) for name in sorted(keys)))
        case "v":
            return (2, _value_order(msgspec.json.decode(rest)))
        case _:
            return (3, int(rest))


def _value_order(item: Any) -> tuple[int, Any]:
    if isinstance(item, bool):
        return (2, item)
    if isinstance(item, int | float):
        return (0, item)
    return (1, item) if isinstance(item, str) else (3, _go_json(item))


def _go_json(item: Any) -> str:
    text = msgspec.json.encode(item).decode()
    if "<" in text or ">" in text or "&" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text


def _go_text(item: Any) -> str:
    return msgspec.json.encode(item).decode()
