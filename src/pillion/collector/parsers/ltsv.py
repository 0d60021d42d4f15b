"""Format ltsv: `label:value`, with tabs between them (Fluent Bit's src/flb_parser_ltsv.c, http://ltsv.org)."""

from __future__ import annotations

import re

import msgspec

from pillion.collector.parsers.casting import Cast
from pillion.collector.parsers.decoding import Decoders
from pillion.collector.parsers.linewise import parse_each
from pillion.collector.parsers.timing import TimeReader
from pillion.collector.records import Body, Content, Lines

_FIELD = re.compile(r"([0-9A-Za-z_.-]*):([^\0\t\n\r]*)\t?")


class LtsvParser(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    time: TimeReader | None
    time_key: str
    time_keep: bool
    time_strict: bool
    casts: dict[str, Cast]
    decoders: Decoders | None

    def parse(self, text: str, now: int) -> tuple[int, Body] | None:
        """It matches if there is a field (the time's does not count unless it is kept) and its time can be read."""
        time = now
        body: Body = {}
        at = 0
        while (found := _FIELD.match(text, at)) is not None:
            label, value = found.groups()
            at = found.end()
            if not label:
                continue
            if self.time is not None and label == self.time_key and value:
                read = self.time.read(value, now)
                if read is not None:
                    time = read
                elif self.time_strict:
                    return None
                if not self.time_keep:
                    continue
            cast = self.casts.get(label)
            body[label] = value if cast is None else cast(value)
        if not body:
            return None
        return time, body if self.decoders is None else self.decoders.decode(body)

    def parse_lines(self, lines: Lines) -> Content:
        return parse_each(self.parse, lines)
