"""The expectations are those of Fluent Bit's plugins/filter_record_modifier/filter_modifier.c."""

from __future__ import annotations

import re
import uuid

import pytest
from tests.filter_lab import Lab

from pillion.collector.configuration import ConfigurationError

BODY = {"Mem.total": 1, "Mem.used": 2, "swap": 3, "host": "old"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("Record hostname web-1", {**BODY, "hostname": "web-1"}),
        ("Record host new", {"Mem.total": 1, "Mem.used": 2, "swap": 3, "host": "new"}),
        ("Record a 1\nRecord b two words", {**BODY, "a": "1", "b": "two words"}),
        ('Record a "quoted words"', {**BODY, "a": "quoted words"}),
        ("Remove_key swap", {"Mem.total": 1, "Mem.used": 2, "host": "old"}),
        ("Remove_key SWAP\nRemove_key host", {"Mem.total": 1, "Mem.used": 2}),
        ("Remove_key mem.*", {"swap": 3, "host": "old"}),
        ("Remove_key mem", BODY),
        ("Allowlist_key Mem.used\nAllowlist_key SW*", {"Mem.used": 2, "swap": 3}),
        ("Whitelist_key swap", {"swap": 3}),
        ("Allowlist_key swap\nRecord a b", {"swap": 3, "a": "b"}),
        ("Remove_key *\nRecord a b", {"a": "b"}),
        ("", BODY),
    ],
)
def test_fields_are_appended_and_removed(keys: str, expected: dict[str, object]) -> None:
    assert Lab("record_modifier", keys).body(BODY) == expected


def test_lines_stay_lines_with_one_more_field() -> None:
    assert Lab("record_modifier", "Record host a\nRecord é ü").lines('x "y"', "z") == [
        {"log": 'x "y"', "host": "a", "é": "ü"},
        {"log": "z", "host": "a", "é": "ü"},
    ]


def test_records_without_a_field_left_are_gone_unless_none_would_be_left() -> None:
    lab = Lab("record_modifier", "Remove_key a")
    assert lab.bodies({"a": 1}, {"b": 2}) == [{"b": 2}]
    assert lab.bodies({"a": 1}, {"a": 2}) == [{"a": 1}, {"a": 2}]
    assert lab.status.dropped == 2  # once decoded, once as text


def test_every_record_gets_a_uuid_of_its_own() -> None:
    found = Lab("record_modifier", "Uuid_key id").lines("a", "b")
    assert len({uuid.UUID(body["id"]) for body in found}) == 2


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("Record alone", "wants a name and a value"),
        ("Remove_key a\nAllowlist_key b", "cannot be used together"),
    ],
)
def test_what_is_wrong_is_said(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        Lab("record_modifier", keys)
