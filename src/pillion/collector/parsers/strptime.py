"""Dates and times as C's strptime reads them, in the dialect of OpenBSD that Fluent Bit carries (src/flb_strptime.c).

A format becomes a tuple of steps, one for each directive. Each step reads from a text at a position, writes into a
`Reading` and returns the position after it, or `NO` where the text does not fit.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TypeAlias

from pillion.collector.parsers.zones import ZONES

NO = -1


class Reading:
    """What has been read so far. `year` is None until one is known; what else is unknown is C's zero."""

    __slots__ = (
        "century",
        "day",
        "day_of_year",
        "hour",
        "known",
        "minute",
        "month",
        "offset",
        "second",
        "short_year",
        "year",
    )

    def __init__(self) -> None:
        self.year: int | None = None
        self.month = 1
        self.day = 0
        self.hour = 0
        self.minute = 0
        self.second = 0
        self.day_of_year = 0
        self.offset = 0
        """Seconds east of UTC."""
        self.short_year: int | None = None
        self.century: int | None = None
        self.known: set[str] = set()

    def begin(self) -> None:
        """A format, or the part of one after `%L`, is about to be read: the zone is forgotten, the date is not."""
        self.offset = 0
        self.short_year = self.century = None
        self.known = set()

    def complete(self) -> None:
        """A two-digit year becomes a year (69 is 1969), a day of the year becomes month and day."""
        if self.short_year is not None:
            century = (
                self.century
                if self.century is not None
                else 2000
                if self.short_year <= _LAST_OF_2000S
                else 1900
            )
            self.year = century + self.short_year
        if self.year is None or "day_of_year" not in self.known or not 1 <= self.year <= _LAST_YEAR:
            return
        date = datetime.date(self.year, 1, 1) + datetime.timedelta(days=self.day_of_year - 1)
        if "month" not in self.known:
            self.month = date.month
        if "day" not in self.known:
            self.day = date.day

    def seconds(self) -> int | None:
        """Seconds since the epoch if the clock read is UTC's; days beyond their month's end run on into the next. None
        without a year that has dates."""
        if self.year is None or not 1 <= self.year <= _LAST_YEAR:
            return None
        days = datetime.date(self.year, self.month, 1).toordinal() - _EPOCH + self.day - 1
        return ((days * 24 + self.hour) * 60 + self.minute) * 60 + self.second


_LAST_OF_2000S = 68
_LAST_YEAR = 9999
_EPOCH = datetime.date(1970, 1, 1).toordinal()

Step: TypeAlias = Callable[[str, int, Reading], int]


def compile_format(pattern: str) -> tuple[Step, ...]:
    """A directive that there is not never fits, as in C, where it is found out with the first text."""
    steps: list[Step] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char.isspace():
            steps.append(_white_space)
        elif char != "%":
            steps.append(_literal(char))
        else:
            while pattern[at : at + 1] in ("E", "O"):
                at += 1
            steps += _directive(pattern[at : at + 1])
            at += 1
    return tuple(steps)


def read(steps: tuple[Step, ...], text: str, at: int, reading: Reading) -> int:
    """The position after what fits, or `NO`; `reading` keeps what was read before it did not. What follows in the text
    is nobody's business here."""
    reading.begin()
    for step in steps:
        if at >= len(text) and step is not _white_space:
            return NO
        at = step(text, at, reading)
        if at == NO:
            return NO
    reading.complete()
    return at


def _directive(letter: str) -> tuple[Step, ...]:
    if letter in _COMPOSED:
        return compile_format(_COMPOSED[letter])
    return (_STEPS.get(letter, _never),)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _never(_text: str, _at: int, _reading: Reading) -> int:
    return NO


def _white_space(text: str, at: int, _reading: Reading) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _literal(expected: str) -> Step:
    def step(text: str, at: int, _reading: Reading) -> int:
        return at + 1 if text[at] == expected else NO

    return step


def _number(low: int, high: int, put: Callable[[Reading, int], None]) -> Step:
    """At most as many digits as `high` has, and no digit that could only lead beyond it (`_conv_num`)."""

    def step(text: str, at: int, reading: Reading) -> int:
        value, room = 0, high
        start = at
        while at < len(text) and "0" <= text[at] <= "9" and (at == start or (value * 10 <= high and room)):
            value = value * 10 + ord(text[at]) - _ZERO
            room //= 10
            at += 1
        if at == start or not low <= value <= high:
            return NO
        put(reading, value)
        return at

    return step


_ZERO = ord("0")


def _field(name: str, low: int, high: int) -> Step:
    def put(reading: Reading, value: int) -> None:
        setattr(reading, name, value)
        reading.known.add(name)

    return _number(low, high, put)


def _ignored(low: int, high: int) -> Step:
    return _number(low, high, lambda _reading, _value: None)


def _year(reading: Reading, value: int) -> None:
    reading.year = value
    reading.short_year = None


def _century(reading: Reading, value: int) -> None:
    reading.century = value * 100


def _padded_day(text: str, at: int, reading: Reading) -> int:
    if text[at].isspace():
        at += 1
    return _DAY(text, at, reading)


