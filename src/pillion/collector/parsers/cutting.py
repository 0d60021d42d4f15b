"""Taking one member out of JSON objects without decoding them, where that is certain to be right."""

from __future__ import annotations

import functools
import re
from operator import itemgetter

from pillion.collector.records import contains, decode_body, encode_body, encode_value


def cut_member(data: bytes, key: str, values: list[str], cut: list[bool]) -> bytes:
    """`data` of a `Texts` without its member `key`, where `cut`; `values` are its strings there."""
    name = encode_value(key)
    if all(cut):
        rest = _cut_alike(data, name, values)
        if rest is None:
            rest = _cut_first_members(data, name, len(cut))
        if rest is not None:
            return rest
    lines = data.split(b"\n")
    lines.pop()
    done = [
        _cut_line(line, key, name, value) if wanted else line
        for line, value, wanted in zip(lines, values, cut, strict=True)
    ]
    return b"\n".join([*done, b""])


def _cut_alike(data: bytes, name: bytes, values: list[str]) -> bytes | None:
    """If every line begins with the member, all of one length and written alike, with no brace but a line's first."""
    pieces = data.split(b"{", len(values) + 1)
    if len(pieces) != len(values) + 1:
        return None
    del pieces[0]
    for colon, comma in ((b': "', b'", "'), (b':"', b'","')):
        if pieces[0].startswith(name + colon):
            length = len(name + colon + values[0].encode() + comma)
            begins = b"".join(map(itemgetter(slice(None, length)), pieces))
            alike = (comma + name + colon).decode().join(values).encode()
            if begins == name + colon + alike + comma:
                rest = b'{"' + b'{"'.join(map(itemgetter(slice(length, None)), pieces))
                return None if contains(rest, name) else rest
    return None


def _cut_first_members(data: bytes, name: bytes, amount: int) -> bytes | None:
    """In one pass, if it is the first member of every line, not the only one, and the key is found nowhere else."""
    if not data.startswith(b"{" + name):
        return None
    rest, found = _first_member(name).subn(b"\n{", b"\n" + data)
    return rest[1:] if found == amount and not contains(rest, name) else None


@functools.lru_cache(maxsize=16)
def _first_member(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\n\{" + re.escape(name) + rb' ?: ?"[^"\\\n]*+" ?, ?(?=")')


def _cut_line(line: bytes, key: str, name: bytes, value: str) -> bytes:
    at = line.find(name)
    # Before it no object begins but the line's own, so that this is a key (or a value) of the line's object.
    if at > 0 and line.find(name, at + 1) < 0 and line.find(b"{", 1, at) < 0:
        end = _end_of_member(line, at + len(name), value)
        if end > 0:
            return _without(line, at, end)
    body = decode_body(line)
    del body[key]
    return encode_body(body)


def _end_of_member(line: bytes, at: int, value: str) -> int:
    """Where the member `: "value"` ends that goes on at `at`; -1 if it is not written so."""
    for colon in (b":", b": "):
        written = colon + b'"' + value.encode() + b'"'
        if line.startswith(written, at):
            return at + len(written)
    return -1


def _without(line: bytes, start: int, end: int) -> bytes:
    before, after = line[:start].rstrip(b" \t\r"), line[end:].lstrip(b" \t\r")
    if after.startswith(b","):
        return line[:start] + after[1:].lstrip(b" \t\r")
    return before.removesuffix(b",").rstrip(b" \t\r") + after
