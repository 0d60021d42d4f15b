"""Plain trees (what YAML and JSON give) into models and back.

Decoding reports every problem it finds, each with its field path, and still returns an object: what could not
be read has its zero value, as Go leaves it. Strict as `kubectl apply` is (fieldValidation=Strict): an unknown
field is a problem. Values are never quoted in a problem: the tree may be a Secret.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import difflib
from enum import Enum
from typing import Any, TypeVar, assert_never

import msgspec

from pillion.objects.models import DictMixin, core_v1
from pillion.objects.shapes import Field, ListOf, MapOf, ObjectOf, Scalar, Shape, model_fields
from pillion.units import parse_nano_time, parse_quantity

Tree = Any
"""dict[str, Tree], list[Tree], str, int, float, bool or None."""

Model = TypeVar("Model", bound=DictMixin)

Surroundings = tuple[tuple[str, type[DictMixin]], ...]
"""The objects around a field with their paths, the nearest last: where a misindented field may belong."""


class Fault(Enum):
    UNKNOWN_FIELD = "unknown field"
    WRONG_TYPE = "wrong type"
    UNQUOTED = "unquoted"
    """A number or a boolean where text belongs: YAML read what its author meant as text."""
    INVALID = "invalid"
    """The right type, but it says nothing readable: base64, a quantity, a time."""


class DecodeProblem(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    fault: Fault
    message: str
    hint: str = ""
    """What to do, when we know it: a half sentence that continues the message."""
    parent: str = ""
    """Path of the object the field is in."""
    meant: str = ""
    """The field the author probably meant, for UNKNOWN_FIELD."""

    def __str__(self) -> str:
        if self.fault is Fault.UNKNOWN_FIELD:
            # The API server's words for it (apimachinery, json strict decoding).
            return f'unknown field "{self.path}"' + (f", {self.hint}" if self.hint else "")
        text = f"{self.message}, {self.hint}" if self.hint else self.message
        return f"{self.path}: {text}" if self.path else text


def decode(model: type[Model], tree: Tree, path: str = "") -> tuple[Model, list[DecodeProblem]]:
    """The object a tree describes, and everything that is wrong with the tree."""
    decoder = _Decoder()
    decoded = decoder.decode_object(model, tree, path, ())
    if isinstance(decoded, core_v1.Secret):
        _merge_string_data(decoded)
    return decoded, decoder.problems


def encode(obj: DictMixin) -> dict[str, Tree]:
    """The tree of an object, `apiVersion` and `kind` first, without what is unset."""
    tree: dict[str, Tree] = msgspec.to_builtins(obj)
    head: dict[str, Tree] = {name: tree[name] for name in ("apiVersion", "kind") if name in tree}
    return head | tree


def encode_json(obj: DictMixin) -> bytes:
    """The object as JSON."""
    return msgspec.json.encode(encode(obj))


class _Decoder:
    def __init__(self) -> None:
        self.problems: list[DecodeProblem] = []

    def decode_object(self, model: type[Model], tree: Tree, path: str, outer: Surroundings) -> Model:
        fields = model_fields(model)
        values: dict[str, Any] = {}
        if isinstance(tree, dict):
            for name, value in tree.items():
                field = fields.get(name)
                if field is None:
                    self._unknown(name, path, model, outer)
                elif value is not None:
                    inside = f"{path}.{name}" if path else name
                    values[field.attribute] = self._decode(
                        field.shape, value, inside, (*outer, (path, model))
                    )
        else:
            self._wrong_type("a mapping", tree, path)
        for field in fields.values():
            if field.required and values.get(field.attribute) is None:
                values[field.attribute] = _zero(field.shape)
        return model(**values)

    def _decode(self, shape: Shape, value: Tree, path: str, outer: Surroundings) -> Any:
        match shape:
            case Scalar():
                return self._decode_scalar(shape, value, path)
            case ObjectOf(model):
                return self.decode_object(model, value, path, outer)
            case ListOf(item):
                return self._decode_list(item, value, path, outer)
            case MapOf(leaf):
                return self._decode_map(leaf, value, path)
            case _:
                assert_never(shape)

    def _decode_list(self, item: Shape, value: Tree, path: str, outer: Surroundings) -> list[Any] | None:
        if not isinstance(value, list):
            self._wrong_type("a list", value, path, hint='start each item with "- "' if value != "" else "")
            return None
        decoded = []
        for index, entry in enumerate(value):
            # Go keeps the place of a null with a zero value.
            kept = None if entry is None else self._decode(item, entry, f"{path}[{index}]", outer)
            decoded.append(_zero(item) if kept is None else kept)
        return decoded

    def _decode_map(self, leaf: Scalar, value: Tree, path: str) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            self._wrong_type("a mapping", value, path)
            return None
        decoded = {}
        for key, entry in value.items():
            kept = "" if entry is None else self._decode_scalar(leaf, entry, f"{path}[{key}]")
            decoded[key] = _zero(leaf) if kept is None else kept
        return decoded

    def _decode_scalar(self, leaf: Scalar, value: Tree, path: str) -> Any:
        match leaf:
            case Scalar.STRING:
                return self._expect(isinstance(value, str), leaf, value, path)
            case Scalar.INTEGER:
                return self._decode_integer(value, path)
            case Scalar.BOOLEAN:
                return self._expect(isinstance(value, bool), leaf, value, path)
            case Scalar.INT_OR_STRING:
                return value if isinstance(value, str) else self._decode_integer(value, path, leaf)
            case Scalar.QUANTITY:
                return self._decode_quantity(value, path)
            case Scalar.TIME | Scalar.MICRO_TIME:
                return self._decode_time(leaf, value, path)
            case Scalar.BASE64:
                return self._decode_base64(value, path)
            case Scalar.ANY:
                return value
            case _:
                assert_never(leaf)

    def _expect(self, accepted: bool, leaf: Scalar, value: Tree, path: str) -> Any:  # noqa: FBT001 - the claim
        if accepted:
            return value
        self._wrong_type(leaf.value, value, path)
        return None

    def _decode_integer(self, value: Tree, path: str, leaf: Scalar = Scalar.INTEGER) -> int | None:
        # YAML's `1e3` and `3.0` reach Kubernetes as the JSON numbers 1000 and 3.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self._wrong_type(leaf.value, value, path)
            return None
        if not -(1 << 63) <= value < 1 << 63:
            self._invalid("the number does not fit in 64 bits", path)
            return None
        return value

    def _decode_quantity(self, value: Tree, path: str) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self._wrong_type(Scalar.QUANTITY.value, value, path, hint="like 500m or 128Mi")
            return None
        text = value.strip() if isinstance(value, str) else repr(value)
        try:
            parse_quantity(text)
        except ValueError as error:
            self._invalid(str(error), path, hint="like 500m or 128Mi")
            return None
        return text

    def _decode_time(self, leaf: Scalar, value: Tree, path: str) -> datetime.datetime | None:
        if not isinstance(value, str):
            self._wrong_type(leaf.value, value, path, hint="like 2026-01-02T03:04:05Z")
            return None
        try:
            nanos = parse_nano_time(value)
        except ValueError:
            self._invalid("not a time", path, hint="write it like 2026-01-02T03:04:05Z")
            return None
        seconds, fraction = divmod(nanos, 1_000_000_000)
        micros = fraction // 1000 if leaf is Scalar.MICRO_TIME else 0
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        return epoch + datetime.timedelta(seconds=seconds, microseconds=micros)

    def _decode_base64(self, value: Tree, path: str) -> str | None:
        if not isinstance(value, str):
            self._wrong_type("a base64 string", value, path)
            return None
        # Go's decoder skips line ends, so `|` blocks work.
        text = value.replace("\r", "").replace("\n", "")
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            plain = "stringData" if path.startswith("data[") else "data"
            self._invalid("not base64", path, hint=f"plain text goes under {plain}")
            return None
        return text

    def _unknown(self, name: str, path: str, model: type[DictMixin], outer: Surroundings) -> None:
        hint, meant = "", ""
        home = _home(name, path, model, outer)
        if home is not None:
            hint = f"it belongs under {home}" if home else "it belongs at the top level"
        else:
            meant = _nearest(name, model_fields(model))
            hint = f'did you mean "{meant}"?' if meant else ""
        self._add(f"{path}.{name}" if path else name, Fault.UNKNOWN_FIELD, "unknown field", hint, path, meant)

    def _wrong_type(self, expected: str, value: Tree, path: str, hint: str = "") -> None:
        unquoted = expected == Scalar.STRING.value and isinstance(value, bool | int | float)
        fault = Fault.UNQUOTED if unquoted else Fault.WRONG_TYPE
        if unquoted:
            hint = "put it in quotes"
        elif _is_quoted(expected, value):
            hint = "remove the quotes"
        self._add(path, fault, f"expected {expected}, found {_describe(value)}", hint, path)

    def _invalid(self, message: str, path: str, hint: str = "") -> None:
        self._add(path, Fault.INVALID, message, hint, path)

    def _add(self, path: str, fault: Fault, message: str, hint: str, parent: str, meant: str = "") -> None:
        self.problems.append(
            DecodeProblem(path=path, fault=fault, message=message, hint=hint, parent=parent, meant=meant)
        )


def _is_quoted(expected: str, value: Tree) -> bool:
    """Whether the text would be right without its quotes."""
    if not isinstance(value, str):
        return False
    if expected == Scalar.INTEGER.value:
        return value.removeprefix("-").isdecimal()
    return expected == Scalar.BOOLEAN.value and value in ("true", "false")


def _zero(shape: Shape) -> Any:
    """What Go has in a field nobody wrote."""
    match shape:
        case Scalar.STRING | Scalar.BASE64:
            return ""
        case Scalar.INTEGER | Scalar.INT_OR_STRING:
            return 0
        case Scalar.BOOLEAN:
            return False
        case Scalar.QUANTITY:
            return "0"
        case Scalar.TIME | Scalar.MICRO_TIME | Scalar.ANY:
            return None
        case ObjectOf(model):
            return model(**{f.attribute: _zero(f.shape) for f in model_fields(model).values() if f.required})
        case ListOf():
            return []
        case MapOf():
            return {}
        case _:
            assert_never(shape)


def _describe(value: Tree) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a string" if value else "an empty string"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _home(name: str, path: str, model: type[DictMixin], outer: Surroundings) -> str | None:
    """The object in which a misindented field is known: one around this one, else one directly inside."""
    for place, around in reversed(outer):
        if name in model_fields(around):
            return place
    for child in model_fields(model).values():
        where = f"{path}.{child.wire_name}" if path else child.wire_name
        match child.shape:
            case ObjectOf(inner) if name in model_fields(inner) and child.wire_name != "status":
                return where
            case ListOf(ObjectOf(inner)) if name in model_fields(inner):
                return f"an item of {where}"
    return None


def _nearest(name: str, fields: dict[str, Field]) -> str:
    """The known field an unknown one resembles, or nothing. Case is what people get wrong most."""
    known = {wire_name.casefold(): wire_name for wire_name in fields}
    near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.7)
    return known[near[0]] if near else ""


def _merge_string_data(secret: core_v1.Secret) -> None:
    """stringData is for writing only: it ends up in data, and wins there (core/v1 conversion of Secret)."""
    if secret.stringData:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in secret.stringData.items()}
        secret.data = {**(secret.data or {}), **encoded}
    secret.stringData = None