def _names(names: tuple[str, ...], put: Callable[[Reading, int], None]) -> Step:
    """Whole names or their first three letters, in any case."""
    lower = [name.lower() for name in names]

    def step(text: str, at: int, reading: Reading) -> int:
        found = text[at : at + 9].lower()
        for index, name in enumerate(lower):
            for spelling in (name, name[:3]):
                if found.startswith(spelling):
                    put(reading, index)
                    return at + len(spelling)
        return NO

    return step


def _month(reading: Reading, index: int) -> None:
    reading.month = index + 1
    reading.known.add("month")


def _half_of_day(text: str, at: int, reading: Reading) -> int:
    half = text[at : at + 2].lower()
    if half not in ("am", "pm") or reading.hour > _NOON:
        return NO
    reading.hour = reading.hour % _NOON + (_NOON if half == "pm" else 0)
    return at + 2


_NOON = 12


def _epoch_seconds(text: str, at: int, reading: Reading) -> int:
    start = at
    while at < len(text) and "0" <= text[at] <= "9":
        at += 1
    if at == start or at - start > _MOST_DIGITS:
        return NO
    seconds = int(text[start:at])
    if seconds > _LAST_SECOND:
        return NO
    days, rest = divmod(seconds, 86400)
    date = datetime.date.fromordinal(_EPOCH + days)
    reading.year, reading.month, reading.day = date.year, date.month, date.day
    reading.hour, reading.minute, reading.second = rest // 3600, rest // 60 % 60, rest % 60
    reading.offset = 0
    reading.known |= {"month", "day"}
    return at


_MOST_DIGITS = 18
_LAST_SECOND = 253_402_300_799


def _iso_year(text: str, at: int, _reading: Reading) -> int:
    at += 1
    while at < len(text) and "0" <= text[at] <= "9":
        at += 1
    return at


def _numeric_zone(text: str, at: int, reading: Reading) -> int:
    """`Z`, `+hhmm`, `+hh:mm`, `+hh`, `UT`, `UTC`, `GMT`, and the four zones of North America."""
    at = _white_space(text, at, reading)
    for name in ("GMT", "UTC", "UT", "Z"):
        if text.startswith(name, at):
            reading.offset = 0
            return at + len(name)
    sign = text[at : at + 1]
    if sign not in ("+", "-") or not sign:
        return _american_zone(text, at, reading)
    hours = text[at + 1 : at + 3]
    if not _digits(hours, 2):
        return NO
    at += 3
    if text[at : at + 1] == ":":
        at += 1
    minutes = "0"
    if _digits(text[at : at + 1], 1):
        minutes = text[at : at + 2]
        if not _digits(minutes, 2):
            return NO
        at += 2
    offset = int(hours) * 3600 + int(minutes) * 60
    reading.offset = -offset if sign == "-" else offset
    return at


def _digits(text: str, amount: int) -> bool:
    return len(text) == amount and text.isascii() and text.isdigit()


def _american_zone(text: str, at: int, reading: Reading) -> int:
    name = text[at : at + 3].upper()
    if len(name) != len("EST") or name[0] not in "ECMP" or name[1:] not in ("ST", "DT"):
        return NO
    reading.offset = ZONES[name]
    return at + 3


def _named_zone(text: str, at: int, reading: Reading) -> int:
    end = at
    while end < len(text) and text[end].isascii() and text[end].isalnum():
        end += 1
    offset = ZONES.get(text[at:end].upper())
    if offset is None:
        if not text.startswith(("GMT", "UTC"), at):
            return NO
        offset, end = 0, at + 3
    reading.offset = offset
    return end


_DAY = _field("day", 1, 31)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTH_NAME = _names(_MONTHS, _month)
_DAY_NAME = _names(_DAYS, lambda _reading, _index: None)

_COMPOSED = {
    "c": "%a %b %e %H:%M:%S %Y", "D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M", "r": "%I:%M:%S %p", "T": "%H:%M:%S",
    "X": "%H:%M:%S", "x": "%m/%d/%y",
}  # fmt: skip
_STEPS: dict[str, Step] = {
    "%": _literal("%"),
    "A": _DAY_NAME, "a": _DAY_NAME, "B": _MONTH_NAME, "b": _MONTH_NAME, "h": _MONTH_NAME,
    "C": _number(0, 99, _century),
    "d": _DAY, "e": _padded_day,
    "H": _field("hour", 0, 23), "k": _field("hour", 0, 23), "I": _field("hour", 1, 12), "l": _field("hour", 1, 12),
    "j": _field("day_of_year", 1, 366),
    "M": _field("minute", 0, 59), "m": _field("month", 1, 12),
    "n": _white_space, "t": _white_space,
    "p": _half_of_day,
    "S": _field("second", 0, 60), "s": _epoch_seconds,
    "U": _ignored(0, 53), "W": _ignored(0, 53), "V": _ignored(0, 53), "g": _ignored(0, 99), "G": _iso_year,
    "u": _ignored(1, 7), "w": _ignored(0, 6),
    "Y": _number(0, _LAST_YEAR, _year), "y": _field("short_year", 0, 99),
    "Z": _named_zone, "z": _numeric_zone,
}  # fmt: skip
