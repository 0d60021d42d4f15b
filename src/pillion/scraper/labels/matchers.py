"""Label matchers: `=`, `!=`, `=~`, `!~` (model/labels, matcher.go)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pillion.scraper.labels.regexes import regexp
from pillion.units import quote


class MatchType(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    REGEXP = "=~"
    NOT_REGEXP = "!~"


class Matcher:
    """A test of one label; a label that a series does not have is empty. Raises RegexpError at its making."""

    __slots__ = ("_is_positive", "_test", "name", "type", "value")

    def __init__(self, type_: MatchType, name: str, value: str) -> None:
        self.type = type_
        self.name = name
        self.value = value
        self._is_positive = type_ in (MatchType.EQUAL, MatchType.REGEXP)
        is_regexp = type_ in (MatchType.REGEXP, MatchType.NOT_REGEXP)
        self._test = regexp(value).matches if is_regexp else value.__eq__

    def matches(self, value: str) -> bool:
        return self._test(value) is self._is_positive

    def matches_labels(self, labels: Mapping[str, str]) -> bool:
        return self.matches(labels.get(self.name, ""))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matcher) and str(other) == str(self)

    def __hash__(self) -> int:
        return hash((self.type, self.name, self.value))

    def __str__(self) -> str:
        return f"{self.name}{self.type}{quote(self.value)}"

    def __repr__(self) -> str:
        return f"Matcher({self})"
