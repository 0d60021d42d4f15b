"""The dummy input's records, times and rhythm."""

from __future__ import annotations

import asyncio

import pytest
from tests.plugin_lab import HeldIntake, InputSurroundings

from pillion.collector.inputs.dummy import PLUGIN, Dummy, DummySettings


def build(**settings: object) -> Dummy:
    return PLUGIN.build(DummySettings(**settings), InputSurroundings("dummy.0"))  # type: ignore[arg-type]


def collected(amount: int, **settings: object) -> HeldIntake:
    async def run() -> HeldIntake:
        intake = HeldIntake()
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(build(**{"interval_nsec": 1_000_000} | settings).run(intake, stopping))
            await intake.until(amount)
            stopping.set()
        return intake

    return asyncio.run(run())


def test_the_same_record_comes_again_and_again() -> None:
    intake = collected(5)
    assert intake.records[0][0] == "dummy.0"
    assert all(body == {"message": "dummy"} for body in intake.bodies)


def test_samples_end_it_and_copies_multiply_each() -> None:
    intake = collected(6, samples=3, copies=2, dummy='{"a":1}', tag="t")
    assert [(tag, body) for tag, _, body in intake.records] == [("t", {"a": 1})] * 6


def test_several_maps_are_several_records() -> None:
    assert collected(2, samples=1, dummy='{"a":1} {"b":2}').bodies == [{"a": 1}, {"b": 2}]


def test_what_is_no_json_becomes_fluent_bits_default() -> None:
    assert collected(1, samples=1, dummy="{nope").bodies == [{"message": "dummy"}]


def test_a_fixed_time_stays_and_a_start_time_goes_on() -> None:
    fixed = collected(3, samples=3, fixed_timestamp=True, start_time_sec=100, start_time_nsec=5)
    assert [at for _, at, _ in fixed.records] == [100_000_000_005] * 3
    going = [at for _, at, _ in collected(3, samples=3, start_time_sec=100).records]
    assert going == sorted(going)
    assert 100_000_000_000 <= going[0] < 160_000_000_000


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 1),
        ({"rate": 0}, 1),
        ({"rate": 4}, 0.25),
        ({"rate": 3}, 0.333333333),
        ({"rate": 4, "interval_sec": 2}, 2),
        ({"interval_sec": 1, "interval_nsec": 500_000_000}, 1.5),
        ({"interval_sec": -1, "rate": 2}, 0.5),
    ],
)
def test_the_interval_comes_before_the_rate(settings: dict[str, int], seconds: float) -> None:
    assert DummySettings(**settings).interval == seconds  # type: ignore[arg-type]


def test_the_first_record_can_come_at_once() -> None:
    assert len(collected(1, interval_sec=3600, flush_on_startup=True).records) == 1
