"""The expectations are those of Fluent Bit's plugins/filter_throttle/throttle.c and window.c."""

from __future__ import annotations

import re

import pytest
from tests.filter_lab import TIME, Lab

from pillion.collector.configuration import ConfigurationError

SECOND = 10**9


def through(lab: Lab, records: int, second: float) -> int:
    return len(lab.lines(*["x"] * records, now=TIME + int(second * SECOND)))


def test_a_window_lets_its_whole_share_through_at_once() -> None:
    lab = Lab("throttle", "Rate 5\nWindow 4\nInterval 1s")
    assert through(lab, 30, 0) == 20
    assert through(lab, 1, 0.9) == 0
    assert lab.status.dropped == 11


def test_a_pane_is_used_again_after_a_whole_window() -> None:
    lab = Lab("throttle", "Rate 2\nWindow 3\nInterval 1s")
    assert [through(lab, 4, second) for second in (0, 1, 2, 3, 4, 5)] == [4, 2, 0, 4, 2, 0]


def test_a_long_silence_empties_the_window() -> None:
    lab = Lab("throttle", "Rate 2\nWindow 3")
    assert through(lab, 6, 0) == 6
    assert through(lab, 6, 1000) == 6


def test_a_clock_that_is_set_back_brings_nothing_back() -> None:
    lab = Lab("throttle", "Rate 2\nWindow 3")
    assert through(lab, 6, 100) == 6
    assert through(lab, 6, 50) == 0


@pytest.mark.parametrize(
    ("keys", "at_once"), [("", 5), ("Rate 0.5", 5), ("Window 1\nRate 3", 15), ("Rate 1.5\nWindow 3", 5)]
)
def test_values_that_make_no_sense_are_the_defaults(keys: str, at_once: int) -> None:
    assert through(Lab("throttle", keys), 50, 0) == at_once


@pytest.mark.parametrize(
    ("interval", "seconds"), [("1", 1), ("3s", 3), ("1.5m", 90), ("0.5h", 1800), ("1d", 86400), ("0.2s", 1)]
)
def test_intervals_have_units(interval: str, seconds: int) -> None:
    lab = Lab("throttle", f"Rate 2\nWindow 2\nInterval {interval}")
    assert through(lab, 4, 0) == 4
    assert through(lab, 4, 2 * seconds - 0.01) == 0
    assert through(lab, 4, 2 * seconds) == 4


def test_an_interval_that_is_none_is_said() -> None:
    with pytest.raises(ConfigurationError, match=re.escape("interval: must be a time")):
        Lab("throttle", "Interval soon")
