"""The clock goes on while the machine sleeps, and never runs backwards."""

from __future__ import annotations

import asyncio

from pillion.clock import LoopClock, process_age, seconds_asleep


def test_a_sleep_of_the_machine_counts() -> None:
    async def body() -> None:
        slept = 100.0
        clock = LoopClock(lambda: slept)
        before = clock.now()
        slept += 3600
        after = clock.now()
        assert 3600 <= after - before < 3660
        assert 0 <= clock.now() - after < 60, "it is counted once"

    asyncio.run(body())


def test_two_readings_that_are_not_one_moment_are_no_sleep() -> None:
    async def body() -> None:
        noise = iter([5.0, 5.000_01, 4.999_99, 5.000_02, 4.999_98])
        clock = LoopClock(lambda: next(noise))
        seen = [clock.now() for _ in range(4)]
        assert seen == sorted(seen)

    asyncio.run(body())


def test_a_machine_has_slept_no_less_than_nothing_and_this_process_is_no_older_than_it() -> None:
    assert seconds_asleep() >= -0.01
    assert 0 <= process_age() < 7 * 86_400


def test_threads_read_it_too() -> None:
    async def scenario() -> tuple[float, float]:
        clock = LoopClock()
        return clock.now(), await asyncio.to_thread(clock.now)

    here, there = asyncio.run(scenario())
    assert here <= there < here + 60
