"""What may stand in each field of a model: read once per class from the models' own annotations.

The annotations say `dict` for every map; which maps hold quantities and which base64 is Kubernetes' knowledge
(core/v1/types.go), kept here.
"""

from __future__ import annotations

import datetime
import types
import typing
from enum import Enum
from functools import cache
from typing import Any

import msgspec

from pillion.objects.models import DictMixin


class Scalar(Enum):
    """The leaves, each with the words an author knows it by."""

    STRING = "a string"
    INTEGER = "an integer"
    BOOLEAN = "true or false"
    QUANTITY = "a quantity"
    INT_OR_STRING = "an integer or a string"
    TIME = "a time"
    MICRO_TIME = "a time with microseconds"
    BASE64 = "base64"
    ANY = "anything"


class ObjectOf(msgspec.Struct, frozen=True):
    model: type[DictMixin]


class ListOf(msgspec.Struct, frozen=True):
    item: Shape


class MapOf(msgspec.Struct, frozen=True):
    value: Scalar


Shape = Scalar | ObjectOf | ListOf | MapOf


class Field(msgspec.Struct, frozen=True):
    wire_name: str
    attribute: str
    shape: Shape
    required: bool
    """Go has no required fields: one that is missing gets its zero, and validation judges that."""


_QUANTITY_MAPS = frozenset(
    {
        *("limits", "requests", "overhead", "capacity", "allocatable", "allocatedResources"),
        *("hard", "used", "default", "defaultRequest", "max", "min", "maxLimitRequestRatio", "resources"),
    }
)
_BASE64_MAPS = frozenset({("Secret", "data"), ("ConfigMap", "binaryData")})
_OPAQUE = frozenset({"fieldsV1", "object"})


@cache
def model_fields(model: type[DictMixin]) -> dict[str, Field]:
    """The fields of a model by their name on the wire, in the model's order."""
    fields = {}
    for info in msgspec.structs.fields(model):
        annotation = model.__annotations__[info.name]
        fields[info.encode_name] = Field(
            wire_name=info.encode_name,
            attribute=info.name,
            shape=_shape(model, info.encode_name, annotation, info.type),
            required=info.required,
        )
    return fields


def _shape(model: type[DictMixin], name: str, annotation: str, resolved: Any) -> Shape:
    if "resource.Quantity" in annotation:
        return Scalar.QUANTITY
    if "MicroTime" in annotation:
        return Scalar.MICRO_TIME
    if "dict" in annotation:
        return _map_shape(model, name)
    return Scalar.ANY if name in _OPAQUE else _resolved_shape(_without_none(resolved))


def _map_shape(model: type[DictMixin], name: str) -> Shape:
    if name in _OPAQUE:
        return Scalar.ANY
    if (model.__name__, name) in _BASE64_MAPS:
        return MapOf(Scalar.BASE64)
    return MapOf(Scalar.QUANTITY if name in _QUANTITY_MAPS else Scalar.STRING)


_LEAVES: dict[Any, Scalar] = {
    str: Scalar.STRING,
    int: Scalar.INTEGER,
    bool: Scalar.BOOLEAN,
    datetime.datetime: Scalar.TIME,
    int | str: Scalar.INT_OR_STRING,
}


def _resolved_shape(resolved: Any) -> Shape:
    if typing.get_origin(resolved) is list:
        return ListOf(_resolved_shape(typing.get_args(resolved)[0]))
    if isinstance(resolved, type) and issubclass(resolved, DictMixin):
        return ObjectOf(resolved)
    return _LEAVES.get(resolved, Scalar.ANY)


def _without_none(resolved: Any) -> Any:
    """`Optional[X]` is X here: null is the same as absent."""
    if typing.get_origin(resolved) not in (typing.Union, types.UnionType):
        return resolved
    kept = [member for member in typing.get_args(resolved) if member is not type(None)]
    return kept[0] if len(kept) == 1 else typing.Union[tuple(kept)]  # noqa: UP007 - built, not written
