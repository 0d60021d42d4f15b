"""Points in time and their RFC 3339 text, always in UTC, always to the precision the reader expects."""

from __future__ import annotations

import datetime
import math
import re
from typing import NewType

Instant = NewType("Instant", float)
"""Seconds since the Unix epoch, UTC."""

_NANOS_PER_SECOND = 1_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FIRST = -62_135_596_800
_BEYOND = 253_402_300_800
"""Seconds between which years are written with four digits."""
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,18}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def format_time(at: Instant) -> str:
    """Whole seconds, cut off: `2026-01-02T03:04:05Z`. How metav1.Time is written."""
    return f"{_date_and_clock(math.floor(at))}Z"


def format_micro_time(at: Instant) -> str:
    """Six digits: `2026-01-02T03:04:05.678901Z`. How metav1.MicroTime is written."""
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_date_and_clock(seconds)}.{micros:06d}Z"


def format_nano_time(nanos: int) -> str:
    """Nine digits: `2026-01-02T03:04:05.678901234Z`, for nanoseconds since the epoch.

    Fixed width, as kubelet prints `kubectl logs --timestamps` (RFC3339NanoFixed in kuberuntime/logs).
    """
    seconds, fraction = divmod(nanos, _NANOS_PER_SECOND)
    return f"{_date_and_clock(seconds)}.{fraction:09d}Z"


def parse_time(text: str) -> Instant:
    """The instant an RFC 3339 text names, whatever its offset and digits.

    Raises ValueError for anything else.
    """
    return Instant(parse_nano_time(text) / _NANOS_PER_SECOND)


def parse_nano_time(text: str) -> int:
    """The same in whole nanoseconds since the epoch: a float cannot tell two neighbouring log lines apart."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f'cannot read "{text}" as a time: write it like 2026-01-02T03:04:05Z')
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError as error:
        raise ValueError(f'cannot read "{text}" as a time: {error}') from None
    since = moment - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    if match[9] is not None:
        offset = int(match[10]) * 3600 + int(match[11]) * 60
        seconds -= offset if match[9] == "+" else -offset
        if not _FIRST <= seconds < _BEYOND:
            raise ValueError(f'cannot read "{text}" as a time: its year in UTC is not one of 1 to 9999')
    return seconds * _NANOS_PER_SECOND + int((match[7] or "")[:9].ljust(9, "0"))


def _date_and_clock(seconds: int) -> str:
    moment = _EPOCH + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
