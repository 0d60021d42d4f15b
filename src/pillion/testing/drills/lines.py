"""The numbered lines. Pure: a line says who wrote it and which it is, and nothing but that decides its text, so that a
line that was cut, joined or changed on its way is not mistaken for one that was written."""

from __future__ import annotations

_LETTERS = 'the quick "brown" fox\tjumps \\ over — ein träger Hund, 怠け者の犬 🐕 '
_LENGTHS = (0, 3, 11, 60, 61, 62, 63, 140, 200, 700)


def text_of(writer: str, number: int) -> str:
    """Of between 10 and 720 characters, without a line feed."""
    length = _LENGTHS[number * 7 % len(_LENGTHS)]
    filler = (_LETTERS * (length // len(_LETTERS) + 1))[:length]
    return f"{writer} {number:08d} {filler}|"


def number_of(text: str) -> tuple[str, int] | None:
    """Who wrote a line, and which it is. None when nobody did."""
    writer, _, rest = text.partition(" ")
    digits = rest[:8]
    if not digits.isdecimal():
        return None
    number = int(digits)
    return (writer, number) if text == text_of(writer, number) else None
