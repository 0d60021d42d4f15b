from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.units import (
    Instant,
    format_micro_time,
    format_nano_time,
    format_time,
    go_duration,
    go_milliseconds,
    human_duration,
    parse_nano_time,
    parse_time,
)

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 86_400 * 365


def test_an_instant_is_written_with_the_digits_its_reader_expects() -> None:
    at = parse_time("2026-01-02T03:04:05.678901234Z")
    assert format_time(at) == "2026-01-02T03:04:05Z"
    assert format_micro_time(at) == "2026-01-02T03:04:05.678901Z"
    assert format_nano_time(1_767_323_045_678_901_234) == "2026-01-02T03:04:05.678901234Z"
    assert format_time(Instant(-1)) == "1969-12-31T23:59:59Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02T04:04:05+01:00",
        "2026-01-01T21:34:05-05:30",
        "2026-01-02t03:04:05.0z",
    ],
)
def test_every_offset_names_the_same_instant(text: str) -> None:
    assert parse_nano_time(text) == 1_767_323_045_000_000_000


@pytest.mark.parametrize(
    "text", ["", "now", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z"]
)
def test_what_is_no_time_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="as a time: "):
        parse_time(text)


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000_000))
def test_no_nanosecond_is_lost(nanos: int) -> None:
    assert parse_nano_time(format_nano_time(nanos)) == nanos


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))
def test_no_microsecond_is_lost(micros: int) -> None:
    text = format_micro_time(Instant(micros / 1_000_000))
    assert parse_nano_time(text) == micros * 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE + 1, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (8 * HOUR + 5 * MINUTE, "8h"),
        (48 * HOUR - 1, "47h"),
        (48 * HOUR, "2d"),
        (49 * HOUR, "2d1h"),
        (8 * DAY + HOUR, "8d"),
        (2 * YEAR - 1, "729d"),
        (2 * YEAR, "2y"),
        (2 * YEAR + DAY, "2y1d"),
        (8 * YEAR + DAY, "8y"),
    ],
)
def test_an_age_is_short(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (10, "10s"), (80, "1m20s"), (300, "5m0s"), (3600, "1h0m0s"), (-90, "-1m30s")],
)
def test_a_backoff_is_written_as_go_writes_it(seconds: int, text: str) -> None:
    assert go_duration(seconds) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0s"),
        (5, "5ms"),
        (999, "999ms"),
        (1000, "1s"),
        (1661, "1.661s"),
        (1500, "1.5s"),
        (62500, "1m2.5s"),
    ],
)
def test_a_pull_is_timed_as_go_times_it(milliseconds: int, text: str) -> None:
    assert go_milliseconds(milliseconds) == text
