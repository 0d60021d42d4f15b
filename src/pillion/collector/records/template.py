"""Texts with record accessors in them: `app.$level.$TAG[1].$1`.

Source: Fluent Bit's src/flb_record_accessor.c (`ra_parse_buffer`, `flb_ra_translate`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from pillion.collector.records.accessor import Accessor, parse_accessor
from pillion.collector.records.bodies import as_text, encode_value
from pillion.collector.records.content import Body
from pillion.collector.records.fields import MISSING

_PART = re.compile(
    r"""\$(?:
        (?P<capture>[0-9])
      | TAG\[(?P<part>[0-9]+)\]
      | (?P<tag>TAG)
      | (?P<accessor>(?:'[^']*'|[^\s.,"$'])+)
    )""",
    re.VERBOSE,
)
"""An accessor ends where a quote outside its quotes, a dot, a comma or a space begins; a digit is a regex's group."""


class Capture(msgspec.Struct, frozen=True):
    """What the regex's group `number` matched; 0 is all of it."""

    number: int


class TagPart(msgspec.Struct, frozen=True):
    """The tag, or with `index` the part of it between two dots."""

    index: int | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    parts: tuple[str | Accessor | Capture | TagPart, ...]

    @property
    def is_constant(self) -> bool:
        """The same for every record of a tag."""
        return all(isinstance(part, str | TagPart) for part in self.parts)

    def render(self, tag: str, body: Body, captures: Sequence[str | None] = ()) -> str:
        """What is not there leaves nothing."""
        return "".join([_written(part, tag, body, captures) or "" for part in self.parts])

    def render_complete(self, tag: str, body: Body, captures: Sequence[str | None] = ()) -> str | None:
        """As `render`; None when the record lacks one of the fields."""
        written = [_written(part, tag, body, captures) for part in self.parts]
        return None if None in written else "".join([text for text in written if text is not None])


def parse_template(text: str) -> Template:
    """Raises ValueError, with what is wrong."""
    parts: list[str | Accessor | Capture | TagPart] = []
    end = 0
    for found in _PART.finditer(text):
        if found.start() > end:
            parts.append(text[end : found.start()])
        if found["capture"]:
            parts.append(Capture(int(found["capture"])))
        elif found["part"]:
            parts.append(TagPart(int(found["part"])))
        elif found["tag"]:
            parts.append(TagPart())
        else:
            parts.append(parse_accessor(found[0]))
        end = found.end()
    if end < len(text):
        parts.append(text[end:])
    return Template(parts=tuple(parts))


def value_text(value: Any) -> str:
    """A value inside a text: strings as they are, maps and arrays as JSON, doubles with six decimals (C's `%f`)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, float):
        return f"{value:f}"
    return encode_value(value).decode()


def _written(
    part: str | Accessor | Capture | TagPart, tag: str, body: Body, captures: Sequence[str | None]
) -> str | None:
    match part:
        case str():
            return part
        case Accessor():
            value = part.get(body)
            return None if value is MISSING else value_text(value)
        case Capture():
            return (captures[part.number] or "") if part.number < len(captures) else ""
        case TagPart(index=None):
            return tag
        case TagPart():
            parts = tag.split(".")
            return parts[part.index] if part.index is not None and part.index < len(parts) else ""
