"""What a plain YAML scalar is. As kubectl and Prometheus read it: YAML 1.1 as goyaml.v2 speaks it (resolve.go).

So `yes`, `on` and `y` are booleans, `0644` is octal, `1_000` a number, `22:22` and `2026-01-02` text.
"""

from __future__ import annotations

import re

Value = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NON_FINITE = {
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBER_START = frozenset("+-.0123456789")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))",
    re.ASCII,
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_MAX_UINT64 = (1 << 64) - 1


def resolve_plain(text: str) -> Value:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if text in _NON_FINITE:
        return _NON_FINITE[text]
    plain = text if text[0] == "." else text.replace("_", "")
    integer = _integer(plain)
    if integer is not None:
        return integer
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        # Beyond what a float holds, Go gives up on a number.
        return text if number in (float("inf"), float("-inf")) else number
    return text


_CORE_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_CORE_INTEGER = re.compile(r"[-+]?[0-9]{1,19}", re.ASCII)


def resolve_core(text: str) -> Value:
    """The value of an unquoted scalar in YAML 1.2 (its core schema, section 10.3.2): `on`, `no` and `1_000` are text.

    For files of our own, where `on:` is a key. Numbers in other bases are text.
    """
    if text in _CORE_WORDS:
        return _CORE_WORDS[text]
    if text in _NON_FINITE:
        return _NON_FINITE[text]
    if _CORE_INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number
    return text


def _integer(plain: str) -> int | None:
    match = _INTEGER.fullmatch(plain)
    if match is None or match.lastgroup is None or len(plain) > 66:
        return None
    number = int(match[match.lastgroup], _BASES[match.lastgroup])
    if match["sign"] == "-":
        number = -number
    return number if -(1 << 63) <= number <= _MAX_UINT64 else None
