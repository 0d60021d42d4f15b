"""Messages into trees, as Go's JSON of the same object would give them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

import msgspec

from pillion.apiserver.protobuf.messages import Leaf, MessageField, Multiplicity, messages
from pillion.apiserver.protobuf.wire import ProtobufError, read_fields, read_packed, signed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode_message(name: str, data: memoryview) -> dict[str, Any]:
    """The tree of a message. Fields that are not in its table are skipped. Raises ProtobufError."""
    known = messages()[name]
    tree: dict[str, Any] = {}
    for number, raw in read_fields(data):
        field = known.get(number)
        if field is not None:
            _add(tree, field, raw)
    return tree


def _add(tree: dict[str, Any], field: MessageField, raw: int | memoryview) -> None:
    match field.multiplicity:
        case Multiplicity.INLINE:
            tree.update(decode_message(field.kind, _run(field, raw)))
        case Multiplicity.MAP:
            key, value = _entry(field, _run(field, raw))
            tree.setdefault(field.name, {})[key] = value
        case Multiplicity.LIST:
            items = tree.setdefault(field.name, [])
            if field.kind is Leaf.INTEGER and isinstance(raw, memoryview):
                items.extend(signed(value) for value in read_packed(raw))
            else:
                items.append(_value(field, raw))
        case Multiplicity.ONE:
            value = _value(field, raw)
            if value is not None and (field.is_kept or _says_something(value)):
                tree[field.name] = value
            else:
                tree.pop(field.name, None)
        case _:
            assert_never(field.multiplicity)


def _says_something(value: Any) -> bool:
    return value not in ("", 0, {}, [])


def _entry(field: MessageField, data: memoryview) -> tuple[str, Any]:
    """Of a map: a message with the key as field 1 and the value as field 2, either left out when it is empty."""
    key, value = "", None
    for number, raw in read_fields(data):
        if number == 1:
            key = _text(_run(field, raw))
        elif number == 2:
            value = _value(field, raw)
    return key, _value(field, memoryview(b"")) if value is None else value


def _value(field: MessageField, raw: int | memoryview) -> Any:
    kind = field.kind
    if not isinstance(kind, Leaf):
        return decode_message(kind, _run(field, raw))
    if kind is Leaf.INTEGER or kind is Leaf.BOOLEAN:
        if not isinstance(raw, int):
            raise ProtobufError(f"cannot decode the protobuf body: {field.name} must be a number on the wire")
        return signed(raw) if kind is Leaf.INTEGER else raw != 0
    return _leaf(kind, _run(field, raw))


def _leaf(kind: Leaf, data: memoryview) -> Any:
    match kind:
        case Leaf.STRING:
            return _text(data)
        case Leaf.BYTES:
            return base64.b64encode(data).decode()
        case Leaf.QUANTITY:
            return next((_text(raw) for number, raw in _runs(data) if number == 1), "0")
        case Leaf.INT_OR_STRING:
            return _int_or_string(data)
        case Leaf.TIME:
            return _time(data, "%Y-%m-%dT%H:%M:%SZ")
        case Leaf.MICRO_TIME:
            return _time(data, "%Y-%m-%dT%H:%M:%S.%fZ")
        case Leaf.FIELDS:
            return next((_json(raw) for number, raw in _runs(data) if number == 1), {})
        case Leaf.STRINGS:
            return [_text(raw) for number, raw in _runs(data) if number == 1]
        case Leaf.INTEGER | Leaf.BOOLEAN:
            raise AssertionError(kind)
        case _:
            assert_never(kind)


def _int_or_string(data: memoryview) -> int | str:
    """util/intstr: field 1 says which, 2 is the number, 3 the text."""
    fields = dict(read_fields(data))
    number, text = fields.get(2, 0), fields.get(3, memoryview(b""))
    if not isinstance(number, int) or not isinstance(text, memoryview):
        raise ProtobufError("cannot decode the protobuf body: an IntOrString is neither")
    return _text(text) if fields.get(1, 0) == 1 else signed(number)


def _time(data: memoryview, form: str) -> str | None:
    """Seconds since 1970 and nanoseconds; nothing at all is no time (meta/v1, time_proto.go)."""
    if not data:
        return None
    fields = dict(read_fields(data))
    seconds, nanos = fields.get(1, 0), fields.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        raise ProtobufError("cannot decode the protobuf body: a time is no number")
    try:
        return (_EPOCH + timedelta(seconds=signed(seconds), microseconds=signed(nanos) // 1000)).strftime(
            form
        )
    except OverflowError as error:
        raise ProtobufError("cannot decode the protobuf body: a time is out of range") from error


def _json(data: memoryview) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ProtobufError(f"cannot decode the protobuf body: fieldsV1: {error}") from error


def _runs(data: memoryview) -> list[tuple[int, memoryview]]:
    return [(number, raw) for number, raw in read_fields(data) if isinstance(raw, memoryview)]


def _run(field: MessageField, raw: int | memoryview) -> memoryview:
    if not isinstance(raw, memoryview):
        raise ProtobufError(f"cannot decode the protobuf body: {field.name} must not be a number on the wire")
    return raw


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise ProtobufError("cannot decode the protobuf body: a string is not UTF-8") from error
