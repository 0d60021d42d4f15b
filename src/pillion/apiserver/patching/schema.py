"""What a value is made of, for walking it: from the models and the table of list types, or deduced from the value.

An atom is one of three: a leaf, a list, a map. How lists and maps are owned is structured-merge-diff's
(schema/elements.go); how they are patched is strategic merge's, beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, assert_never

import msgspec

from pillion.apiserver.openapi.listtypes import (
    ATOMIC_LIST,
    ListRule,
    ListType,
    is_atomic_map,
    is_atomic_object,
    key_defaults,
    list_rule,
    object_strategies,
    type_name,
)
from pillion.objects import DictMixin, meta_v1
from pillion.objects.shapes import Field, ListOf, MapOf, ObjectOf, Scalar, Shape, model_fields


class Leaf(Enum):
    """Owned as a whole, and what it has to be."""

    STRING = "string"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    UNTYPED = "untyped"
    """A scalar of any kind: quantities, times, integers or strings."""
    ANYTHING = "anything"
    """Even a list or a map, as one."""


class ListAtom(msgspec.Struct, frozen=True):
    item: Atom
    rule: ListRule
    key_defaults: dict[str, Any]
    """What a key means that an item leaves out. A key that is neither here nor in the item makes the item invalid."""

    @property
    def is_atomic(self) -> bool:
        return self.rule.type is ListType.ATOMIC


class MapAtom(msgspec.Struct, frozen=True):
    item: Atom | None
    """Of fields that are not declared. None: there may be no others."""
    model: type[DictMixin] | None = None
    is_atomic: bool = False
    strategies: tuple[str, ...] = ()
    """Of strategic merge patch, from the field this map stands in."""
    known: Mapping[str, Atom] = {}
    """Fields of an object that has no model."""

    def field(self, name: str) -> Atom | None:
        """The atom of a field. None: there is no such field."""
        return self._declared.get(name, self.item)

    def declares(self, name: str) -> bool:
        """Whether this is an object that knows this field, rather than a map that happens to hold it."""
        return name in self._declared

    @property
    def _declared(self) -> Mapping[str, Atom]:
        return self.known if self.model is None else _fields(self.model)


class Deduced(Enum):
    """The kind is not known: maps are merged, lists replaced (structured-merge-diff, typed/parser.go)."""

    DEDUCED = "deduced"


Atom = Leaf | ListAtom | MapAtom | Deduced
ResolvedAtom = Leaf | ListAtom | MapAtom

DEDUCED = Deduced.DEDUCED
_DEDUCED_MAP = MapAtom(DEDUCED)
_OBJECT = MapAtom(DEDUCED, known={"metadata": MapAtom(None, meta_v1.ObjectMeta)})
_DEDUCED_LIST = ListAtom(Leaf.ANYTHING, ATOMIC_LIST, {})


def object_atom(model: type[DictMixin] | None) -> Atom:
    """The atom of a whole object; of a kind without a model everything but its metadata is deduced."""
    return _OBJECT if model is None else MapAtom(None, model)


def resolve(atom: Atom, value: Any) -> ResolvedAtom:
    if atom is not DEDUCED:
        return atom
    if isinstance(value, dict):
        return _DEDUCED_MAP
    return _DEDUCED_LIST if isinstance(value, list) else Leaf.UNTYPED


def is_leaf(atom: ResolvedAtom) -> bool:
    """Whether values of this atom are owned as a whole."""
    return isinstance(atom, Leaf) or atom.is_atomic


@cache
def _fields(model: type[DictMixin]) -> dict[str, Atom]:
    owner = type_name(model)
    return {name: _field_atom(owner, field) for name, field in model_fields(model).items()}


def _field_atom(owner: str, field: Field) -> Atom:
    name = field.wire_name
    match field.shape:
        case ListOf(item):
            return ListAtom(_atom(item), list_rule(owner, name), _key_defaults(item))
        case MapOf(item):
            return MapAtom(_leaf(item), is_atomic=is_atomic_map(owner, name))
        case ObjectOf(model):
            return MapAtom(
                None,
                model,
                is_atomic=is_atomic_object(type_name(model)),
                strategies=object_strategies(owner, name),
            )
        case _:
            return _atom(field.shape)


def _atom(shape: Shape) -> Atom:
    match shape:
        case Scalar():
            return _leaf(shape)
        case ObjectOf(model):
            return MapAtom(None, model, is_atomic=is_atomic_object(type_name(model)))
        case ListOf(item):
            return ListAtom(_atom(item), ATOMIC_LIST, {})
        case MapOf(item):
            return MapAtom(_leaf(item))
        case _:
            assert_never(shape)


def _leaf(scalar: Scalar) -> Leaf:
    match scalar:
        case Scalar.STRING | Scalar.BASE64:
            return Leaf.STRING
        case Scalar.INTEGER:
            return Leaf.NUMERIC
        case Scalar.BOOLEAN:
            return Leaf.BOOLEAN
        case Scalar.QUANTITY | Scalar.INT_OR_STRING | Scalar.TIME | Scalar.MICRO_TIME:
            return Leaf.UNTYPED
        case Scalar.ANY:
            return Leaf.ANYTHING
        case _:
            assert_never(scalar)


_ZEROS = {Scalar.STRING: "", Scalar.INTEGER: 0}


def _key_defaults(item: Shape) -> dict[str, Any]:
    """Declared defaults, and Go's zero for a required field (kube-openapi: `default: ""` of what is not omitempty)."""
    if not isinstance(item, ObjectOf):
        return {}
    zeros = {
        name: _ZEROS[field.shape]
        for name, field in model_fields(item.model).items()
        if field.required and isinstance(field.shape, Scalar) and field.shape in _ZEROS
    }
    return zeros | key_defaults(type_name(item.model))
