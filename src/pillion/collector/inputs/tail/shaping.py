"""From whole lines to contents: parsed or under their key, with the file's path and offset when asked for. Pure.

The order of keys is Fluent Bit's: path and offset before an unparsed line, behind the fields of a parsed one
(flb_tail_file_pack_line, flb_tail_pack_line_map). A buffer of lines is never taken apart where it need not be.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pillion.collector.inputs.tail.encoding import Encoding
from pillion.collector.inputs.tail.splitting import Fragment, Run
from pillion.collector.parsers import Parser
from pillion.collector.records import (
    Body,
    Content,
    Lines,
    Records,
    Texts,
    append_constants,
    encode_body,
    wrap,
)

_EMPTY = re.compile(rb"\n\n+")
_CARRIAGE = re.compile(rb"(?<=[^\n])\r\n")
"""A carriage return before a line's end is no part of the line, unless it is all of it (process_content)."""


class Cleaned(msgspec.Struct, frozen=True):
    """Lines in UTF-8, and how many of them were not."""

    data: bytes
    invalid: int = 0


def clean(data: bytes) -> Cleaned:
    """What is not UTF-8 becomes U+FFFD."""
    if data.isascii():
        return Cleaned(data)
    try:
        data.decode()
    except UnicodeDecodeError:
        repaired = [line.decode(errors="replace").encode() for line in data.split(b"\n")]
        invalid = sum(line != was for line, was in zip(repaired, data.split(b"\n"), strict=True))
        return Cleaned(b"\n".join(repaired), invalid)
    return Cleaned(data)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says of every line."""

    key: str = "log"
    parser: Parser | None = None
    path_key: str = ""
    offset_key: str = ""
    skip_empty_lines: bool = False

    def before(self, path: str, offset: int) -> Body:
        """What every record says of its file."""
        body: Body = {}
        if self.path_key:
            body[self.path_key] = path
        if self.offset_key:
            body[self.offset_key] = offset
        return body


class Shaped(msgspec.Struct, frozen=True):
    content: Content | None
    """None when all of its lines are left out."""
    invalid: int = 0


def shape_run(run: Run, shape: Shape, encoding: Encoding, *, path: str, now: int) -> Shaped:
    """The records of some lines; `now` in nanoseconds."""
    cleaned = clean(encoding.decoded(run.data))
    data = cleaned.data if cleaned.data.endswith(b"\n") else cleaned.data + b"\n"
    if shape.offset_key:
        return Shaped(_one_by_one(data, run, shape, encoding, path=path, now=now), cleaned.invalid)
    data = tidy(data, skip_empty_lines=shape.skip_empty_lines)
    if not data:
        return Shaped(None, cleaned.invalid)
    return Shaped(_together(data, shape, path=path, now=now), cleaned.invalid)


def tidy(data: bytes, *, skip_empty_lines: bool) -> bytes:
    """Lines without their carriage returns; without the empty ones when they are not wanted."""
    if skip_empty_lines:
        data = data.replace(b"\r\n", b"\n") if b"\r" in data else data
        return _EMPTY.sub(b"\n", data).removeprefix(b"\n")
    return _CARRIAGE.sub(b"\n", data) if b"\r" in data else data


def shape_fragment(fragment: Fragment, shape: Shape, encoding: Encoding, *, path: str, now: int) -> Shaped:
    """A part of a long line, marked as Docker marks them, so that Fluent Bit's multiline filter can join it again
    (`mode partial_message`)."""
    cleaned = clean(encoding.decoded(fragment.data))
    text = cleaned.data.decode()
    body = shape.before(path, fragment.line_start) | {
        shape.key: text.removesuffix("\r") if fragment.is_last else text,
        "partial_message": "true",
        "partial_id": f"{path}:{fragment.line_start}",
        "partial_ordinal": str(fragment.ordinal),
        "partial_last": "true" if fragment.is_last else "false",
    }
    return Shaped(Records(times=[now], bodies=[body]), cleaned.invalid)


def _together(data: bytes, shape: Shape, *, path: str, now: int) -> Content:
    lines = Lines(data=data, time=now, key=shape.key)
    if shape.parser is None:
        if shape.path_key:
            return Texts(data=wrap(lines, before=encode_body({shape.path_key: path})[:-1] + b","), times=now)
        return lines
    parsed = shape.parser.parse_lines(lines)
    return append_constants(parsed, {shape.path_key: path}) if shape.path_key else parsed


def _records(texts: list[str], shape: Shape, *, path: str, now: int, offsets: list[int]) -> Records:
    times: list[int] = []
    bodies: list[Body] = []
    for number, text in enumerate(texts):
        said = shape.before(path, offsets[number])
        parsed = shape.parser.parse(text, now) if shape.parser else None
        times.append(parsed[0] if parsed else now)
        bodies.append(parsed[1] | said if parsed else said | {shape.key: text})
    return Records(times=times, bodies=bodies)


def _one_by_one(
    data: bytes, run: Run, shape: Shape, encoding: Encoding, *, path: str, now: int
) -> Records | None:
    """With its offset, every record is different. The offset is where the line begins."""
    raw = run.data.split(b"\n") if encoding.width == 1 else []
    texts: list[str] = []
    offsets: list[int] = []
    at = run.start
    for number, line in enumerate(data.split(b"\n")[:-1]):
        kept = tidy(line + b"\n", skip_empty_lines=shape.skip_empty_lines)
        if kept:
            texts.append(kept[:-1].decode())
            offsets.append(at)
        at += (len(raw[number]) if raw else encoding.length(line)) + encoding.width
    return _records(texts, shape, path=path, now=now, offsets=offsets) if texts else None


def said_of_message(body: Body, shape: Shape, *, path: str, offset: int) -> dict[str, Any]:
    """A joined message with what is said of its file, behind its own fields (record_append_custom_keys)."""
    return body | shape.before(path, offset)
