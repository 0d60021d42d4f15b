"""Chunks as Fluent Bit's stdout output prints them by default: msgpack-c's notation (`msgpack_object_print`).

[0] app.log: [[1700000000.123456789, {}], {"log"=>"hello"}]
"""

from __future__ import annotations

from typing import Any

from pillion.collector.records.content import Content
from pillion.collector.records.conversion import as_records

_FIRST_PRINTABLE, _LAST_PRINTABLE = 0x20, 0x7E


def print_events(tag: str, content: Content) -> str:
    """One line for each record, counted from 0 in each chunk."""
    records = as_records(content)
    return "".join(
        [
            f"[{index}] {tag}: [[{time // 1_000_000_000}.{time % 1_000_000_000:09d}, {{}}], {notation(body)}]\n"
            for index, (time, body) in enumerate(zip(records.times, records.bodies, strict=True))
        ]
    )


def notation(value: Any) -> str:
    """Strings stand in quotes as they are, with nothing escaped: this is for people."""
    if isinstance(value, str):
        return f'"{value}"'
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ", ".join([f"{notation(key)}=>{notation(inner)}" for key, inner in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(notation, value)) + "]"
    if isinstance(value, bytes):
        return '"' + "".join(map(_printable, value)) + '"'
    return str(value)


def _printable(byte: int) -> str:
    if byte == ord('"'):
        return '\\"'
    return chr(byte) if _FIRST_PRINTABLE <= byte <= _LAST_PRINTABLE else f"\\x{byte:02x}"
