"""What a chunk holds: `Lines` no stage has looked into, `Texts` already JSON, or `Records` fully decoded.

Times are nanoseconds since the epoch. An `int` in place of a list is the time of every record of the chunk.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

Body: TypeAlias = dict[str, Any]
"""A record's map. Values are what JSON has, and `bytes` where the source had binary data (forward's msgpack `bin`)."""


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Lines as they were read: the records are `{key: line}`.

    `data` is valid UTF-8, each line ended by one `\\n` (a `\\r` before it is gone). A line may be empty: looking for
    those would cost more than reading the file.
    """

    data: bytes
    time: int
    key: str = "log"


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """Records as JSON text: `data` is valid UTF-8, one object per line, each from `{` to `}` and ended by one `\\n`.

    Whoever builds one has checked that every line is a valid JSON object (`texts.py` does). White space between tokens
    is as the writer left it: it has no meaning (RFC 8259, section 2), and taking it out would cost more than everything
    else. Only an object without members has none: it is `{}`.
    """

    data: bytes
    times: int | list[int]


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """Decoded records: `times[i]` belongs to `bodies[i]`. The bodies are the holder's own to change."""

    times: list[int]
    bodies: list[Body]


Content: TypeAlias = Lines | Texts | Records
