"""The expectations are those of Fluent Bit's plugins/filter_rewrite_tag/rewrite_tag.c and its documentation."""

from __future__ import annotations

import re

import pytest
from tests.filter_lab import Lab, bodies_of, decoded_records, plain_lines

from pillion.collector.configuration import ConfigurationError

BODY = {"name": "abc-123", "ss": {"s1": {"s2": "flb"}}}


@pytest.mark.parametrize(
    ("new_tag", "expected"),
    [
        ("newtag.$TAG.$TAG[1].$1.$ss['s1']['s2'].out", "newtag.aa.bb.cc.bb.abc.flb.out"),
        ("$0", "abc-123"),
        ("x.$2.$1", "x.123.abc"),
        ("x.$none.y", "x..y"),
        ("$name.$TAG[9]", "abc-123."),
    ],
)
def test_a_new_tag_is_made_of_the_tag_the_record_and_what_matched(new_tag: str, expected: str) -> None:
    lab = Lab("rewrite_tag", f"Rule $name ^([a-z]+)-([0-9]+)$ {new_tag} false")
    assert lab.emitted(BODY, tag="aa.bb.cc") == [(expected, [BODY])]
    assert lab.bodies(BODY, tag="aa.bb.cc") == []


def test_the_first_rule_that_matches_decides() -> None:
    lab = Lab("rewrite_tag", "Rule $a x one false\nRule $b x two true\nRule $a . three false")
    bodies = [{"a": "x", "b": "x"}, {"b": "x"}, {"a": "y"}, {"c": "x"}, {"a": "x"}]
    assert lab.emitted(*bodies) == [
        ("one", [{"a": "x", "b": "x"}, {"a": "x"}]),
        ("two", [{"b": "x"}]),
        ("three", [{"a": "y"}]),
    ]
    assert lab.bodies(*bodies) == [{"b": "x"}, {"c": "x"}]


def test_only_strings_match() -> None:
    assert Lab("rewrite_tag", "Rule $a . new false").bodies({"a": 1}, {"a": {"b": "x"}}) == [
        {"a": 1},
        {"a": {"b": "x"}},
    ]


def test_a_record_that_is_kept_is_two_records() -> None:
    filtered = Lab("rewrite_tag", "Rule $a . new true").put(decoded_records({"a": "x"}))
    ((tag, emitted),) = filtered.emitted
    bodies_of(emitted)[0]["a"] = "changed"
    assert (tag, bodies_of(filtered.content)) == ("new", [{"a": "x"}])


def test_lines_stay_lines() -> None:
    filtered = Lab("rewrite_tag", "Rule $log ERROR errors false").put(plain_lines("a", "ERROR b"))
    assert filtered.content == plain_lines("a")
    assert filtered.emitted == (("errors", plain_lines("ERROR b")),)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("Rule $a x new", "wants a field, a pattern, a tag and true or false"),
        ("Rule $a ( new false", "cannot be used"),
        ("Rule $a x new perhaps", "must be on or off"),
    ],
)
def test_what_is_wrong_is_said(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        Lab("rewrite_tag", keys)


def test_keys_of_the_emitter_are_named_as_without_effect() -> None:
    lab = Lab("rewrite_tag", "Rule $a x new false\nEmitter_Name re\nEmitter_Storage.type filesystem")
    assert {each.subject.split(": ")[1] for each in lab.configuration.differences} >= {
        "emitter_name", "emitter_storage.type",
    }  # fmt: skip
