"""A YAML document with the place of everything in it. Anchors are resolved and merge keys merged: it is a tree of
values for whoever asks for values, and a map from field paths to places for whoever reports a problem.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from pillion.units.yamlscalars import Value


class Mark(NamedTuple):
    """A place in the text, counted from 1, as editors count."""

    line: int
    column: int


class ScalarNode(msgspec.Struct, frozen=True, gc=False):
    mark: Mark
    value: Value
    text: str
    """As written, without quotes."""


class SequenceNode(msgspec.Struct, frozen=True, gc=False):
    mark: Mark
    items: tuple[Node, ...]


class Pair(msgspec.Struct, frozen=True, gc=False):
    key: Mark
    node: Node


class MappingNode(msgspec.Struct, frozen=True, gc=False):
    mark: Mark
    pairs: Mapping[str, Pair]
    repeated: tuple[tuple[str, Pair], ...] = ()
    """What the text says again of a key that it has set before: a problem, and no part of the values."""


Node = ScalarNode | SequenceNode | MappingNode


def build_tree(node: Node) -> Any:
    """The plain values: what a JSON parser would have given."""
    match node:
        case ScalarNode():
            return node.value
        case SequenceNode():
            return [build_tree(item) for item in node.items]
        case MappingNode():
            return {key: build_tree(pair.node) for key, pair in node.pairs.items()}


class Place(NamedTuple):
    mark: Mark
    """Where to point: at a scalar's value, at the key of anything larger, at the start of a list item."""
    key: Mark
    node: Node
    is_exact: bool
    """False: the field is not in the text; this is the nearest thing around it that is."""


_SEGMENT = re.compile(r"\[([^\]]*)\]|\.?([^.\[\]]+)")


def locate(root: Node, path: str) -> Place:
    """The place of a field path such as `spec.containers[0].image` or `data[app.conf]`."""
    place = Place(root.mark, root.mark, root, is_exact=True)
    for match in _SEGMENT.finditer(path):
        step = locate_child(place, match[1] if match[1] is not None else match[2])
        if not step.is_exact:
            # What is missing is missing from something: point at that, where it begins.
            return Place(place.key, place.key, place.node, is_exact=False)
        place = step
    return place


def locate_child(place: Place, name: str) -> Place:
    """One step further: a key of a mapping or the index of a list item."""
    node = place.node
    if isinstance(node, MappingNode) and name in node.pairs:
        key, child = node.pairs[name].key, node.pairs[name].node
        is_value = isinstance(child, ScalarNode) and child.text != ""
        return Place(child.mark if is_value else key, key, child, is_exact=True)
    if isinstance(node, SequenceNode) and name.isdecimal() and int(name) < len(node.items):
        item = node.items[int(name)]
        return Place(item.mark, item.mark, item, is_exact=True)
    return place._replace(is_exact=False)
