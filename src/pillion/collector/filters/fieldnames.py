"""The fields that filters' settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.parsers import RubyRegex, compile_ruby
from pillion.collector.records import Accessor, Body, Content, as_records, parse_template, peek_one


def parse_field(text: str) -> Accessor:
    """`$key['sub']`; without a `$` the name of a top-level field as it is.

    Of `$a.b` Fluent Bit reads no more than `$a` (src/flb_record_accessor.c, `ra_parse_buffer`). Raises ValueError.
    """
    if not text.startswith("$"):
        if not text:
            raise ValueError("a key is missing")
        return Accessor(key=text)
    parts = parse_template(text).parts
    if not parts or not isinstance(parts[0], Accessor):
        raise ValueError(f"{text!r} names no field of a record")
    return parts[0]


def configured_field(text: str, about: str) -> Accessor:
    """As `parse_field`, raising ConfigurationError; `about` is `FILE:LINE: key`."""
    try:
        return parse_field(text)
    except ValueError as error:
        raise ConfigurationError(f"{about}: {error}") from None


def configured_regex(pattern: str, about: str) -> RubyRegex:
    """Raises ConfigurationError."""
    try:
        return compile_ruby(pattern)
    except ValueError as error:
        raise ConfigurationError(f"{about}: {error}") from None


def values(content: Content, field: Accessor) -> list[Any]:
    """The field of every record, `MISSING` where there is none; records are decoded only for fields inside others."""
    if not field.steps:
        return peek_one(content, field.key)
    return list(map(field.get, as_records(content).bodies))


def prefixed(words: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a name is one of `words`, or begins like one that ends in `*`."""
    names = frozenset(word for word in words if not word.endswith("*"))
    prefixes = tuple(word[:-1] for word in words if word.endswith("*"))
    return lambda name: name in names or name.startswith(prefixes)


def put_last(body: Body, key: str, value: Any) -> None:
    """Set a member and make it the last: of two members of a name Fluent Bit's readers see the one that came last."""
    body.pop(key, None)
    body[key] = value
