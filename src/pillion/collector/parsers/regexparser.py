"""Format regex: the named groups become fields (Fluent Bit's src/flb_parser_regex.c)."""

from __future__ import annotations

import msgspec

from pillion.collector.parsers.casting import Cast
from pillion.collector.parsers.decoding import Decoders
from pillion.collector.parsers.linewise import parse_each
from pillion.collector.parsers.ruby import RubyRegex
from pillion.collector.parsers.timing import TimeReader
from pillion.collector.records import Body, Content, Lines


class RegexParser(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    regex: RubyRegex
    time: TimeReader | None
    time_key: str
    time_keep: bool
    casts: dict[str, Cast]
    decoders: Decoders | None
    skip_empty: bool

    def parse(self, text: str, now: int) -> tuple[int, Body] | None:
        """A time that cannot be read takes its field along, but not the others."""
        found = self.regex.pattern.search(text)
        if found is None or not self.regex.names:
            return None
        time = now
        body: Body = {}
        for name, numbers in self.regex.names:
            for number in numbers:
                value = found[number] or ""
                if not value and self.skip_empty:
                    continue
                if self.time is not None and name == self.time_key:
                    read = self.time.read(value, now)
                    if read is not None:
                        time = read
                    if read is None or not self.time_keep:
                        continue
                cast = self.casts.get(name)
                body[name] = value if cast is None else cast(value)
        return time, body if self.decoders is None else self.decoders.decode(body)

    def parse_lines(self, lines: Lines) -> Content:
        return parse_each(self.parse, lines)
