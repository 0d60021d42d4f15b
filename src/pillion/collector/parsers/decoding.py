"""`Decode_Field` and `Decode_Field_As`: fields whose text is encoded once more.

Source: Fluent Bit's src/flb_parser_decoder.c (`flb_parser_decoder_do`, `flb_parser_decoder_list_create`). It loses what
all but the last of several `Decode_Field` gave; here they all add up.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Entry
from pillion.collector.parsers.escapes import unescape, unescape_unicode, unquote_mysql
from pillion.collector.records import Body

_FAILED = object()


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `replaces`: Decode_Field_As."""

    replaces: bool
    decode: Callable[[str], Any]
    """The text, or a map or an array; `_FAILED`."""
    then: Literal["", "try_next", "do_next"]


class Decoders:
    """All rules of one parser, by field."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        """Raises ConfigurationError."""
        self._rules: dict[str, list[Rule]] = {}
        for entry in entries:
            field, rule = _rule(entry)
            self._rules.setdefault(field, []).append(rule)

    def decode(self, body: Body) -> Body:
        """The body with its fields decoded; the same one, changed."""
        more: Body = {}
        for field in [field for field in body if field in self._rules]:
            if isinstance(text := body[field], str):
                body[field] = _apply(self._rules[field], text, more)
        for name, value in more.items():
            # Of two members of a name Fluent Bit's writers keep the one that came last, in its place.
            body.pop(name, None)
            body[name] = value
        return body


def _apply(rules: list[Rule], text: str, more: Body) -> Any:
    """The field's new value; what becomes fields of their own is put into `more`."""
    value: Any = text
    has_more = False
    for rule in rules:
        if (not rule.replaces and rule.then == "do_next" and has_more) or not isinstance(value, str):
            continue
        decoded = rule.decode(value)
        if decoded is _FAILED:
            if rule.then:
                continue
            break
        if rule.replaces:
            value = decoded
        else:
            has_more = True
            if isinstance(decoded, dict):
                more.update(decoded)
        if rule.then != "do_next":
            break
    return value


def _json(text: str) -> Any:
    """A map or an array, its quotes and line ends escaped or not: Docker writes them both ways. Fluent Bit always takes
    escapes out first, which breaks a text that has them inside its strings; that one is read as it stands."""
    for candidate in (unescape(text), text):
        if candidate[:1] in ("{", "["):
            try:
                return json.loads(candidate, strict=False)
            except (ValueError, RecursionError):
                continue
    return _FAILED


_DECODERS: dict[str, Callable[[str], Any]] = {
    "json": _json, "escaped": unescape, "escaped_utf8": unescape_unicode, "mysql_quoted": unquote_mysql,
}  # fmt: skip


def _rule(entry: Entry) -> tuple[str, Rule]:
    complaint = f"{entry.place}: [PARSER] {entry.key}: "
    if len(entry.words) < len(("json", "field")):
        raise ConfigurationError(complaint + "wants a decoder and a field, as in `json log`")
    name, field, *rest = entry.words
    decode = _DECODERS.get(name.lower())
    if decode is None:
        raise ConfigurationError(complaint + f"there is no decoder {name}; there are {', '.join(_DECODERS)}")
    action = rest[0].lower() if rest else ""
    then: Literal["", "try_next", "do_next"] = (
        "try_next" if action == "try_next" else "do_next" if action == "do_next" else ""
    )
    return field, Rule(replaces=entry.key == "decode_field_as", decode=decode, then=then)
