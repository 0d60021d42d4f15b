"""Parsers: one line of text → a record's body and its time. Pure.

`Parser` is what `[PARSER]` sections become (json, regex, ltsv, logfmt), with their time and their decoders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pillion.collector.parsers.building import build_parser
from pillion.collector.parsers.ruby import RubyRegex, compile_ruby

if TYPE_CHECKING:
    from pillion.collector.records import Body, Content, Lines

__all__ = ["Parser", "RubyRegex", "build_parser", "compile_ruby"]


class Parser(Protocol):
    @property
    def name(self) -> str: ...

    def parse(self, text: str, now: int) -> tuple[int, Body] | None:
        """The record's time in ns (`now` when the text has none) and its body; None when it does not match."""

    def parse_lines(self, lines: Lines) -> Content:
        """All of `lines`, in the cheapest form: a line that does not match stays a record `{lines.key: line}`
        (as the tail input of Fluent Bit keeps it)."""
