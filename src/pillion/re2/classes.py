"""Character classes of regular expressions as ranges of code points: RE2's, which know ASCII only."""

from __future__ import annotations

from typing import TypeAlias

Ranges: TypeAlias = list[tuple[int, int]]
"""First and last code point of each range."""

_LAST = 0x10FFFF


def _ranges(text: str) -> Ranges:
    """`"azAZ"`: pairs of first and last."""
    return [(ord(low), ord(high)) for low, high in zip(text[::2], text[1::2], strict=True)]


def negated(ranges: Ranges) -> Ranges:
    gaps: Ranges = []
    free = 0
    for low, high in sorted(ranges):
        if low > free:
            gaps.append((free, low - 1))
        free = max(free, high + 1)
    if free <= _LAST:
        gaps.append((free, _LAST))
    return gaps


def ranges_pattern(ranges: Ranges) -> str:
    """As a class of Python's, with nothing in it that could be taken for syntax."""
    if not ranges:
        return "[^\\x00-\\U0010ffff]"
    return "[" + "".join(_range_pattern(low, high) for low, high in sorted(set(ranges))) + "]"


def _range_pattern(low: int, high: int) -> str:
    return _code(low) if low == high else f"{_code(low)}-{_code(high)}"


def _code(point: int) -> str:
    character = chr(point)
    return character if character.isascii() and character.isalnum() else f"\\U{point:08x}"


_DIGIT = _ranges("09")
_WORD = _ranges("09AZ__az")
_SPACE = _ranges("\t\n\f\r  ")

CLASS_ESCAPES: dict[str, Ranges] = {
    "d": _DIGIT,
    "D": negated(_DIGIT),
    "s": _SPACE,
    "S": negated(_SPACE),
    "w": _WORD,
    "W": negated(_WORD),
}
"""Perl's, as RE2 has them (perl_groups.go): ASCII only, and \\s without \\v."""

_POSIX = {
    "alnum": _ranges("09AZaz"),
    "alpha": _ranges("AZaz"),
    "ascii": _ranges("\x00\x7f"),
    "blank": _ranges("\t\t  "),
    "cntrl": _ranges("\x00\x1f\x7f\x7f"),
    "digit": _DIGIT,
    "graph": _ranges("!~"),
    "lower": _ranges("az"),
    "print": _ranges(" ~"),
    "punct": _ranges("!/:@[`{~"),
    "space": _ranges("\t\r  "),
    "upper": _ranges("AZ"),
    "word": _WORD,
    "xdigit": _ranges("09AFaf"),
}
POSIX_CLASSES: dict[str, Ranges] = {
    **{f"[:{name}:]": ranges for name, ranges in _POSIX.items()},
    **{f"[:^{name}:]": negated(ranges) for name, ranges in _POSIX.items()},
}
