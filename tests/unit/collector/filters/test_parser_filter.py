"""The expectations are those of Fluent Bit's plugins/filter_parser/filter_parser.c."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.filter_lab import TIME, Lab, decoded_records

from pillion.collector.configuration import ConfigurationError
from pillion.collector.records import as_records

PARSERS = r"""
[PARSER]
    Name   pair
    Format regex
    Regex  ^(?<key>[^ =]+)=(?<value>.*)$
[PARSER]
    Name   object
    Format json
[PARSER]
    Name        dated
    Format      regex
    Regex       ^(?<time>[0-9]+) (?<message>.*)$
    Time_Key    time
    Time_Format %s
"""


def lab(keys: str) -> Lab:
    return Lab("parser", keys, parsers=PARSERS)


PAIR = "Key_Name data\nParser pair\n"
BODY = {"before": 1, "data": "a=b", "after": 2}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (PAIR, {"key": "a", "value": "b"}),
        (PAIR + "Preserve_Key On", {"key": "a", "value": "b", "data": "a=b"}),
        (PAIR + "Reserve_Data On", {"key": "a", "value": "b", "before": 1, "after": 2}),
        (PAIR + "Reserve_Data On\nPreserve_Key On", {"key": "a", "value": "b", "before": 1, "data": "a=b", "after": 2}),
        (PAIR + "Nest_Under in\nReserve_Data On", {"in": {"key": "a", "value": "b"}, "before": 1, "after": 2}),
        ("Key_Name data\nParser object", BODY),
        ("Key_Name data\nParser object\nParser pair", {"key": "a", "value": "b"}),
        ("Key_Name none\nParser pair", BODY),
        ("Key_Name before\nParser pair", BODY),
        ("Key_Name $data\nParser pair\nReserve_Data On", {"key": "a", "value": "b", **BODY}),
        ("Key_Name $data\nParser pair", {"key": "a", "value": "b"}),
        (PAIR + "Unescape_Key Off", {"key": "a", "value": "b"}),
    ],
)  # fmt: skip
def test_a_field_becomes_fields(keys: str, expected: dict[str, Any]) -> None:
    found = lab(keys).body(BODY)
    assert found == expected
    assert list(found) == list(expected)


def test_a_field_inside_others_is_parsed_too() -> None:
    body = {"in": {"data": "a=b"}, "x": 1}
    assert lab("Key_Name $in['data']\nParser pair").body(body) == {"key": "a", "value": "b"}


def test_what_is_kept_wins_over_what_was_parsed() -> None:
    found = lab(PAIR + "Reserve_Data On").body({"data": "a=b", "key": "mine"})
    assert found == {"value": "b", "key": "mine"}


def test_lines_are_parsed_as_the_tail_input_parses_them() -> None:
    assert lab("Key_Name log\nParser object").lines('{"a":1}', "plain", '{"b":2}') == [
        {"a": 1},
        {"log": "plain"},
        {"b": 2},
    ]
    assert lab("Key_Name log\nParser object\nPreserve_Key On").lines('{"a":1}') == [
        {"a": 1, "log": '{"a":1}'}
    ]


def test_the_time_that_was_parsed_is_the_records_time() -> None:
    filtered = lab("Key_Name data\nParser dated").put(decoded_records({"data": "12 x"}, {"data": "x"}))
    assert filtered.content is not None
    records = as_records(filtered.content)
    assert records.times == [12 * 10**9, TIME]
    assert records.bodies == [{"message": "x"}, {"data": "x"}]


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("Parser pair", "key_name is missing"),
        ("Key_Name data", "parser is missing"),
        ("Key_Name data\nParser pare", "pare"),
    ],
)
def test_what_is_wrong_is_said(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        lab(keys)
