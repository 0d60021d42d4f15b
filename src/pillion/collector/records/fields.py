"""A look at a few top-level fields of every record of a chunk, without decoding the others."""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

from pillion.collector.records.content import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_records, count
from pillion.collector.records.texts import count_lines, has_object_edges

MISSING = msgspec.UNSET
"""Stands for a field that a record does not have (null is None)."""


_values = msgspec.structs.astuple
_UNUSUAL = re.compile(r'["\\\x00-\x1f]')


def peek(content: Content, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """For each record the values of the fields `names`, in their order; `MISSING` where there is none."""
    match content:
        case Records():
            return [tuple([body.get(name, MISSING) for name in names]) for body in content.bodies]
        case Lines() if content.key not in names:
            return [(MISSING,) * len(names)] * count(content)
        case Lines():
            lines = content.data.decode().split("\n")
            lines.pop()
            return [tuple([line if name == content.key else MISSING for name in names]) for line in lines]
        case Texts():
            found = _decode(content.data, names)
            return peek(as_records(content), names) if found is None else list(map(_values, found))


def peek_one(content: Content, name: str) -> list[Any]:
    """As `peek`, for one field."""
    if isinstance(content, Texts) and (found := _decode(content.data, (name,))) is not None:
        return [each.f0 for each in found]
    return [value for (value,) in peek(content, (name,))]


def object_values(data: bytes, name: str) -> list[Any] | None:
    """The field `name` of every line, if `data` can be the data of a `Texts` as it is: `object_lines` and `peek_one` in
    one. None if it cannot, or if the two have to be asked."""
    if not has_object_edges(data):
        return None
    found = _decode(data, (name,))
    return [each.f0 for each in found] if found is not None and len(found) == count_lines(data) else None


def _decode(data: bytes, names: tuple[str, ...]) -> list[Any] | None:
    """None when it cannot be done in this way: a number beyond every double, a name that msgspec cannot look for."""
    if any(_UNUSUAL.search(name) for name in names):
        return None
    try:
        return _decoder(names).decode_lines(data)
    except (msgspec.DecodeError, RecursionError):
        return None


@functools.lru_cache(maxsize=64)
def _decoder(names: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    fields = {f"f{index}": name for index, name in enumerate(names)}
    shape = msgspec.defstruct("Fields", [(field, Any, MISSING) for field in fields], rename=fields, gc=False)
    return msgspec.json.Decoder(shape)
