"""Taking escapes out of text, in the ways that Fluent Bit does (src/flb_unescape.c)."""

from __future__ import annotations

import re

_SIMPLE = {"n": "\n", "a": "\a", "b": "\b", "t": "\t", "v": "\v", "f": "\f", "r": "\r"}
_MYSQL = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"', "0": "\0", "Z": "\x1a"}
_ANY = re.compile(r"\\(.)", re.DOTALL)
_UNICODE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|(.))", re.DOTALL
)
_LAST_CHARACTER = 0x10FFFF


def unescape(text: str) -> str:
    """`\\n` and its like; any other character after a backslash stands for itself (`flb_unescape_string`)."""
    if "\\" not in text:
        return text
    return _ANY.sub(lambda found: _SIMPLE.get(found[1], found[1]), text)


def unescape_unicode(text: str) -> str:
    """`\\u00e9`, `\\xe9`, `\\351` too (`flb_unescape_string_utf8`). Halves of a pair become one character."""
    if "\\" not in text:
        return text
    raw = _UNICODE.sub(_character, text)
    return raw.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def unquote_mysql(text: str) -> str:
    """A string of MySQL: without its quotes and escapes. Other text stays as it is (`flb_mysql_unquote_string`)."""
    if len(text) < len("''") or text[0] not in "'\"" or text[-1] != text[0]:
        return text
    return _ANY.sub(lambda found: _MYSQL.get(found[1], found[0]), text[1:-1])


def _character(found: re.Match[str]) -> str:
    octal, *hexadecimal, other = found.groups()
    if octal:
        return chr(int(octal, 8))
    for digits in hexadecimal:
        if digits:
            code = int(digits, 16)
            return chr(code) if code <= _LAST_CHARACTER else "\ufffd"
    return _SIMPLE.get(other, other)
