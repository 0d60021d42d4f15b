"""Format json: a line that is one JSON object (Fluent Bit's src/flb_parser_json.c).

A buffer of such lines is looked through in C and stays text: the time is peeked at, and cut out where the parser does
not keep it. Lines that are no objects are wrapped, so that a mixed buffer stays text too.
"""

from __future__ import annotations

from itertools import compress
from typing import Any

import msgspec

from pillion.collector.parsers.cutting import cut_member
from pillion.collector.parsers.decoding import Decoders
from pillion.collector.parsers.linewise import parse_each
from pillion.collector.parsers.timing import TimeReader
from pillion.collector.records import (
    Body,
    Content,
    Lines,
    Texts,
    decode_body,
    encode_body,
    object_lines,
    object_text,
    object_values,
    peek_one,
)


class JsonParser(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    time: TimeReader | None
    time_key: str
    time_keep: bool
    decoders: Decoders | None

    def parse(self, text: str, now: int) -> tuple[int, Body] | None:
        """A time that cannot be read stays a field like others."""
        found = object_text(text.encode("utf-8", "replace"))
        if found is None:
            return None
        body = decode_body(found)
        if self.decoders is not None:
            body = self.decoders.decode(body)
        value = body.get(self.time_key) if self.time is not None else None
        if self.time is None or not isinstance(value, str):
            return now, body
        time = self.time.read(value, now)
        if time is None:
            return now, body
        if not self.time_keep:
            del body[self.time_key]
        return time, body

    def parse_lines(self, lines: Lines) -> Content:
        if self.decoders is not None:
            return parse_each(self.parse, lines)
        if self.time is not None and (values := object_values(lines.data, self.time_key)) is not None:
            return self._timed(lines.data, lines.time, values, self.time)
        if object_lines(lines.data) is None:
            return self._mixed(lines)
        return self._texts(lines.data, lines.time)

    def _texts(self, data: bytes, now: int) -> Texts:
        texts = Texts(data=data, times=now)
        return (
            texts if self.time is None else self._timed(data, now, peek_one(texts, self.time_key), self.time)
        )

    def _timed(self, data: bytes, now: int, values: list[Any], time: TimeReader) -> Texts:
        recalled = time.recall(values, now)
        if recalled is not None:
            if not self.time_keep:
                data = cut_member(data, self.time_key, values, [True] * len(values))
            return Texts(data=data, times=recalled)
        texts = [value if isinstance(value, str) else "" for value in values]
        read = time.read_all(texts, now)
        if any(value is not text for value, text in zip(values, texts, strict=True)):
            read = [
                at if value is text else None for at, value, text in zip(read, values, texts, strict=True)
            ]
        if not self.time_keep:
            data = cut_member(data, self.time_key, texts, [at is not None for at in read])
        return Texts(data=data, times=[now if at is None else at for at in read])

    def _mixed(self, lines: Lines) -> Content:
        """Some line is no object, or has white space at its edges."""
        texts = lines.data.split(b"\n")
        texts.pop()
        found = _objects(texts)
        objects = [text for text in found if text is not None]
        if not objects:
            return lines
        times: int | list[int] = lines.time
        if self.time is not None:
            timed = self._texts(b"\n".join([*objects, b""]), lines.time)
            done = iter(timed.data.split(b"\n"))
            found = [None if each is None else next(done) for each in found]
            if isinstance(timed.times, list):
                known = iter(timed.times)
                times = [lines.time if each is None else next(known) for each in found]
        merged = [
            encode_body({lines.key: text.decode()}) if each is None else each
            for each, text in zip(found, texts, strict=True)
        ]
        return Texts(data=b"\n".join([*merged, b""]), times=times)


def _objects(texts: list[bytes]) -> list[bytes | None]:
    """`object_text` of each: of those that look like objects together, if they all are."""
    alike = [text[:1] == b"{" and text[-1:] == b"}" for text in texts]
    candidates = list(compress(texts, alike))
    if not candidates or object_lines(b"\n".join([*candidates, b""])) is None:
        return [object_text(text) for text in texts]
    return [text if is_alike else object_text(text) for text, is_alike in zip(texts, alike, strict=True)]
