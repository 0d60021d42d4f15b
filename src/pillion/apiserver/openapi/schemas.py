"""Schemas of Kubernetes' types, from the models, in the two dialects: OpenAPI 2 ("definitions") and 3 ("components").

Names, extensions and the schemas of scalars are kube-openapi's (pkg/generators, and the OpenAPISchemaType methods of
Quantity, IntOrString and Time).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, assert_never

from pillion.apiserver.openapi.docstrings import read_docstring
from pillion.apiserver.openapi.listtypes import (
    ListType,
    is_atomic_map,
    is_atomic_object,
    key_defaults,
    list_rule,
    object_strategies,
    type_name,
)
from pillion.objects import DictMixin
from pillion.objects.shapes import Field, ListOf, MapOf, ObjectOf, Scalar, Shape, model_fields

Tree = dict[str, Any]


class Dialect(Enum):
    V2 = "#/definitions/"
    V3 = "#/components/schemas/"


_MACHINERY = "io.k8s.apimachinery.pkg"
_NAMED_SCALARS = {
    Scalar.QUANTITY: f"{_MACHINERY}.api.resource.Quantity",
    Scalar.INT_OR_STRING: f"{_MACHINERY}.util.intstr.IntOrString",
    Scalar.TIME: f"{_MACHINERY}.apis.meta.v1.Time",
    Scalar.MICRO_TIME: f"{_MACHINERY}.apis.meta.v1.MicroTime",
}


def schema_name(model: type[DictMixin]) -> str:
    """`io.k8s.api.core.v1.Pod`, `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`."""
    module, _, name = type_name(model).partition(".")
    group, _, version = module.rpartition("_")
    return f"{_MACHINERY}.apis.meta.v1.{name}" if group == "meta" else f"io.k8s.api.{group}.{version}.{name}"


def build_schemas(roots: Iterable[type[DictMixin]], dialect: Dialect) -> dict[str, Tree]:
    """The schemas of these types and of all they are made of, by name, sorted."""
    schemas: dict[str, Tree] = {
        name: _named_scalar(scalar, dialect) for scalar, name in _NAMED_SCALARS.items()
    }
    waiting = list(roots)
    seen = set(waiting)
    while waiting:
        model = waiting.pop()
        schemas[schema_name(model)] = _object_schema(model, dialect)
        for field in model_fields(model).values():
            inner = _model_in(field.shape)
            if inner is not None and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    return dict(sorted(schemas.items()))


def _model_in(shape: Shape) -> type[DictMixin] | None:
    match shape:
        case ListOf(item):
            return _model_in(item)
        case ObjectOf(model):
            return model
        case _:
            return None


def _object_schema(model: type[DictMixin], dialect: Dialect) -> Tree:
    said = read_docstring(model.__doc__)
    owner = type_name(model)
    fields = model_fields(model).values()
    schema: Tree = {"description": said.type, "type": "object"}
    if required := [field.wire_name for field in fields if field.required]:
        schema["required"] = required
    if fields:
        schema["properties"] = {
            field.wire_name: _property(owner, field, said.fields.get(field.wire_name, ""), dialect)
            for field in fields
        }
    if is_atomic_object(owner):
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _property(owner: str, field: Field, description: str, dialect: Dialect) -> Tree:
    schema = {"description": description, **_of_shape(field.shape, dialect, is_described=True)}
    if default := key_defaults(owner).get(field.wire_name):
        schema["default"] = default
    match field.shape:
        case ListOf():
            schema |= _list_extensions(owner, field.wire_name)
        case MapOf() if is_atomic_map(owner, field.wire_name):
            schema["x-kubernetes-map-type"] = "atomic"
        case ObjectOf() if strategies := object_strategies(owner, field.wire_name):
            schema["x-kubernetes-patch-strategy"] = ",".join(strategies)
        case _:
            pass
    return schema


def _list_extensions(owner: str, name: str) -> Tree:
    rule = list_rule(owner, name)
    extensions: Tree = {}
    # A list of items (PodList) has no rule of its own: nobody patches it.
    if name != "items" or rule.type is not ListType.ATOMIC:
        extensions["x-kubernetes-list-type"] = rule.type.value
    if rule.keys:
        extensions["x-kubernetes-list-map-keys"] = list(rule.keys)
    if rule.merge_key:
        extensions["x-kubernetes-patch-merge-key"] = rule.merge_key
    if rule.strategies:
        extensions["x-kubernetes-patch-strategy"] = ",".join(rule.strategies)
    return extensions


def _of_shape(shape: Shape, dialect: Dialect, *, is_described: bool = False) -> Tree:
    match shape:
        case ObjectOf(model):
            return _reference(schema_name(model), dialect, is_described=is_described)
        case ListOf(item):
            return {"type": "array", "items": _of_shape(item, dialect)}
        case MapOf(value):
            return {"type": "object", "additionalProperties": _of_shape(value, dialect)}
        case Scalar.STRING:
            return {"type": "string"}
        case Scalar.BASE64:
            return {"type": "string", "format": "byte"}
        case Scalar.INTEGER:
            return {"type": "integer"}
        case Scalar.BOOLEAN:
            return {"type": "boolean"}
        case Scalar.ANY:
            return {"type": "object"}
        case Scalar.QUANTITY | Scalar.INT_OR_STRING | Scalar.TIME | Scalar.MICRO_TIME:
            return _reference(_NAMED_SCALARS[shape], dialect, is_described=is_described)
        case _:
            assert_never(shape)


def _reference(name: str, dialect: Dialect, *, is_described: bool) -> Tree:
    """In OpenAPI 3 nothing may stand beside a `$ref`, so a described one is wrapped."""
    reference = {"$ref": f"{dialect.value}{name}"}
    return {"allOf": [reference]} if is_described and dialect is Dialect.V3 else reference


def _named_scalar(scalar: Scalar, dialect: Dialect) -> Tree:
    match scalar, dialect:
        case Scalar.QUANTITY, Dialect.V2:
            return {"description": _QUANTITY, "type": "string"}
        case Scalar.QUANTITY, Dialect.V3:
            return {"description": _QUANTITY, "oneOf": [{"type": "string"}, {"type": "number"}]}
        case Scalar.INT_OR_STRING, Dialect.V2:
            return {"description": _INT_OR_STRING, "type": "string", "format": "int-or-string"}
        case Scalar.INT_OR_STRING, Dialect.V3:
            either = [{"type": "integer"}, {"type": "string"}]
            return {"description": _INT_OR_STRING, "format": "int-or-string", "oneOf": either}
        case _:
            return {"description": _TIME, "type": "string", "format": "date-time"}


_QUANTITY = (
    "A number with a suffix: decimal (n u m k M G T P E), binary (Ki Mi Gi Ti Pi Ei) or an exponent (e3). "
    "500m is half a unit, 128Mi are 134217728."
)
_INT_OR_STRING = "A number or a string."
_TIME = "A point in time, as RFC 3339 writes it."
