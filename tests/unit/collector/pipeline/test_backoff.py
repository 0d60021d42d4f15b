from __future__ import annotations

import pytest

from pillion.collector.pipeline.backoff import Backoff, retries_allowed

BACKOFF = Backoff(base=1, cap=60)


@pytest.mark.parametrize(
    ("attempt", "least", "most"), [(1, 1, 2), (2, 1, 4), (5, 1, 32), (6, 1, 60), (10_000, 1, 60)]
)
def test_the_wait_is_spread_between_the_base_and_its_doubling(
    attempt: int, least: float, most: float
) -> None:
    assert BACKOFF.wait(attempt, after=None, random=0.0) == least
    assert BACKOFF.wait(attempt, after=None, random=0.999999) == pytest.approx(most, rel=1e-4)


def test_what_the_other_side_asks_for_is_waited_in_full() -> None:
    assert BACKOFF.wait(1, after=300, random=0.0) == 300
    assert 300 < BACKOFF.wait(1, after=300, random=0.5) <= 301


@pytest.mark.parametrize(
    ("text", "retries"),
    [
        ("no_limits", None),
        ("False", None),
        ("off", None),
        ("no_retries", 0),
        ("1", 1),
        ("5", 5),
        ("0", 1),
        ("-3", 1),
    ],
)
def test_retry_limit_is_read_as_fluent_bit_reads_it(text: str, retries: int | None) -> None:
    assert retries_allowed(text) == retries


def test_anything_else_is_no_retry_limit() -> None:
    with pytest.raises(ValueError, match="often"):
        retries_allowed("often")
