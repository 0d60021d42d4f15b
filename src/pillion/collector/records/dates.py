"""A record's time as outputs write it: Fluent Bit's `json_date_key` and `json_date_format` (src/flb_pack.c,
`flb_pack_msgpack_to_json_format`)."""

from __future__ import annotations

import datetime
from typing import Literal, TypeAlias, assert_never

import msgspec
import orjson

from pillion.collector.records.bodies import encode_value

DateFormat: TypeAlias = Literal["double", "epoch", "epoch_ms", "iso8601", "java_sql_timestamp"]

DATE_FORMATS: dict[str, DateFormat] = {
    "double": "double", "epoch": "epoch", "epoch_ms": "epoch_ms", "epoch_millis": "epoch_ms",
    "epoch_milliseconds": "epoch_ms", "iso8601": "iso8601", "java_sql_timestamp": "java_sql_timestamp",
}  # fmt: skip
"""Fluent Bit's words for them, read without regard to case."""

_OFF = frozenset({"false", "off", "no"})
_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799
"""The first second of year 1 and the last of year 9999: what a date can be written for."""


class Date(msgspec.Struct, frozen=True, kw_only=True):
    """The member that says when: first in its object."""

    key: str = "date"
    format: DateFormat = "double"

    @property
    def member(self) -> bytes:
        """`"date":`"""
        return encode_value(self.key) + b":"


def parse_date(key: str, date_format: str) -> Date | None:
    """From a plugin's settings; None when the key is empty or false. Raises KeyError for a format there is not."""
    chosen = DATE_FORMATS[date_format.lower()]
    return None if not key or key.lower() in _OFF else Date(key=key, format=chosen)


def format_time(time: int, date_format: DateFormat) -> bytes:
    """`time` (ns) as JSON text."""
    return format_times([time], date_format)[0]


def format_times(times: list[int], date_format: DateFormat) -> list[bytes]:
    """Each of `times` (ns) as JSON text."""
    return format_in_row(times, date_format).split(b",") if times else []


def format_in_row(times: list[int], date_format: DateFormat) -> bytes:
    """`times` (ns) as JSON texts, a comma between each two; there is none inside of them.

    A double has sixteen digits in Fluent Bit, which is microseconds from 2001 to 2286: so many are written here.
    """
    match date_format:
        case "double":
            return orjson.dumps([(time + 500) // 1000 / 1e6 for time in times])[1:-1]
        case "epoch":
            return orjson.dumps([time // 1_000_000_000 for time in times])[1:-1]
        case "epoch_ms":
            return orjson.dumps([time // 1_000_000 for time in times])[1:-1]
        case "iso8601":
            return b",".join(_calendar(times, "T", 'Z"'))
        case "java_sql_timestamp":
            return b",".join(_calendar(times, " ", '"'))
        case _:
            assert_never(date_format)


def _calendar(times: list[int], between: str, end: str) -> list[bytes]:
    """Neighbours share their second more often than not."""
    last, text = None, ""
    formatted = []
    for time in times:
        second, rest = divmod(time, 1_000_000_000)
        if second != last:
            last, text = second, '"' + utc(second).strftime(f"%Y-%m-%d{between}%H:%M:%S.").rjust(20, "0")
        formatted.append(f"{text}{rest // 1000:06d}{end}".encode())
    return formatted


def utc(second: int) -> datetime.datetime:
    """Seconds since the epoch as a date, kept within what dates there are."""
    return datetime.datetime.fromtimestamp(min(max(second, _EARLIEST), _LATEST), datetime.UTC)
