"""One body and its JSON text. The only place that says how a value is written and read."""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec
import orjson

from pillion.collector.records.content import Body


class _Object(msgspec.Struct, gc=False):
    """A JSON object none of whose members is wanted: the cheapest thing that proves a text to be one."""


_OBJECT = msgspec.json.Decoder(_Object)
_NATIVE = 1 << 64


def is_object(text: bytes) -> bool:
    """`text` is exactly one JSON object, white space around it aside."""
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def count_objects(data: bytes) -> int | None:
    """How many JSON objects follow each other in `data`, with or without white space between them; None when there is
    anything else. `data` is valid UTF-8: that is not looked at again."""
    try:
        return len(_OBJECT.decode_lines(data))
    except (msgspec.DecodeError, RecursionError):
        return None


def decode_body(text: bytes) -> Body:
    """The map of a text that `is_object`. Of a key that is there twice the last value holds."""
    try:
        return cast("Body", orjson.loads(text))
    except orjson.JSONDecodeError:
        return cast("Body", json.loads(text))  # a number beyond every double: infinity, as C's strtod has it


def encode_body(body: Body) -> bytes:
    """`body` as JSON text, without a line end. What JSON has no word for is said as nearly as it can be: NaN and the
    infinities as null, bytes and lone surrogates as text with U+FFFD, integers beyond 64 bits as doubles."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        return orjson.dumps(_plain(body))


def encode_value(value: Any) -> bytes:
    """Any value of a body as JSON text."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(_plain(value))


def encode_bodies(bodies: list[Body]) -> bytes:
    """All of them, each ended by one `\\n`."""
    if not bodies:
        return b""
    return b"\n".join([*map(encode_body, bodies), b""])


def as_text(value: bytes) -> str:
    """Bytes of unknown encoding as text."""
    return value.decode("utf-8", "replace")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if -_NATIVE // 2 <= value < _NATIVE else _double(value)
    return str(value)


def _double(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _key(key: Any) -> str:
    """Fluent's msgpack maps may have keys that are no strings."""
    if isinstance(key, bytes):
        return as_text(key)
    return cast("str", _plain(key)) if isinstance(key, str) else str(key)
