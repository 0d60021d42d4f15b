"""Shell patterns as the C library reads them (glob(3), fnmatch(3)), as regular expressions. Pure.

Python's own fnmatch knows neither `\\` as an escape nor `[^…]` nor `[[:digit:]]`.
"""

from __future__ import annotations

import re

_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "xdigit": "0-9A-Fa-f", "punct": r"!-/:-@\[-`{-~", "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e", "graph": r"\x21-\x7e",
}  # fmt: skip


def is_magic(text: str) -> bool:
    """Whether `text` is more than a name."""
    return any(mark in text for mark in "*?[")


def unescaped(text: str) -> str:
    """The name that a component without magic stands for."""
    return re.sub(r"\\(.)", r"\1", text)


def component(pattern: str) -> re.Pattern[str]:
    """One component of a path, as glob(3) matches it: wildcards do not match a leading dot."""
    hidden = "" if pattern.startswith(".") else r"(?!\.)"
    return re.compile(hidden + _translated(pattern), re.DOTALL)


def whole(pattern: str) -> re.Pattern[str]:
    """A whole path, as fnmatch(3) without flags matches it: wildcards match `/` and leading dots too."""
    return re.compile(_translated(pattern), re.DOTALL)


def _translated(pattern: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        mark = pattern[at]
        at += 1
        match mark:
            case "*":
                if not parts or parts[-1] != ".*":
                    parts.append(".*")
            case "?":
                parts.append(".")
            case "\\" if at < len(pattern):
                parts.append(re.escape(pattern[at]))
                at += 1
            case "[":
                end = _bracket_end(pattern, at)
                parts.append(_bracket(pattern[at:end]) if end else r"\[")
                at = end + 1 if end else at
            case _:
                parts.append(re.escape(mark))
    return f"(?:{''.join(parts)})\\Z"


def _bracket_end(pattern: str, start: int) -> int:
    """Where the `]` is that ends a bracket expression; 0 when there is none and the `[` stands for itself."""
    at = start + 1 if pattern[start : start + 1] in ("!", "^") else start
    first = at
    while at < len(pattern):
        if pattern[at] == "]" and at > first:
            return at
        if pattern.startswith("[:", at):
            at = max(pattern.find(":]", at) + 1, at)
        elif pattern[at] == "\\":
            at += 1
        at += 1
    return 0


def _bracket(inner: str) -> str:
    negated = inner[:1] in ("!", "^")
    rest = inner[1:] if negated else inner
    parts: list[str] = []
    at = 0
    while at < len(rest):
        named = re.match(r"\[:(\w+):\]", rest[at:])
        if named:
            parts.append(_CLASSES.get(named[1], ""))
            at += named.end()
            continue
        if rest[at] == "\\" and at + 1 < len(rest):
            at += 1
        if rest[at + 1 : at + 2] == "-" and at + 2 < len(rest):
            low, high = rest[at], rest[at + 2]
            if low <= high:
                parts.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 3
            continue
        parts.append(re.escape(rest[at]))
        at += 1
    body = "".join(parts)
    if not body:
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{body}]"
