"""Which tags a `match` or a `match_regex` means. Pure.

Source of the rules: Fluent Bit's src/flb_router.c, `router_match`.
"""

from __future__ import annotations

import re

import msgspec


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A tag matches when the wildcard or the expression does: both may be given, either is enough."""

    wildcard: str | None = None
    expression: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything that could match."""
        return self.wildcard is not None or self.expression is not None

    def matches(self, tag: str) -> bool:
        # As onig_match: the expression begins where the tag begins, ends anywhere, and an empty match is none.
        if self.expression is not None and (found := self.expression.match(tag)) and found.end():
            return True
        return self.wildcard is not None and matches_wildcard(tag, self.wildcard)


def matches_wildcard(tag: str, wildcard: str) -> bool:
    """`*` stands for any characters, none included, dots included; every other character for itself."""
    first, *others = wildcard.split("*")
    if not others:
        return tag == wildcard
    *middle, last = others
    if len(tag) < len(first) + len(last) or not tag.startswith(first) or not tag.endswith(last):
        return False
    position, end = len(first), len(tag) - len(last)
    for part in middle:
        found = tag.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
