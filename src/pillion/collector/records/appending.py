"""The same members for every record of a chunk: written into the text where it can be."""

from __future__ import annotations

import json
import re

from pillion.collector.records.bodies import decode_body, encode_body, encode_value
from pillion.collector.records.content import Body, Content, Lines, Records, Texts
from pillion.collector.records.conversion import wrap
from pillion.collector.records.searching import contains
from pillion.collector.records.texts import count_lines, remember_lines

_END = re.compile(rb"\}\n")
"""re finds it in half the time that bytes.replace takes."""


def append_constants(content: Content, body: Body) -> Content:
    """Set the members of `body` in every record, at its end where they are new."""
    if not body:
        return content
    match content:
        case Records():
            for each in content.bodies:
                each.update(body)
            return content
        case Lines() if content.key not in body:
            return Texts(data=wrap(content, after=b"," + encode_body(body)[1:]), times=content.time)
        case Lines():
            return append_constants(Texts(data=wrap(content), times=content.time), body)
        case Texts():
            return Texts(data=_append(content.data, body), times=content.times)


def spellings(key: str) -> frozenset[bytes]:
    """How writers spell `key` in JSON: as it is, or in ASCII.

    A text without any of these does not have the key. (`"\\u0061"` for `"a"` is legal; nobody writes it, and a reader
    that meets the key twice takes the last.)
    """
    return frozenset({encode_value(key), json.dumps(key).encode()})


def _append(data: bytes, body: Body) -> bytes:
    tail = encode_body(body)[1:]
    keys = [spelling for key in body for spelling in spellings(key)]
    if not any(contains(data, key) for key in keys):
        return _append_everywhere(data, tail)
    # Some line may have one of the keys. Two of a name are legal JSON, and Elasticsearch refuses them.
    lines = data.split(b"\n")
    lines.pop()
    done = [
        encode_body({**decode_body(line), **body})
        if any(key in line for key in keys)
        else _append_everywhere(line + b"\n", tail)[:-1]
        for line in lines
    ]
    return b"\n".join([*done, b""])


def _append_everywhere(data: bytes, tail: bytes) -> bytes:
    """Every line ends in `}`, and a line's end is found nowhere else. After `{` a comma and a quote come from `{}`
    only: valid JSON has no such thing, and inside a string the quote would be escaped."""
    written = b"," + tail
    amount = count_lines(data)
    # Where every brace is a line's last byte, this is it: one byte is found far sooner than two.
    appended = data.replace(b"}", written, amount + 1)
    if len(appended) - len(data) != amount * (len(written) - 1):
        appended = _append_at_ends(data, written + b"\n")
    empty = b"{," + tail[: tail.index(b'"', 1) + 1]
    if contains(appended, empty):
        appended = appended.replace(empty, b"{" + empty[2:])
    remember_lines(appended, amount)
    return appended


def _append_at_ends(data: bytes, written: bytes) -> bytes:
    return _END.sub(lambda _: written, data) if b"\\" in written else _END.sub(written, data)
