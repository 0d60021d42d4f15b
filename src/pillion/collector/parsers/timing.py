"""A parser's time: `Time_Format` with fractions of a second, years that are missing, zones, and a memory for the second
that one line shares with the next.

Source: Fluent Bit's src/flb_parser.c (`flb_parser_create`, `flb_parser_time_lookup`, `flb_parser_tzone_offset`) and
include/fluent-bit/flb_parser.h (`flb_parser_tm2time`).
"""

from __future__ import annotations

import datetime
import re
from operator import add, itemgetter
from typing import Any

from pillion.collector.configuration.parsers import ParserSettings
from pillion.collector.parsers import strptime
from pillion.collector.parsers.strptime import NO, Reading

_BILLION = 1_000_000_000
_LONGEST = 63
"""Bytes of a time's text; Fluent Bit takes no longer one."""
_WITH_ZONE = ("%z", "%Z", "%SZ", "%S.%LZ")
_FRACTION = re.compile("[0-9]{1,9}")
_REMEMBERED = 4096
_FEW_DIGITS = 3
"""Of fractions that are all remembered."""
_PLAIN_END = re.compile("(?:[^%]|%[zZ%])*")
"""After the fraction: nothing but a zone and characters of the format."""
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")


class TimeReader:
    """Reads the times of one parser. Remembers what it read, which changes nothing but how long it takes."""

    def __init__(self, settings: ParserSettings, zone: datetime.tzinfo) -> None:
        """`zone`: the machine's, or Time_Zone's. Raises ValueError for a Time_Offset that is none."""
        pattern = settings.time_format
        self._with_year = any(each in pattern for each in ("%Y", "%y", "%s"))
        self._with_zone = any(each in pattern for each in _WITH_ZONE)
        elsewhere = settings.time_system_timezone or bool(settings.time_zone)
        self._zone = zone if elsewhere and not self._with_zone else None
        self._offset = parse_offset(settings.time_offset) if settings.time_offset else 0
        self._strict = settings.time_strict
        before, found, after = pattern.partition("%L")
        self._before = strptime.compile_format(before)
        self._after = strptime.compile_format(after) if found else None
        self._steady = bool(found) and _ends_with_literal(before) and _PLAIN_END.fullmatch(after) is not None
        self._heads: dict[str, int] = {}
        self._tails: dict[str, int] = {}
        self._length = 0
        self._digits = 0
        """Of the fraction that was read last."""
        self._zones: dict[str, int] = {}
        """What is behind a fraction of so many digits: what it adds."""
        self._known: dict[str, int | None] = {}
        self._today = (0, 0, 0)

    def read(self, text: str, now: int) -> int | None:
        """The time in ns that `text` says; None when it says none (or, not strict, nothing that makes a date)."""
        return self.read_all([text], now)[0]

    def read_all(self, texts: list[str], now: int) -> list[int | None]:
        """As `read`, one after the other."""
        if not self._with_year:
            self._turn_over(now)
        if self._steady:
            heads, tails, length = self._heads, self._tails, self._length
            try:
                return [heads[text[:length]] + tails[text[length:]] for text in texts]
            except KeyError:
                return [self._read_in_parts(text) for text in texts]
        known = self._known
        return [known[text] if text in known else self._read_and_remember(text) for text in texts]

    def recall(self, values: list[Any], now: int) -> list[int] | None:
        """As `read_all`, but at once, when all of `values` are texts and look like those before; None otherwise."""
        if not values:
            return None
        if not self._with_year:
            self._turn_over(now)
        if not self._steady:
            return self._all_known(values)
        try:
            if not self._length:
                self._read_in_parts(values[0])
            heads = list(map(itemgetter(slice(None, self._length)), values))
            tails = list(map(itemgetter(slice(self._length, None)), values))
            for head in set(heads) - self._heads.keys():
                self._read_in_parts(values[heads.index(head)])
            try:
                return self._put_together(heads, tails)
            except KeyError:
                self._learn_tails(values, tails)
                return self._put_together(heads, tails)
        except (KeyError, TypeError, AttributeError):  # one says no time, or is no text
            return None

    # ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _all_known(self, values: list[Any]) -> list[int] | None:
        known = self._known
        try:
            found = [known[value] for value in values]
        except (KeyError, TypeError):
            return None
        times = [time for time in found if time is not None]
        return times if len(times) == len(found) else None

    def _put_together(self, heads: list[str], tails: list[str]) -> list[int]:
        """Raises KeyError when one is not known."""
        seconds = map(self._heads.__getitem__, heads)
        if self._digits <= _FEW_DIGITS:
            return list(map(add, seconds, map(self._tails.__getitem__, tails)))
        fractions = list(map(itemgetter(slice(None, self._digits)), tails))
        joined = "".join(fractions)
        if len(joined) != len(tails) * self._digits or not (joined.isascii() and joined.isdigit()):
            raise KeyError
        zones = map(self._zones.__getitem__, map(itemgetter(slice(self._digits, None)), tails))
        scale = 10 ** (9 - self._digits)
        return [
            second + zone + fraction * scale
            for second, zone, fraction in zip(seconds, zones, map(int, fractions), strict=True)
        ]

    def _learn_tails(self, texts: list[str], tails: list[str]) -> None:
        for tail in set(tails) - self._tails.keys():
            if self._digits > _FEW_DIGITS and tail[self._digits :] in self._zones:
                break
            self._read_in_parts(texts[tails.index(tail)])

    def _read_and_remember(self, text: str) -> int | None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        time = self._known[text] = self._read(text)
        return time

    def _read_in_parts(self, text: str) -> int | None:
        """What is before the fraction and what begins with it are remembered apart: neighbours share the one, and times
        of milliseconds the other. Nothing that comes later can change what is read from the first part, which ends in
        a character of the format; and the second has all that there is to say of a zone."""
        length = self._length
        head, tail = text[:length], text[length:]
        second, rest = self._heads.get(head), self._tails.get(tail)
        if second is not None and rest is not None:
            return second + rest
        time = self._read(text)
        if time is not None and second is not None and length == self._length:
            self._remember_tail(tail, time - second)
        return time

    def _remember_tail(self, tail: str, time: int) -> None:
        found = _FRACTION.match(tail)
        assert found is not None
        digits = found.end()
        if digits != self._digits or len(self._zones) >= _REMEMBERED:
            self._zones.clear()
        self._digits = digits
        self._zones[tail[digits:]] = time - int(found[0].ljust(9, "0"))
        if len(self._tails) >= _REMEMBERED:
            self._tails.clear()
        self._tails[tail] = time

    def _remember_head(self, head: str, reading: Reading) -> None:
        second = self._instant(reading, 0 if self._with_zone else self._offset, 0)
        if second is None:
            return
        if len(head) != self._length:
            self._heads.clear()
            self._tails.clear()
            self._zones.clear()
        elif len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        self._length = len(head)
        self._heads[head] = second

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _read(self, text: str) -> int | None:
        if len(text.encode()) > _LONGEST - (0 if self._with_year else len("2000 ") + 1):
            return None
        reading = Reading()
        if not self._with_year:
            reading.year, reading.month, reading.day = self._today
        at = strptime.read(self._before, text, 0, reading)
        fraction = 0
        if at != NO and self._after is not None:
            at, fraction = self._rest(text, at, reading)
        if at == NO:
            return None if self._strict else self._instant(reading, reading.offset, fraction)
        return self._instant(reading, reading.offset if self._with_zone else self._offset, fraction)

    def _rest(self, text: str, at: int, reading: Reading) -> tuple[int, int]:
        """The fraction and what is after it."""
        found = _FRACTION.match(text, at)
        if found is None:
            return NO, 0
        assert self._after is not None
        if self._steady:
            self._remember_head(text[:at], reading)
        return strptime.read(self._after, text, found.end(), reading), int(found[0].ljust(9, "0"))

    def _instant(self, reading: Reading, offset: int, fraction: int) -> int | None:
        seconds = reading.seconds()
        if seconds is None:
            return None
        if self._zone is not None:
            try:
                local = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)  # noqa: DTZ001
            except OverflowError:
                return None
            found = self._zone.utcoffset(local)
            offset = int(found.total_seconds()) if found is not None else 0
        return (seconds - offset) * _BILLION + fraction

    def _turn_over(self, now: int) -> None:
        """A format without a year means this year, and today if it has no day either: what was read of other days is
        forgotten."""
        date = datetime.datetime.fromtimestamp(now // _BILLION, self._zone or datetime.UTC)
        today = (date.year, date.month, date.day)
        if today != self._today:
            self._today = today
            self._known.clear()
            self._heads.clear()


def parse_offset(text: str) -> int:
    """`+0200`, `-06:00` or `Z` in seconds. Raises ValueError."""
    if text.startswith("Z"):
        return 0
    found = _OFFSET.match(text)
    if found is None or int(found[2]) > 59 or int(found[3]) > 59:
        raise ValueError(f"{text!r} is no offset; it is written +0200 or -06:00")
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


def _ends_with_literal(pattern: str) -> bool:
    """The last character stands for itself, and is no white space (of which the text may have any amount)."""
    if not pattern or pattern[-1].isspace():
        return False
    marks = len(pattern[:-1]) - len(pattern[:-1].rstrip("%"))
    return marks % 2 == 0 and not (pattern[-2:-1] in ("E", "O") and "%" in pattern[-4:-1])
