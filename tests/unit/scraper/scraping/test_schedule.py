from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.scraper.scraping.schedule import MILLISECOND, SECOND, Ticks, first_wait, fnv1a, seed_of


def test_fnv1a_is_that_of_its_authors() -> None:
    assert fnv1a(b"") == 0xCBF29CE484222325
    assert fnv1a(b"foobar") == 0x85944171F73967E8


@given(
    st.integers(1, 3600 * SECOND), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**61)
)
def test_the_phase_does_not_depend_on_the_start(interval: int, hashed: int, seed: int, now: int) -> None:
    wait = first_wait(interval, hashed, seed, now)
    assert 0 <= wait <= interval
    assert (now + wait) % interval == (hashed ^ seed) % interval


def test_scrapers_with_other_external_labels_have_other_phases() -> None:
    assert seed_of("host", (("replica", "a"),)) != seed_of("host", (("replica", "b"),))


@pytest.mark.parametrize(
    ("interval", "late", "is_aligned"),
    [
        (SECOND, 0, True),
        (SECOND, 2 * MILLISECOND, True),
        (SECOND, 2 * MILLISECOND + 1, False),
        (100 * MILLISECOND, MILLISECOND, True),
        (100 * MILLISECOND, MILLISECOND + 1, False),
    ],
)
def test_a_scrape_that_is_hardly_late_has_the_time_it_was_due_at(
    interval: int, late: int, is_aligned: bool
) -> None:
    begun = 10**18
    ticks = Ticks(begun, interval)
    due = begun + 3 * interval
    assert ticks.scrape_time(due + late) == (due if is_aligned else due + late)


def test_ticks_that_were_missed_are_left_out_all_but_one() -> None:
    ticks = Ticks(0, 10)
    assert ticks.next_wait(3) == 7
    assert ticks.next_wait(12) == 8
    assert ticks.next_wait(47) == 0  # those at 30 and 40 were missed
    assert ticks.next_wait(48) == 2
