"""Chunks as outputs write them in JSON: one object per line, one array, or one object after the other.

A body's own member of the date's name is what a reader finds, as in Fluent Bit, which writes the last of each name.
"""

from __future__ import annotations

import re

from pillion.collector.records.appending import spellings
from pillion.collector.records.bodies import decode_body, encode_bodies
from pillion.collector.records.content import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_texts, wrap
from pillion.collector.records.dates import Date, format_in_row, format_time, format_times
from pillion.collector.records.searching import contains
from pillion.collector.records.texts import count_lines

_START = re.compile(rb"\n\{")
"""Between two lines. A pattern that begins with one plain byte is found faster than bytes.replace finds two."""


def json_lines(content: Content, date: Date | None) -> bytes:
    """Each record on a line of its own, with a `\\n` after it (`json_lines`)."""
    if date is None:
        return as_texts(content).data
    match content:
        case Lines() if content.key == date.key:
            return wrap(content)
        case Lines():
            return wrap(content, before=b"{" + date.member + format_time(content.time, date.format) + b",")
        case Records():
            return _with_dates(encode_bodies(content.bodies), content.times, date)
        case Texts():
            return _with_dates(content.data, content.times, date)


def json_array(content: Content, date: Date | None) -> bytes:
    """All records in one array (`json`)."""
    return b"[" + json_lines(content, date)[:-1].replace(b"\n", b",") + b"]"


def json_stream(content: Content, date: Date | None) -> bytes:
    """One after the other with nothing between (`json_stream`)."""
    return json_lines(content, date).replace(b"\n", b"")


def _with_dates(data: bytes, times: int | list[int], date: Date) -> bytes:
    if not data:
        return b""
    if any(key in data[: data.index(b"\n")] for key in spellings(date.key)):
        return _with_dates_where_none(data, times, date)
    if isinstance(times, int):
        return _with_one_date(data, b"{" + date.member + format_time(times, date.format) + b",")
    return _with_each_date(data, times, date)


def _with_one_date(data: bytes, start: bytes) -> bytes:
    amount = count_lines(data)
    # Where every brace is a line's first byte, this is it: one byte is found far sooner than two.
    dated = data.replace(b"{", start, amount + 1)
    if len(dated) - len(data) != amount * (len(start) - 1):
        dated = b"".join((start, _START.sub(b"\n" + start.replace(b"\\", rb"\\"), data[1:])))
    empty = start + b"}"
    return dated.replace(empty, start[:-1] + b"}") if contains(dated, empty) else dated


def _with_each_date(data: bytes, times: list[int], date: Date) -> bytes:
    start = b"{" + date.member
    bodies = data.split(b"{", len(times) + 1)
    line = b""
    if len(bodies) == len(times) + 1:
        del bodies[0]
    else:  # some brace is not a line's first byte
        bodies = _START.split(data[1:])
        line = b"\n"
    if contains(data, b"{}"):
        pairs = zip(format_times(times, date.format), bodies, strict=True)
        return b"".join(
            [(line if index else b"") + start + when + (b"" if body[0] == _CLOSING else b",") + body
             for index, (when, body) in enumerate(pairs)]
        )  # fmt: skip
    dates = format_in_row(times, date.format)
    parts = [b""] * (2 * len(bodies))
    parts[0::2] = (start + dates.replace(b",", b",\0" + line + start) + b",").split(b"\0")
    parts[1::2] = bodies
    return b"".join(parts)


_CLOSING = ord("}")


def _with_dates_where_none(data: bytes, times: int | list[int], date: Date) -> bytes:
    """Records that look alike have the date's name as a key of their own, so that each has to be looked at."""
    lines = data.split(b"\n")
    lines.pop()
    dates = format_times([times] if isinstance(times, int) else times, date.format)
    if isinstance(times, int):
        dates *= len(lines)
    dated = [
        line
        if date.key in decode_body(line)
        else b"{" + date.member + when + (b"" if line == b"{}" else b",") + line[1:]
        for when, line in zip(dates, lines, strict=True)
    ]
    return b"\n".join([*dated, b""])
