"""The characters of a Ruby pattern, one after the other."""

from __future__ import annotations

import re

_OPTIONS = re.compile(r"\(\?([imxaud]*)(?:-([imx]*))?([:)])")
_INTERVAL = re.compile(r"\{(?:([0-9]+)(,([0-9]*))?|,([0-9]+))\}")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_NUMBERS = (
    re.compile(r"x\{([0-9A-Fa-f]{1,8})\}"),
    re.compile(r"x([0-9A-Fa-f]{1,2})"),
    re.compile(r"u\{([0-9A-Fa-f]{1,8})\}"),
    re.compile(r"u([0-9A-Fa-f]{4})"),
)
_OCTAL = re.compile(r"[0-7]{1,3}")


class UnsupportedError(ValueError):
    """Something that Ruby has and Python has not."""

    def __init__(self, construct: str) -> None:
        super().__init__(f"{construct} has no counterpart here; write the pattern without it")


class Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self.text)

    @property
    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self._at : self._at + 1]

    def rest(self, length: int) -> str:
        return self.text[self._at : self._at + length]

    def next(self) -> str:
        if self.at_end:
            raise ValueError("it ends too early")
        self._at += 1
        return self.text[self._at - 1]

    def take(self, expected: str) -> bool:
        """Go past `expected`, if it is what comes."""
        found = self.text.startswith(expected, self._at)
        if found:
            self._at += len(expected)
        return found

    def expect(self, expected: str) -> None:
        if not self.take(expected):
            raise ValueError(f"{expected} is missing")

    def until(self, end: str) -> str:
        """What stands before `end`, which is gone past."""
        found = self.text.find(end, self._at)
        if found < 0:
            raise ValueError(f"{end} is missing")
        before = self.text[self._at : found]
        self._at = found + len(end)
        return before

    def digits(self) -> str:
        start = self._at
        while self.peek and self.peek in "0123456789":
            self._at += 1
        return self.text[start : self._at]

    def skip_white_space(self) -> bool:
        """In extended patterns: white space, or a comment up to the end of its line."""
        if self.peek == "#":
            while not self.at_end and self.next() != "\n":
                pass
            return True
        if self.peek.isspace():
            self._at += 1
            return True
        return False

    @property
    def is_interval(self) -> bool:
        return self.peek == "{" and _INTERVAL.match(self.text, self._at) is not None

    def interval(self) -> tuple[str, str]:
        """`{2}`, `{2,}`, `{2,3}`, `{,3}`: the least and the most, empty for no limit."""
        found = _INTERVAL.match(self.text, self._at)
        assert found is not None
        self._at = found.end()
        if found[4] is not None:
            return "0", found[4]
        return found[1], found[3] if found[2] else found[1]

    def options(self) -> tuple[str, str, bool] | None:
        """`(?i-m)` and `(?i-m:`: options on and off, and whether they hold to the end of the group around them."""
        found = _OPTIONS.match(self.text, self._at)
        if found is None or (found[3] == ":" and not found[1] and found[2] is None):
            return None
        self._at = found.end()
        return found[1], found[2] or "", found[3] == ")"

    def escaped_character(self) -> str:
        """After a backslash: the one character that the escape stands for."""
        for pattern in _NUMBERS:
            if (found := pattern.match(self.text, self._at)) is not None:
                self._at = found.end()
                return _character(int(found[1], 16))
        if (found := _OCTAL.match(self.text, self._at)) is not None:
            self._at = found.end()
            return _character(int(found[0], 8))
        char = self.next()
        if char == "c" or (char == "C" and self.take("-")):
            return chr(ord(self.next()) & 0x1F)
        return _CONTROL.get(char, char)


def _character(code: int) -> str:
    try:
        return chr(code)
    except (ValueError, OverflowError):
        raise ValueError(f"{code:x} is no character") from None
