"""Chunks as Fluent's msgpack: `[[time, {}], body]` one after the other (Fluent Bit's chunk format since 2.1), or
`[time, body]`, which every Fluentd understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.collector.records.bodies import decode_body, encode_body
from pillion.collector.records.content import Content
from pillion.collector.records.conversion import as_records

if TYPE_CHECKING:
    import msgpack

_EVENT_TIME = 0
"""The extension type of Fluentd's EventTime: seconds and nanoseconds, 32 bits each, big endian."""


def event_time(time: int) -> msgpack.ExtType:
    """`time` (ns), which 32 bits of seconds can say until 2106."""
    import msgpack

    seconds, rest = divmod(time, 1_000_000_000)
    return msgpack.ExtType(_EVENT_TIME, (seconds & 0xFFFFFFFF).to_bytes(4, "big") + rest.to_bytes(4, "big"))


def pack_events(content: Content, *, metadata: bool = True) -> bytes:
    """All events, one after the other. `metadata`: the time is in a pair with an empty map, as in Fluent Bit."""
    import msgpack

    records = as_records(content)
    packed = []
    for time, body in zip(records.times, records.bodies, strict=True):
        when = event_time(time)
        entry = [[when, {}], body] if metadata else [when, body]
        try:
            packed.append(msgpack.packb(entry, unicode_errors="replace"))
        except (
            OverflowError
        ):  # an integer that no msgpack integer can hold: a double, as JSON's writers have it
            packed.append(msgpack.packb([entry[0], decode_body(encode_body(body))]))
    return b"".join(packed)
