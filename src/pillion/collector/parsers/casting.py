"""`Types`: what a parser's fields become (Fluent Bit's src/flb_parser.c, `flb_parser_typecast`).

C reads a number from the front of a text and takes what it finds; so does this.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_INTEGER = re.compile(r"[ \t-\r]*([+-]?[0-9]+)")
_HEX = re.compile(r"[ \t-\r]*([+-]?)(?:0[xX])?([0-9a-fA-F]+)")
_FLOAT = re.compile(
    r"[ \t-\r]*([+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf(?:inity)?|nan))", re.IGNORECASE
)
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_MOST_UNSIGNED = (1 << 64) - 1

Cast = Callable[[str], Any]


def to_integer(text: str) -> int:
    """As atoll, kept within 64 bits; 0 for what is no number."""
    found = _INTEGER.match(text)
    return 0 if found is None else min(max(int(found[1]), _LEAST), _MOST)


def to_hex(text: str) -> int:
    """As strtoull with base 16."""
    found = _HEX.match(text)
    if found is None:
        return 0
    value = min(int(found[2], 16), _MOST_UNSIGNED)
    return (-value) & _MOST_UNSIGNED if found[1] == "-" else value


def to_float(text: str) -> float:
    """As atof."""
    found = _FLOAT.match(text)
    return 0.0 if found is None else float(found[1])


def to_bool(text: str) -> bool | str:
    """By how it begins; text that begins like neither stays as it is."""
    lower = text[:5].lower()
    if lower.startswith("true"):
        return True
    return False if lower == "false" else text


_CASTS: dict[str, Cast] = {"integer": to_integer, "hex": to_hex, "float": to_float, "bool": to_bool}


def parse_types(types: tuple[str, ...]) -> dict[str, Cast]:
    """`field:type`, each; a type that there is not is a string, and so is a field that is not named."""
    casts: dict[str, Cast] = {}
    for each in types:
        field, found, kind = each.partition(":")
        if found and field not in casts:
            casts[field] = _CASTS.get(kind.lower(), str)
    return casts
