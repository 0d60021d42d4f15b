"""Which of `Lines` match a pattern: in one search through all of them where that is the same."""

from __future__ import annotations

import re

from pillion.collector.parsers import RubyRegex
from pillion.collector.records import Lines

_SEES_AROUND = re.compile(r"\\[AZzBKG]|\(\?(?:[=!>]|<[=!])|[*+?}]\+|\\[1-9k]")
"""What may fail to match in a line because other lines stand around it: anchors of the whole text, looks around, and
what takes without giving back. (`^` and `$` are at every line in Ruby's patterns.)"""
_FEW = 4
"""Lines for each match, above which searching line by line is quicker."""


def matching_lines(lines: Lines, regex: RubyRegex) -> list[bool]:
    """One for each line."""
    text = lines.data.decode()
    if _SEES_AROUND.search(regex.source) is None:
        found = _in_one_search(text, regex.pattern)
        if found is not None:
            return found
    each = text.split("\n")
    each.pop()
    search = regex.pattern.search
    return [search(line) is not None for line in each]


def _in_one_search(text: str, pattern: re.Pattern[str]) -> list[bool] | None:
    """None when there are too many matches for that."""
    amount = text.count("\n")
    found = [False] * amount
    budget = amount // _FEW + 1
    position = number = 0
    while (match := pattern.search(text, position)) is not None:
        budget -= 1
        if budget < 0:
            return None
        start = text.rfind("\n", position, match.start()) + 1 or position
        if start >= len(text):
            break
        number += text.count("\n", position, start)
        end = text.index("\n", start)
        # A match that goes on beyond the line is none of the line's; the line may have another.
        found[number] = match.end() <= end or pattern.search(text[start:end]) is not None
        position, number = end + 1, number + 1
    return found
