"""The expectations are those of Fluent Bit's plugins/filter_grep/grep.c."""

from __future__ import annotations

import re

import pytest
from tests.filter_lab import Lab, bodies_of, plain_lines

from pillion.collector.configuration import ConfigurationError
from pillion.collector.filters.linesearch import matching_lines
from pillion.collector.parsers import compile_ruby

INFO, ERROR, ODD = {"level": "INFO", "n": 1}, {"level": "ERROR", "n": 2}, {"n": 3}


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ("Regex level ERROR", [ERROR]),
        ("Regex level ^(INFO|ERROR)$", [INFO, ERROR]),
        ("REGEX $level error", []),
        ("Regex level /error/i", [ERROR]),
        ("Exclude level INFO", [ERROR, ODD]),
        ("Exclude level .", [ODD]),
        ("Regex missing .*", []),
        ("Exclude missing .*", [INFO, ERROR, ODD]),
        ("Regex n 1", []),
        ("Exclude n 1", [INFO, ERROR, ODD]),
        ("", [INFO, ERROR, ODD]),
    ],
)
def test_records_are_kept_and_dropped_by_one_rule(keys: str, kept: list[object]) -> None:
    assert Lab("grep", keys).bodies(INFO, ERROR, ODD) == kept


A, B, AB, NONE = {"a": "x"}, {"b": "x"}, {"a": "x", "b": "x"}, {"c": "x"}


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        # legacy: the first regex decides, whatever comes after it
        ("Regex a x\nRegex b x", [A, AB]),
        ("Exclude a x\nExclude b x", [NONE]),
        ("Exclude a x\nRegex b x", [B]),
        ("Regex b x\nExclude a x", [B, AB]),
        ("Logical_Op AND\nRegex a x\nRegex b x", [AB]),
        ("Logical_Op or\nRegex a x\nRegex b x", [A, B, AB]),
        ("Logical_Op and\nExclude a x\nExclude b x", [A, B, NONE]),
        ("Logical_Op OR\nExclude a x\nExclude b x", [NONE]),
        ("Logical_Op legacy\nRegex a x\nRegex b x", [A, AB]),
        ("Logical_Op AND", [A, B, AB, NONE]),
    ],
)
def test_several_rules_combine(keys: str, kept: list[object]) -> None:
    assert Lab("grep", keys).bodies(A, B, AB, NONE) == kept


def test_a_field_inside_others_is_named_with_or_without_the_dollar() -> None:
    deep = {"kubernetes": {"labels": {"app": "web"}}}
    assert Lab("grep", "Regex $kubernetes['labels']['app'] ^web$").bodies(deep, {}) == [deep]
    assert Lab("grep", "Regex kubernetes['labels']['app'] ^web$").bodies(deep, {}) == [deep]


def test_a_pattern_begins_after_one_blank_and_keeps_its_quotes() -> None:
    assert Lab("grep", 'Regex log "x y"').lines('a "x y"', "a x y") == [{"log": 'a "x y"'}]
    assert Lab("grep", "Regex log  x").lines("ax", "a x") == [{"log": "a x"}]


def test_what_is_dropped_is_counted() -> None:
    lab = Lab("grep", "Exclude log b")
    assert lab.lines("a", "b", "c", "b") == [{"log": "a"}, {"log": "c"}]
    assert lab.status.dropped == 2


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("Regex log", "wants a field and a pattern"),
        ("Regex log (", "cannot be used"),
        ("Logical_Op and\nRegex a x\nExclude b y", "either regex or exclude"),
        ("Logical_Op xor\nRegex a x", "not one of"),
        ("Regexp a x", "did you mean regex"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)) as caught:
        Lab("grep", keys)
    assert "/etc/fb/fluent-bit.conf:" in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    [
        "b", "^b", "b$", "^$", "a.c", r"a\sb", "[^x]+y", r"\bfoo\b", r"\Aa", r"c\z", "(?m:a.b)", "a(?!b)", "(?<=a)b",
        "(?>a+)b", "x*", "a|^c", "b\\n?", r"\S+\s+\S+",
    ],
)  # fmt: skip
def test_one_search_through_all_lines_finds_what_a_search_in_each_finds(pattern: str) -> None:
    lines = ["abc", "", "a b", "foo", "xyz", "food", "c", "aab", "b", "", "a", "cb a", "x"] * 3
    regex = compile_ruby(pattern)
    expected = [regex.search(line) is not None for line in lines]
    assert matching_lines(plain_lines(*lines), regex) == expected
    assert bodies_of(Lab("grep", f"Regex log {pattern}").put(plain_lines(*lines)).content) == [
        {"log": line} for line, matched in zip(lines, expected, strict=True) if matched
    ]
