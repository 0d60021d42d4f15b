"""Label matchers."""

from __future__ import annotations

import pytest

from pillion.scraper.labels import Matcher, MatchType, RegexpError


@pytest.mark.parametrize(
    ("type_", "value", "matching", "other"),
    [
        (MatchType.EQUAL, "a", "a", "ab"),
        (MatchType.NOT_EQUAL, "a", "ab", "a"),
        (MatchType.REGEXP, "a.*|b", "abc", "cab"),
        (MatchType.NOT_REGEXP, "a.*|b", "cab", "b"),
        (MatchType.REGEXP, ".*", "x\ny", None),
        (MatchType.EQUAL, "", "", "a"),
        (MatchType.REGEXP, ".+", "a", ""),
    ],
)
def test_a_matcher_tests_one_label(type_: MatchType, value: str, matching: str, other: str | None) -> None:
    matcher = Matcher(type_, "l", value)
    assert matcher.matches_labels({"l": matching})
    if other is not None:
        assert not matcher.matches_labels({"l": other})


def test_a_label_that_is_missing_is_empty() -> None:
    assert Matcher(MatchType.NOT_EQUAL, "l", "a").matches_labels({})
    assert not Matcher(MatchType.REGEXP, "l", ".+").matches_labels({})


def test_a_matcher_is_written_as_in_a_query() -> None:
    matcher = Matcher(MatchType.NOT_REGEXP, "path", 'a"b\\d')
    assert str(matcher) == r'path!~"a\"b\\d"'
    assert matcher == Matcher(MatchType.NOT_REGEXP, "path", 'a"b\\d')


def test_a_matcher_with_a_bad_expression_is_refused() -> None:
    with pytest.raises(RegexpError, match="missing closing"):
        Matcher(MatchType.REGEXP, "l", "(")
