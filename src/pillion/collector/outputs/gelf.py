"""GELF: Graylog's JSON of one record. Pure.

Source: Fluent Bit's src/flb_pack_gelf.c (`flb_msgpack_to_gelf`): maps are flattened with `_`, arrays become a text,
null is left out at the top.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pillion.collector.records import Body
from pillion.collector.records.bodies import as_text, encode_value

_ODD = re.compile(r"[^A-Za-z0-9_.\-]")
_LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


class GelfKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a record's keys are GELF's own fields."""

    host: str = "host"
    short_message: str = "short_message"
    full_message: str = "full_message"
    timestamp: str = "timestamp"
    level: str = "level"


def encode_gelf(body: Body, time: int, keys: GelfKeys) -> bytes:
    """`time` in ns. Raises ValueError, with the reason, for a record that cannot be a GELF message."""
    own = {
        keys.host: "host", keys.short_message: "short_message", keys.timestamp: "timestamp", keys.level: "level",
        keys.full_message: "full_message",
    }  # fmt: skip
    written: dict[str, bytes] = {"version": b'"1.1"'}
    for key, value in body.items():
        name = own.get(key)
        if name == "level":
            value = _level(value)  # noqa: PLW2901 - the value that GELF wants
        if name is None:
            if key == "id":
                continue  # _id is Graylog's own
            name = "_" + _ODD.sub("_", key)
        if isinstance(value, dict):
            _flatten(f"_{own.get(key, key)}", value, written)
        elif value is not None:
            written[name] = _value(value)
    if "timestamp" not in written:
        written["timestamp"] = f"{time // 1_000_000_000}.{time // 1_000_000 % 1000:03d}".encode()
    if "short_message" not in written:
        raise ValueError(f"it has no {keys.short_message}, which GELF needs (gelf_short_message_key)")
    return b"{" + b", ".join([encode_value(name) + b":" + text for name, text in written.items()]) + b"}"


def _level(value: Any) -> Any:
    if isinstance(value, str):
        if len(value) == 1 and value in "01234567":
            return int(value)
        lower = value.lower()
        return _LEVELS.index(lower) if lower in _LEVELS else value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("its level is neither a number nor a word (gelf_level_key)")
    return value


def _flatten(prefix: str, value: dict[str, Any], written: dict[str, bytes]) -> None:
    for key, inner in value.items():
        name = f"{prefix}_{key}"
        if isinstance(inner, dict):
            _flatten(name, inner, written)
        else:
            written[_ODD.sub("_", name)] = b"null" if inner is None else _value(inner)


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return b'"true"' if value else b'"false"'
        case float():
            return f"{value:f}".encode()
        case list():
            return encode_value(", ".join(_in_array(inner) for inner in value))
        case _:
            return encode_value(value)


def _in_array(value: Any, prefix: str = "") -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:f}"
        case bytes():
            return as_text(value)
        case list():
            return ", ".join(_in_array(inner) for inner in value)
        case dict():
            return " ".join(
                _in_array(inner, f"{prefix}{key}_")
                if isinstance(inner, dict)
                else f"{_ODD.sub('_', prefix + key)}={_in_array(inner)}"
                for key, inner in value.items()
            )
        case _:
            return str(value)
