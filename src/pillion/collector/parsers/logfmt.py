"""Format logfmt: `key=value other="with \\"spaces\\"" bare` (Fluent Bit's src/flb_parser_logfmt.c,
https://brandur.org/logfmt)."""

from __future__ import annotations

import re

import msgspec

from pillion.collector.parsers.casting import Cast
from pillion.collector.parsers.decoding import Decoders
from pillion.collector.parsers.escapes import unescape_unicode
from pillion.collector.parsers.linewise import parse_each
from pillion.collector.parsers.timing import TimeReader
from pillion.collector.records import Body, Content, Lines

_PAIR = re.compile(
    r"""
    [\x00-\x20="]*                        # whatever is no name
    ([^\x00-\x20="]+)                     # the name
    (?:(=)
       (?: "((?:[^"\\]|\\.|\\\Z)*)"?      # a quoted value; the closing quote may be missing
         | ([^\x00-\x20="]*) )
    )?
    """,
    re.VERBOSE | re.DOTALL,
)


class LogfmtParser(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    time: TimeReader | None
    time_key: str
    time_keep: bool
    time_strict: bool
    casts: dict[str, Cast]
    decoders: Decoders | None
    no_bare_keys: bool

    def parse(self, text: str, now: int) -> tuple[int, Body] | None:
        """A name without a value is true. It matches if there is a field besides a time that is not kept, and the time
        can be read."""
        time = now
        body: Body = {}
        at = 0
        while (found := _PAIR.match(text, at)) is not None:
            name, equals, quoted, plain = found.groups()
            at = found.end()
            value = quoted or plain or ""
            if self.no_bare_keys and equals is None:
                return None
            if self.time is not None and name == self.time_key and value:
                read = self.time.read(value, now)
                if read is not None:
                    time = read
                elif self.time_strict:
                    return None
            if self.time is None or name != self.time_key or not value or self.time_keep:
                body[name] = self._value(name, value, is_quoted=quoted is not None)
            if text[at : at + 1] in ("\r", "\n"):
                break
        if not body:
            return None
        return time, body if self.decoders is None else self.decoders.decode(body)

    def _value(self, name: str, value: str, *, is_quoted: bool) -> object:
        if self.casts:
            cast = self.casts.get(name)
            return value if cast is None else cast(value)
        if not value:
            return "" if is_quoted else True
        return unescape_unicode(value) if is_quoted else value

    def parse_lines(self, lines: Lines) -> Content:
        return parse_each(self.parse, lines)
