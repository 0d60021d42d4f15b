"""What a request asks for: its parameters, and times and durations in them (web/api/v1, parseTime and its kin)."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pillion.scraper.configuration import parse_duration
from pillion.scraper.exposition.numbers import parse_go_float
from pillion.scraper.query import ParseError, parse_selector
from pillion.scraper.web.answers import ApiError, Kind
from pillion.units import quote

if TYPE_CHECKING:
    from pillion.http.server import Asked
    from pillion.scraper.labels import Matcher

MIN_TIME = -(2**63) + 62135596801000
MAX_TIME = 2**63 - 62135596801001
"""Milliseconds: what stands for "since ever" and "for ever"."""
_EDGES = {"-292273086-05-16T16:47:06Z": MIN_TIME, "292277025-08-18T07:12:54.999999999Z": MAX_TIME}
_LONGEST_SECONDS = 2**63 / 1e9
_FORM = "application/x-www-form-urlencoded"
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_MAX_INT = 2**63 - 1


def invalid(name: str, reason: object) -> ApiError:
    return ApiError(Kind.BAD_DATA, f"invalid parameter {quote(name)}: {reason}")


class Parameters:
    """Those of a form in the body come before those of the URL."""

    def __init__(self, asked: Asked) -> None:
        pairs: list[tuple[str, str]] = []
        if asked.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
            pairs += parse_qsl(asked.body.decode("utf-8", "replace"), keep_blank_values=True)
        pairs += parse_qsl(asked.target.partition("?")[2], keep_blank_values=True)
        self._pairs = pairs

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def get(self, name: str) -> str:
        return next((value for key, value in self._pairs if key == name), "")

    def time(self, name: str, default: int) -> int:
        """Milliseconds since the epoch, `default` if it is not given. Raises ApiError."""
        text = self.get(name)
        if not text:
            return default
        try:
            return parse_time(text)
        except ValueError as error:
            raise invalid(name, f"Invalid time value for '{name}': {error}") from None

    def needed_time(self, name: str) -> int:
        try:
            return parse_time(self.get(name))
        except ValueError as error:
            raise invalid(name, error) from None

    def duration(self, name: str) -> int:
        """Milliseconds. Raises ApiError."""
        try:
            return parse_length(self.get(name))
        except ValueError as error:
            raise invalid(name, error) from None

    def limit(self, name: str = "limit") -> int:
        """Of how much is answered; without one, as much as there is. 0 stands for that too."""
        text = self.get(name)
        if not text:
            return _MAX_INT
        if re.fullmatch(r"[+-]?[0-9]+", text) is None:
            raise invalid(name, f"strconv.Atoi: parsing {quote(text)}: invalid syntax")
        if (limit := int(text)) < 0:
            raise invalid(name, f"{name} must be non-negative")
        return limit or _MAX_INT

    def matchers(self, name: str = "match[]") -> list[tuple[Matcher, ...]]:
        """Raises ApiError."""
        found = []
        for text in self.all(name):
            try:
                matchers = parse_selector(text)
            except ParseError as error:
                raise invalid(name, error) from None
            if all(matcher.matches("") for matcher in matchers):
                raise invalid(name, f"{name} must contain at least one non-empty matcher")
            found.append(matchers)
        return found


def parse_time(text: str) -> int:
    """Seconds or RFC 3339 → milliseconds since the epoch. Raises ValueError in Prometheus' words."""
    try:
        seconds = parse_go_float(text.encode())
    except ValueError:
        pass
    else:
        if math.isfinite(seconds):
            return max(MIN_TIME, min(MAX_TIME, round(seconds * 1000)))
    if text in _EDGES:
        return _EDGES[text]
    if match := _RFC_3339.fullmatch(text):
        try:
            whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        except ValueError:
            pass
        else:
            return int(whole.astimezone(UTC).timestamp()) * 1000 + int(float(match[2] or "0") * 1000)
    raise ValueError(f"cannot parse {quote(text)} to a valid timestamp")


def parse_length(text: str) -> int:
    """Seconds or a duration as in PromQL → milliseconds. Raises ValueError in Prometheus' words."""
    try:
        seconds = parse_go_float(text.encode())
    except ValueError:
        pass
    else:
        if not -_LONGEST_SECONDS <= seconds <= _LONGEST_SECONDS:
            raise ValueError(f"cannot parse {quote(text)} to a valid duration. It overflows int64")
        return round(seconds * 1000)
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError(f"cannot parse {quote(text)} to a valid duration") from None
