r"""Prometheus' regular expressions: RE2's syntax (Go's regexp/syntax, parse.go), matched against the whole text.

RE2 and Python's `re` agree on which alternative wins and on what groups hold, so an expression is translated and not
interpreted. What differs is the spelling: `$` and `\Z`, flags in the middle, POSIX classes, `\Q…\E`, and `\d`, `\w`,
`\s` that know ASCII only. What RE2 has no word for (look-around, back-references, possessive quantifiers) is refused as
RE2 refuses it; Unicode classes (`\p{Greek}`) are the one thing of RE2's that is refused here. Python's matcher
backtracks: an expression like `(a+)+b`, which RE2 bounds, can take long on a long text.
"""

from __future__ import annotations

import functools
import re
from typing import TypeAlias

from pillion.re2 import RegexpError, translate

Template: TypeAlias = tuple[str | int, ...]
"""Literal texts and numbers of groups."""

_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
"""A variable of a template as Go's regexp.Expand takes it: the longest name."""


class Regexp:
    """One expression, anchored at both ends; `.` matches a newline too. Two are equal when their texts are."""

    __slots__ = ("_names", "_pattern", "fullmatch", "text")

    def __init__(self, text: str) -> None:
        """Raises RegexpError, in Go's words."""
        translation = translate(text)
        self.text = text
        self._names = translation.names
        self._pattern = _compile(translation.pattern, text)
        self.fullmatch = self._pattern.fullmatch

    def matches(self, text: str) -> bool:
        return self.fullmatch(text) is not None

    def template(self, text: str) -> Template:
        """`$1`, `${1}`, `$name`, `${name}` and `$$` of a replacement; a group that there is not is empty."""
        parts: list[str | int] = []
        end = 0
        for found in _REFERENCE.finditer(text):
            parts.append(text[end : found.start()])
            end = found.end()
            name = found[1] or found[2]
            if name is None:
                parts.append("$")
            elif (group := self._group(name)) is not None:
                parts.append(group)
        parts.append(text[end:])
        return tuple(part for part in parts if part != "")

    def _group(self, name: str) -> int | None:
        if name.isascii() and name.isdecimal():
            is_number = len(name) < 9 and (name == "0" or name[0] != "0")
            return int(name) if is_number and int(name) <= self._pattern.groups else None
        return self._names.get(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Regexp) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Regexp({self.text!r})"


def expand(template: Template, match: re.Match[str]) -> str:
    return "".join([part if isinstance(part, str) else match[part] or "" for part in template])


@functools.lru_cache(maxsize=256)
def regexp(text: str) -> Regexp:
    """The compiled expression; those of rules and dashboards are few and come again. Raises RegexpError."""
    return Regexp(text)


def _compile(pattern: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise RegexpError(f"error parsing regexp: Python cannot match it ({error}): `{text}`") from None
