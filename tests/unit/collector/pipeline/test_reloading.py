"""Another configuration while records are on their way: none is lost, none is sent twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.collector_lab import Lab, configuration, live
from tests.unit.collector.pipeline.test_filtering import Joiner

from pillion.collector.configuration import ConfigurationError
from pillion.collector.pipeline.reloading import reload
from pillion.collector.plugin import Again


async def change(lab: Lab, **parts: Any) -> None:
    new = configuration(**parts)
    await reload(lab.pipeline, new, lab.surroundings(new))


def test_what_has_not_changed_goes_on(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        hand, out = lab.hand, lab.out
        await lab.put("a", "one")
        await change(lab)
        assert (lab.hand, lab.out) == (hand, out)
        await lab.put("a", "two")
        await lab.until(lambda: out.texts == ["one", "two"])
        assert not hand.is_closed

    lab = live(tmp_path, story)
    assert lab.hand.settled == ["one", "two"]


def test_another_match_takes_effect_without_a_new_output(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        out = lab.out
        await change(lab, outputs={"out": {"match": "b"}})
        await lab.put("a", "one")
        await lab.put("b", "two")
        assert lab.out is out

    assert live(tmp_path, story).out.texts == ["two"]


def test_what_an_output_did_not_deliver_goes_to_its_heir_first_and_once(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        old = lab.out
        old.otherwise = lambda _: Again(reason="wrong address")
        await lab.put("a", "one")
        await lab.until(lambda: old.contents)
        await lab.put("a", "two")
        await change(lab, outputs={"out": {"note": "the right address"}})
        assert old.is_closed
        await lab.put("a", "three")
        await lab.until(lambda: len(lab.hand.settled) == 3)
        assert old.texts == []

    lab = live(tmp_path, story)
    assert lab.out.texts == ["one", "two", "three"]
    assert not lab.hand.is_closed or lab.hand.settled == ["one", "two", "three"]


def test_a_delivery_under_way_ends_before_its_output_is_replaced(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        old = lab.out
        old.gate.clear()
        await lab.put("a", "one")
        await lab.until(old.is_waiting.is_set)
        async with asyncio.TaskGroup() as tasks:
            changing = tasks.create_task(change(lab, outputs={"out": {"note": "new"}}))
            await lab.until(lambda: lab.out is not old)
            assert not changing.done()
            old.gate.set()
        assert old.texts == ["one"]
        assert not old.interrupted.is_set()

    assert live(tmp_path, story).out.texts == []


def test_records_of_an_output_that_is_taken_away_become_dead_letters(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.outputs["dead"].otherwise = lambda _: Again(reason="down")
        await lab.put("a", "one")
        await lab.until(lambda: lab.outputs["dead"].contents)
        new = configuration(outputs={"out": {}})
        await reload(lab.pipeline, new, lab.surroundings(new), handover_seconds=0.05)
        await lab.until(lambda: lab.hand.settled == ["one"])

    lab = live(tmp_path, story, outputs={"out": {}, "dead": {}})
    assert [letter["record"] for letter in lab.dead_letters("dead")] == [{"log": "one"}]
    assert lab.out.texts == ["one"]


def test_a_changed_input_is_closed_once_all_it_read_is_settled_and_then_replaced(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        old = lab.hand
        lab.out.gate.clear()
        old.last = [("a", "last")]
        await lab.put("a", "one")
        await change(lab, inputs={"in": {"note": "changed"}})
        await lab.until(lambda: "last" in old.put_lines)
        assert not old.is_closed
        assert lab.hand is old
        lab.out.gate.set()
        await lab.until(lambda: old.is_closed)
        assert old.settled == ["one", "last"]
        await lab.until(lambda: lab.hand is not old and lab.hand.has_started.is_set())
        await lab.put("a", "two")

    lab = live(tmp_path, story)
    assert lab.out.texts == ["one", "last", "two"]
    assert not lab.hand.settled_after_close


def test_an_input_whose_records_cannot_be_delivered_is_replaced_with_the_grace(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        old = lab.hand
        lab.out.gate.clear()
        await lab.put("a", "one")
        await change(lab, inputs={"in": {"note": "changed"}}, service={"grace": 0.2})
        await lab.until(lambda: lab.hand is not old and lab.hand.has_started.is_set())
        lab.out.gate.set()
        await lab.until(lambda: lab.out.texts == ["one"])
        assert old.is_closed
        assert old.settled == []

    assert not live(tmp_path, story).hand.settled_after_close


def test_what_the_old_filters_held_is_given_out(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        await lab.put("a", "begin \\")
        await change(lab, filters={})
        await lab.until(lambda: lab.out.texts == ["begin "])

    lab = live(tmp_path, story, filters={"join": Joiner})
    assert lab.hand.settled == ["begin \\"]


def test_a_configuration_that_does_not_work_changes_nothing(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        out = lab.out
        with pytest.raises(ConfigurationError, match="retry_limit"):
            await change(lab, outputs={"out": {"note": "new"}, "more": {"retry_limit": "often"}})
        assert lab.pipeline.outputs[0].destination.output is out
        await lab.put("a", "one")
        await lab.until(lambda: out.texts == ["one"])

    live(tmp_path, story)


def test_records_flow_while_the_configuration_changes_again_and_again(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        taken: list[str] = []

        async def write() -> None:
            for number in range(200):
                await lab.put("a", str(number))
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(write())
            round_ = 0
            while not writing.done():
                round_ += 1
                old = lab.out
                await change(lab, outputs={"out": {"note": str(round_)}})
                taken += old.texts
        await lab.until(lambda: len(lab.hand.settled) == 200)
        assert sorted(map(int, taken + lab.out.texts)) == list(range(200))

    live(tmp_path, story)
