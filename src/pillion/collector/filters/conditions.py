"""The conditions of the modify filter (plugins/filter_modify/modify.c, `evaluate_condition_…`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from pillion.collector.configuration.failure import ConfigurationError, nearest
from pillion.collector.configuration.settings import Entry
from pillion.collector.filters.fieldnames import configured_field, configured_regex
from pillion.collector.parsers import RubyRegex
from pillion.collector.records import MISSING, Accessor, Body

Condition: TypeAlias = Callable[[Body], bool]


def exists(field: Accessor) -> Condition:
    return lambda body: field.get(body) is not MISSING


def equals(field: Accessor, text: str) -> Condition:
    return lambda body: _is(field.get(body), text)


def differs(field: Accessor, text: str) -> Condition:
    """There must be a value."""
    return lambda body: (value := field.get(body)) is not MISSING and not _is(value, text)


def matches(field: Accessor, regex: RubyRegex) -> Condition:
    return lambda body: _matches(field.get(body), regex)


def matches_not(field: Accessor, regex: RubyRegex) -> Condition:
    """There must be a value."""
    return lambda body: (value := field.get(body)) is not MISSING and not _matches(value, regex)


def any_key_matches(keys: RubyRegex) -> Condition:
    return lambda body: any(_matches(name, keys) for name in body)


def matching_keys_match(keys: RubyRegex, values: RubyRegex) -> Condition:
    """All keys that match `keys` have values that match; there may be none."""
    return lambda body: all(_matches(value, values) for name, value in body.items() if _matches(name, keys))


def negated(condition: Condition) -> Condition:
    return lambda body: not condition(body)


def parse_condition(entry: Entry) -> Condition:
    """`Key_value_equals level error`. Raises ConfigurationError."""
    about = f"{entry.place}: condition"
    name = entry.words[0].lower() if entry.words else ""
    if name not in _WORDS:
        raise ConfigurationError(f"{about}: there is no condition {name!r}{nearest(name, _WORDS)}")
    if len(entry.words) != 1 + _WORDS[name]:
        raise ConfigurationError(
            f"{about}: {entry.words[0]} wants {_WORDS[name]} more; what has blanks in it goes into quotes"
        )
    first, last = entry.words[1], entry.words[-1]
    match name:
        case "key_exists":
            return exists(configured_field(first, about))
        case "key_does_not_exist":
            return negated(exists(configured_field(first, about)))
        case "a_key_matches":
            return any_key_matches(configured_regex(first, about))
        case "no_key_matches":
            return negated(any_key_matches(configured_regex(first, about)))
        case "key_value_equals":
            return equals(configured_field(first, about), last)
        case "key_value_does_not_equal":
            return differs(configured_field(first, about), last)
        case "key_value_matches":
            return matches(configured_field(first, about), configured_regex(last, about))
        case "key_value_does_not_match":
            return matches_not(configured_field(first, about), configured_regex(last, about))
        case "matching_keys_have_matching_values":
            return matching_keys_match(configured_regex(first, about), configured_regex(last, about))
        case _:
            return negated(matching_keys_match(configured_regex(first, about), configured_regex(last, about)))


_WORDS = {
    "key_exists": 1, "key_does_not_exist": 1, "a_key_matches": 1, "no_key_matches": 1,
    "key_value_equals": 2, "key_value_does_not_equal": 2, "key_value_matches": 2, "key_value_does_not_match": 2,
    "matching_keys_have_matching_values": 2, "matching_keys_do_not_have_matching_values": 2,
}  # fmt: skip
"""How many words each has after its name."""


def _is(value: Any, text: str) -> bool:
    """Only strings are equal to anything."""
    return value == text.encode() if isinstance(value, bytes) else isinstance(value, str) and value == text


def _matches(value: Any, regex: RubyRegex) -> bool:
    """Strings and booleans, these as they are spelled; nothing else matches."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    return isinstance(value, str) and regex.search(value) is not None
