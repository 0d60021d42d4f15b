from __future__ import annotations

import re

import pytest

from pillion.collector.pipeline.matching import Pattern, matches_wildcard


@pytest.mark.parametrize(
    ("tag", "wildcard", "expected"),
    [
        ("app.log", "app.log", True),
        ("app.log", "app", False),
        ("app.log", "*", True),
        ("", "*", True),
        ("", "", True),
        ("app.log", "app.*", True),
        ("app.", "app.*", True),
        ("app", "app.*", False),
        ("app.a.b.c", "app.*.c", True),
        ("app.c", "app.*.c", False),
        ("kube.var.log.x.log", "kube.*log*.log", True),
        ("app.log", "**", True),
        ("abab", "*ab", True),
        ("aba", "a*ba", True),
        ("ab", "ab*b", False),
        ("App", "app", False),
    ],
)
def test_a_star_stands_for_any_characters(tag: str, wildcard: str, expected: bool) -> None:
    assert matches_wildcard(tag, wildcard) is expected


def test_an_expression_begins_where_the_tag_begins_and_ends_anywhere() -> None:
    pattern = Pattern(expression=re.compile("app"))
    assert pattern.matches("app.log")
    assert not pattern.matches("my.app")


def test_an_empty_match_of_an_expression_is_none() -> None:
    assert not Pattern(expression=re.compile("x*")).matches("app")


def test_either_of_wildcard_and_expression_is_enough() -> None:
    pattern = Pattern(wildcard="b*", expression=re.compile("a"))
    assert pattern.matches("a1")
    assert pattern.matches("b1")
    assert not pattern.matches("c1")


def test_without_either_nothing_matches() -> None:
    assert not Pattern()
    assert not Pattern().matches("")
