"""The expectations are those of Fluent Bit's plugins/filter_modify/modify.c."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.filter_lab import Lab

from pillion.collector.configuration import ConfigurationError

BODY = {"a": 1, "b": "two", "cpu.x": 3, "cpu.y": 4}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("Set new 5", {**BODY, "new": "5"}),
        ("Set a x", {"b": "two", "cpu.x": 3, "cpu.y": 4, "a": "x"}),
        ("Set 'two words' \"a value\"", {**BODY, "two words": "a value"}),
        ("Add new x", {**BODY, "new": "x"}),
        ("Add a x", BODY),
        ("Add_if_not_present a x", BODY),
        ("Remove a", {"b": "two", "cpu.x": 3, "cpu.y": 4}),
        ("Remove none", BODY),
        ("Remove_wildcard cpu.", {"a": 1, "b": "two"}),
        ("Remove_wildcard cpu.*", BODY),
        ("Remove_regex ^.$", {"cpu.x": 3, "cpu.y": 4}),
        ("Rename a z", {"z": 1, "b": "two", "cpu.x": 3, "cpu.y": 4}),
        ("Rename a b", BODY),
        ("Rename none z", BODY),
        ("Hard_rename a b", {"b": 1, "cpu.x": 3, "cpu.y": 4}),
        ("Hard_rename a z", {"z": 1, "b": "two", "cpu.x": 3, "cpu.y": 4}),
        ("Hard_rename a a", {"b": "two", "cpu.x": 3, "cpu.y": 4}),
        ("Copy a z", {"a": 1, "z": 1, "b": "two", "cpu.x": 3, "cpu.y": 4}),
        ("Copy a b", BODY),
        ("Hard_copy a cpu.y", {"a": 1, "cpu.y": 1, "b": "two", "cpu.x": 3}),
        ("Move_to_start cpu", {"cpu.x": 3, "cpu.y": 4, "a": 1, "b": "two"}),
        ("Move_to_end a", {"b": "two", "cpu.x": 3, "cpu.y": 4, "a": 1}),
        ("Rename a z\nSet z y\nCopy z w", {"b": "two", "cpu.x": 3, "cpu.y": 4, "z": "y", "w": "y"}),
    ],
)
def test_operations_change_fields_and_their_order(keys: str, expected: dict[str, Any]) -> None:
    lab = Lab("modify", keys)
    found = lab.body(BODY)
    assert found == expected
    if not keys.startswith("Set"):  # chunks that stay text keep a field where it is
        assert list(found) == list(expected)


RECORD: dict[str, Any] = {
    "level": "error", "code": 7, "ok": True, "k8s": {"app": "web"}, "cpu.a": "1", "cpu.b": "2",
}  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("Key_exists level", True),
        ("Key_exists $k8s['app']", True),
        ("Key_exists $k8s['none']", False),
        ("Key_does_not_exist none", True),
        ("Key_does_not_exist level", False),
        ("A_key_matches ^cpu", True),
        ("A_key_matches ^x", False),
        ("No_key_matches ^x", True),
        ("No_key_matches cpu", False),
        ("Key_value_equals level error", True),
        ("KEY_VALUE_EQUALS level info", False),
        ("Key_value_equals code 7", False),
        ("Key_value_equals $k8s['app'] web", True),
        ("Key_value_does_not_equal level info", True),
        ("Key_value_does_not_equal level error", False),
        ("Key_value_does_not_equal none x", False),
        ("Key_value_matches level ^err", True),
        ("Key_value_matches ok ^true$", True),
        ("Key_value_matches code 7", False),
        ("Key_value_does_not_match level ^x", True),
        ("Key_value_does_not_match none ^x", False),
        ("Matching_keys_have_matching_values ^cpu ^[0-9]$", True),
        ("Matching_keys_have_matching_values ^cpu ^1$", False),
        ("Matching_keys_have_matching_values ^none x", True),
        ("Matching_keys_do_not_have_matching_values ^cpu ^1$", True),
        ("Matching_keys_do_not_have_matching_values ^none x", False),
        ("Key_exists level\nCondition Key_exists code", True),
        ("Key_exists level\nCondition Key_exists none", False),
    ],
)
def test_operations_are_done_when_all_conditions_hold(condition: str, holds: bool) -> None:
    found = Lab("modify", f"Condition {condition}\nAdd done yes").body(RECORD)
    assert found == ({**RECORD, "done": "yes"} if holds else RECORD)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("Set a", "set: wants two words"),
        ("Set a b c", "set: wants two words"),
        ("Remove a b", "remove: wants a field"),
        ("Condition Key_exist a\nAdd a b", "did you mean key_exists"),
        ("Condition Key_value_equals a\nAdd a b", "Key_value_equals wants 2 more"),
        ("Remove_regex (", "cannot be used"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)) as caught:
        Lab("modify", keys)
    assert "fluent-bit.conf:9" in str(caught.value)
