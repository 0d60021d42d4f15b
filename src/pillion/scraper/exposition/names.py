"""Names that the old formats have no room for: any UTF-8 is allowed in Prometheus 3, letters, digits, `_` and `:` were
before (common/model, EscapeName)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import assert_never

_LEGACY = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Escaping(StrEnum):
    """The `escaping` of a Content-Type and an Accept header."""

    ALLOW_UTF8 = "allow-utf-8"
    UNDERSCORES = "underscores"
    DOTS = "dots"
    VALUES = "values"


def is_legacy(name: str) -> bool:
    return _LEGACY.fullmatch(name) is not None


def escape_name(name: str, escaping: Escaping) -> str:
    if not name:
        return name
    match escaping:
        case Escaping.ALLOW_UTF8:
            return name
        case Escaping.UNDERSCORES:
            return "".join(c if _fits(c, i) else "_" for i, c in enumerate(name))
        case Escaping.DOTS:
            return "".join(_dotted(c, i) for i, c in enumerate(name))
        case Escaping.VALUES:
            return name if is_legacy(name) else "U__" + "".join(_coded(c, i) for i, c in enumerate(name))
        case _:
            assert_never(escaping)


def _fits(character: str, index: int) -> bool:
    return is_legacy(character) or (index > 0 and character.isascii() and character.isdigit())


def _dotted(character: str, index: int) -> str:
    if character == "_":
        return "__"
    if character == ".":
        return "_dot_"
    return character if _fits(character, index) else "__"


def _coded(character: str, index: int) -> str:
    if character == "_":
        return "__"
    return character if _fits(character, index) else f"_{ord(character):x}_"
