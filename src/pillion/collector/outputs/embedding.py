"""The text of records put inside a protocol's own text, without looking into it.

Everything here takes the `data` of a `Texts`: one JSON object per line, each from `{` to `}`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from pillion.collector.records.appending import spellings
from pillion.collector.records.fields import MISSING, peek_one

if TYPE_CHECKING:
    from pillion.collector.records import Texts

_NEXT = re.compile(rb"\n\{")
"""Between two records. A pattern that begins with a plain byte is found faster than bytes.replace finds two."""
_MARK = b"\x7f"
"""Stands for a line's end while all lines are escaped at once: JSON leaves DEL as it is."""


def begin_with(data: bytes, starts: bytes | list[bytes]) -> bytes:
    """Each record's `{` replaced by its start: `…{"member":1,` (with the comma), or `…{` to add nothing."""
    if not data:
        return b""
    bodies = _NEXT.split(data[1:])
    if isinstance(starts, bytes):
        written = starts + (b"\n" + starts).join(bodies)
        empty = starts + b"}"
        return (
            written.replace(empty, starts[:-1] + b"}")
            if starts[-1:] == b"," and empty in written
            else written
        )
    if b"}" in bodies or bodies[-1] == b"}\n":
        starts = [
            start[:-1] if body[:1] == b"}" and start[-1:] == b"," else start
            for start, body in zip(starts, bodies, strict=True)
        ]
    parts = [b"\n"] * (3 * len(bodies) - 1)
    parts[0::3] = starts
    parts[1::3] = bodies
    return b"".join(parts)


def enclose(data: bytes, before: bytes | list[bytes], after: bytes, between: bytes = b"") -> bytes:
    """`before`, the record, `after`; `between` from one to the next."""
    if not data:
        return b""
    if isinstance(before, bytes):
        return b"".join((before, data[:-1].replace(b"\n", after + between + before), after))
    lines = data[:-1].split(b"\n")
    parts = [after + between] * (3 * len(lines))
    parts[0::3] = before
    parts[1::3] = lines
    parts[-1] = after
    return b"".join(parts)


def quoted(data: bytes) -> list[bytes]:
    """Each line as the inside of a JSON string. Any text of whole lines will do."""
    if not data:
        return []
    if _MARK in data:
        return [orjson.dumps(line)[1:-1] for line in data.decode().split("\n")[:-1]]
    return orjson.dumps(data[:-1].replace(b"\n", _MARK).decode())[1:-1].split(_MARK)


def has_key(texts: Texts, key: str) -> list[bool] | None:
    """For each record whether it has `key`; None when none of them has it, which costs one look over the text."""
    if not any(spelling in texts.data for spelling in spellings(key)):
        return None
    found = [value is not MISSING for value in peek_one(texts, key)]
    return found if any(found) else None
