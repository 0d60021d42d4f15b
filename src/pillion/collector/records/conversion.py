"""From one form of a chunk to another, and what can be done with a chunk whatever its form is."""

from __future__ import annotations

from itertools import compress

import orjson

from pillion.collector.records.bodies import decode_body, encode_bodies
from pillion.collector.records.content import Body, Content, Lines, Records, Texts
from pillion.collector.records.texts import count_lines, remember_lines

_MARK = b"\x7f"
"""Stands for a line's end while all lines are escaped at once: JSON leaves DEL as it is."""


def as_texts(content: Content) -> Texts:
    match content:
        case Texts():
            return content
        case Lines():
            return Texts(data=wrap(content), times=content.time)
        case Records():
            return Texts(data=encode_bodies(content.bodies), times=content.times)


def as_records(content: Content) -> Records:
    match content:
        case Records():
            return content
        case Lines():
            lines = content.data.decode().split("\n")
            lines.pop()
            return Records(times=[content.time] * len(lines), bodies=[{content.key: line} for line in lines])
        case Texts():
            bodies = decode_texts(content.data)
            return Records(times=times(content, len(bodies)), bodies=bodies)


def decode_texts(data: bytes) -> list[Body]:
    """The bodies of a `Texts`' data."""
    lines = data.split(b"\n")
    lines.pop()
    try:
        return list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        return list(map(decode_body, lines))


def times(content: Content, amount: int | None = None) -> list[int]:
    """Each record's time in ns; `amount` spares counting them."""
    if isinstance(content, Records):
        return content.times
    one = content.time if isinstance(content, Lines) else content.times
    if isinstance(one, list):
        return one
    return [one] * (count(content) if amount is None else amount)


def wrap(lines: Lines, *, before: bytes = b"{", ending: bytes = b"", after: bytes = b"}") -> bytes:
    """`lines` as JSON objects `{key: line}`, one per line: escaped in one go, not line by line.

    `before` and `after` stand around the one member, for those who have more of them to say; `ending` ends each line's
    string, escaped as JSON wants it.
    """
    data = lines.data
    if not data:
        return b""
    before += orjson.dumps(lines.key) + b':"'
    after = ending + b'"' + after + b"\n"
    if _MARK in data:
        return b"".join(
            [before + orjson.dumps(line)[1:-1] + after for line in data.decode().split("\n")[:-1]]
        )
    # A quote, each line with its mark, a quote.
    escaped = orjson.dumps(data.replace(b"\n", _MARK).decode())
    wrapped = memoryview(escaped.replace(_MARK, after + before))
    return b"".join((before, wrapped[1 : -len(before) - 1]))


def count(content: Content) -> int:
    """How many records."""
    match content:
        case Records():
            return len(content.bodies)
        case Lines():
            return count_lines(content.data)
        case Texts():
            each = content.times
            return len(each) if isinstance(each, list) else count_lines(content.data)


def size(content: Content) -> int:
    """Bytes, as nearly as the form tells: of the lines, or of the JSON text. Writes `Records` to find out."""
    return len(content.data) if not isinstance(content, Records) else len(encode_bodies(content.bodies))


def join(contents: list[Content]) -> Content:
    """One chunk of at least one chunk, the records in the order of both. In the cheapest form that holds them all."""
    first, *others = contents
    if not others:
        return first
    if isinstance(first, Lines) and all(
        isinstance(other, Lines) and other.time == first.time and other.key == first.key for other in others
    ):
        return Lines(
            data=b"".join([content.data for content in contents if isinstance(content, Lines)]),
            time=first.time,
            key=first.key,
        )
    if all(isinstance(content, Records) for content in contents):
        records = [content for content in contents if isinstance(content, Records)]
        return Records(
            times=[time for content in records for time in content.times],
            bodies=[body for content in records for body in content.bodies],
        )
    texts = [as_texts(content) for content in contents]
    return Texts(data=b"".join([content.data for content in texts]), times=_joined_times(texts))


def _joined_times(texts: list[Texts]) -> int | list[int]:
    distinct = {content.times for content in texts if isinstance(content.times, int)}
    if len(distinct) == 1 and not any(isinstance(content.times, list) for content in texts):
        return distinct.pop()
    return [time for content in texts for time in times(content)]


def split_in_half(content: Content) -> tuple[Content, Content]:
    """Two chunks of about the same size, neither empty. Raises ValueError when there are not two records."""
    if isinstance(content, Records):
        middle = len(content.bodies) // 2
        if not middle:
            raise ValueError("fewer than two records cannot be halved")
        return (
            Records(times=content.times[:middle], bodies=content.bodies[:middle]),
            Records(times=content.times[middle:], bodies=content.bodies[middle:]),
        )
    data = content.data
    end = data.find(b"\n", len(data) // 2, len(data) - 1) + 1
    if not end:
        end = data.rfind(b"\n", 0, max(0, len(data) - 1)) + 1
    if not end:
        raise ValueError("fewer than two records cannot be halved")
    if isinstance(content, Lines):
        return (
            Lines(data=data[:end], time=content.time, key=content.key),
            Lines(data=data[end:], time=content.time, key=content.key),
        )
    if isinstance(content.times, int):
        return (
            Texts(data=data[:end], times=content.times),
            Texts(data=data[end:], times=content.times),
        )
    middle = data.count(b"\n", 0, end)
    return (
        Texts(data=data[:end], times=content.times[:middle]),
        Texts(data=data[end:], times=content.times[middle:]),
    )


def select(content: Content, keep: list[bool]) -> Content | None:
    """The records whose `keep` is true (there is one for each record); None when none is."""
    if not any(keep):
        return None
    if all(keep):
        return content
    if isinstance(content, Records):
        return Records(times=list(compress(content.times, keep)), bodies=list(compress(content.bodies, keep)))
    data = b"\n".join([*compress(content.data.split(b"\n"), keep), b""])
    remember_lines(data, sum(keep))
    if isinstance(content, Lines):
        return Lines(data=data, time=content.time, key=content.key)
    if isinstance(content.times, int):
        return Texts(data=data, times=content.times)
    return Texts(data=data, times=list(compress(content.times, keep)))
