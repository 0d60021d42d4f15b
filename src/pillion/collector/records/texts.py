"""Lines that may be JSON objects, as `Texts`: the check that all who build one share."""

from __future__ import annotations

import re

from pillion.collector.records.bodies import count_objects, is_object

_ODD_EDGE = re.compile(rb"\n(?:(?<!\}\n)|(?!\{[\"}]))")
"""A line's end that does not stand between `}` and `{"` or `{}`."""
_SPACE = b" \t\r\n"


_WORTH_REMEMBERING = 4096
_COUNTED: list[tuple[bytes, int]] = [(b"", 0)] * 4
"""The buffers counted last: every stage that one passes asks, and the same object has the same lines. Several threads
read and write it, one item at a time: what one of them misses it counts again."""


def count_lines(data: bytes) -> int:
    """How many `\\n`. CPython's `replace` looks for them with memchr, `count` goes through every byte: 6 times as long
    for lines of 250 bytes, and never less."""
    for counted, amount in _COUNTED:
        if counted is data:
            return amount
    amount = len(data) - len(data.replace(b"\n", b""))
    remember_lines(data, amount)
    return amount


def remember_lines(data: bytes, amount: int) -> None:
    """`data` has so many lines: nobody needs to count them."""
    if len(data) >= _WORTH_REMEMBERING:
        _COUNTED.append((data, amount))
        del _COUNTED[0]


def object_lines(data: bytes) -> int | None:
    """How many lines `data` has, if it can be the data of a `Texts` as it is; None if it cannot.

    `data` is valid UTF-8 and ends in `\\n`. Three passes, all in C; nothing is decoded.
    """
    if not has_object_edges(data):
        return None
    # Objects that follow each other on one line are objects to the decoder too. None spans lines: `}` and `{` with only
    # a line's end between them are never inside one.
    amount = count_objects(data)
    return amount if amount == count_lines(data) else None


def has_object_edges(data: bytes) -> bool:
    """Every line begins and ends as an object of `Texts` does."""
    if not data.startswith((b'{"', b"{}")) or not data.endswith(b"}\n"):
        return False
    return _ODD_EDGE.search(data, 0, len(data) - 1) is None


def object_text(line: bytes) -> bytes | None:
    """One line of `Texts`, without its end, for a line that is a JSON object; None for any other."""
    text = line.strip(_SPACE)
    if not text.startswith(b"{") or not is_object(text):
        return None
    return b"{}" if not text[1:-1].strip(_SPACE) else text
