"""Bytes in quotes, as Go's `%q` writes those that need not be UTF-8: Prometheus' messages show what was on the page."""

from __future__ import annotations

from pillion.units import quote

_LONGEST = 400
"""Of a quoted text in a message; a whole page may hang on one missing quote."""


def quote_bytes(text: bytes) -> str:
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "…".encode()
    quoted = quote(shown.decode(errors="surrogateescape"))
    return _with_bytes(quoted) if "\\udc" in quoted else quoted


def _with_bytes(quoted: str) -> str:
    """A byte that is no UTF-8 was decoded as a lone surrogate, which UTF-8 itself has not: \\udcff was \\xff."""
    parts = quoted.split("\\udc")
    return parts[0] + "".join(f"\\x{part}" if _is_byte(part) else f"\\udc{part}" for part in parts[1:])


def _is_byte(text: str) -> bool:
    return len(text) >= 2 and text[0] in "89abcdef" and text[1] in "0123456789abcdef"
