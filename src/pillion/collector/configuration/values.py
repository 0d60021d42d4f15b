"""Texts into values: what Fluent Bit's flb_utils_bool, _size_to_bytes, _time_to_seconds, flb_slist and atoi read.

Where those take anything and make a 0 of it, this raises ValueError with what is wrong.
"""

from __future__ import annotations

import re

_TRUE, _FALSE = ("true", "on", "yes"), ("false", "off", "no")
_SIZE = re.compile(r"(\d{1,20}(?:\.\d{1,20})?|\.\d{1,20})([kmg]?)(b?)", re.IGNORECASE)
_BINARY_SIZE = re.compile(r"(\d{1,20}(?:\.\d{1,20})?|\.\d{1,20})(?:([kmg])(?:i?b)?)?", re.IGNORECASE)
_SECONDS = re.compile(r"([+-]?(?:\d{1,20}(?:\.\d{1,20})?|\.\d{1,20}))\s*([smhd]?)", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
MOST = 1 << 63
"""The first number that is too large."""


def parse_bool(text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError("must be on or off (true, false, yes, no)")


def parse_int(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text):
        raise ValueError("must be a whole number")
    return _bounded(int(text))


def parse_float(text: str) -> float:
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?", text):
        raise ValueError("must be a number")
    return float(text)


def parse_size(text: str) -> int:
    """`32k`: 32,000 bytes."""
    return _size(text, _SIZE, 1000)


def parse_binary_size(text: str) -> int:
    """`32k`: 32,768 bytes."""
    return _size(text, _BINARY_SIZE, 1024)


def _size(text: str, pattern: re.Pattern[str], base: int) -> int:
    if text.lower() in _FALSE:
        return 0
    found = pattern.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError("must be a size: a number of bytes, or with k, M or G behind it")
    return _bounded(int(float(found[1]) * base ** _POWERS[(found[2] or "").lower()]))


def parse_seconds(text: str) -> float:
    """`90`, `90s`, `1.5m`, `1h`, `1d`."""
    found = _SECONDS.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError("must be a time: a number of seconds, or with s, m, h or d behind it")
    return float(found[1]) * _UNITS[found[2].lower()]


def _bounded(number: int) -> int:
    if not -MOST <= number < MOST:
        raise ValueError("is too large")
    return number


def parse_list(text: str) -> tuple[str, ...]:
    """`a, b,c`; what is empty is left out (`flb_slist_split_string`)."""
    return tuple(part for part in (part.strip(" ") for part in text.split(",")) if part)


def split_words(text: str, most: int, *, quotes: str = '"') -> tuple[str, ...]:
    r"""Split at blanks into at most `most` words, the last of which is the rest (0: as many as there are).

    A word in quotes is one word without them, in which `\"` is `"`; where both kinds of quotes count, `\\` is `\` too
    (flb_utils_split_quoted, flb_slist_split_tokens). Raises ValueError for a quote that is never closed.
    """
    words: list[str] = []
    rest = text.strip(" ")
    while rest:
        is_last = most > 0 and len(words) == most - 1
        if rest[0] in quotes and not (is_last and rest.count(rest[0]) < 2):
            word, after = _quoted(rest, escapes_backslash="'" in quotes)
            if not is_last or not after.strip(" "):
                words.append(word)
                rest = after.lstrip(" ")
                continue
        if is_last:
            words.append(rest)
            break
        word, _, rest = rest.partition(" ")
        words.append(word)
        rest = rest.lstrip(" ")
    return tuple(words)


def _quoted(text: str, *, escapes_backslash: bool) -> tuple[str, str]:
    """The content of the quoted word at the beginning, and what follows it."""
    quote, word, position = text[0], "", 1
    while position < len(text):
        character = text[position]
        if character == quote:
            return word, text[position + 1 :]
        escaped = quote + "\\" if escapes_backslash else quote
        if character == "\\" and text[position + 1 : position + 2] in tuple(escaped):
            position += 1
            character = text[position]
        word += character
        position += 1
    raise ValueError(f"a {quote} is never closed")
