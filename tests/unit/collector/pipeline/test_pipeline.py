"""From an input's hands to outputs: routes, verdicts, retries, backpressure, the ordered end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.collector_lab import Lab, lines_of, live

from pillion.collector.plugin import Again, Delivered, Refused, TooLarge
from pillion.collector.records import Content, Lines


def of(content: Content, *lines: str) -> Content:
    assert isinstance(content, Lines)
    return Lines(data="".join(f"{line}\n" for line in lines).encode(), time=content.time)


def test_what_is_put_is_delivered_and_then_settled(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        await lab.put("a", "one", "two")
        await lab.until(lambda: lab.hand.settled)

    lab = live(tmp_path, story)
    assert lab.out.texts == lab.hand.settled == ["one", "two"]
    assert lab.pipeline.output_statuses[0].delivered == 2
    assert lab.ending is not None
    assert not lab.ending.left
    assert lab.hand.is_closed
    assert lab.out.is_closed


def test_nothing_is_settled_before_every_output_has_it(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.outputs["slow"].gate.clear()
        await lab.put("a", "one")
        await lab.until(lambda: lab.outputs["quick"].texts and lab.outputs["slow"].is_waiting.is_set())
        assert not lab.hand.settled
        lab.outputs["slow"].gate.set()
        await lab.until(lambda: lab.hand.settled)

    lab = live(tmp_path, story, outputs={"quick": {}, "slow": {}})
    assert lab.outputs["slow"].texts == ["one"]


def test_an_output_takes_the_tags_that_its_match_means(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        for tag in ("app.a", "app.b.c", "other"):
            await lab.put(tag, tag)

    outputs = {
        "wild": {"match": "app.*"},
        "exact": {"match": "other"},
        "ruby": {"match": "", "match_regex": "^(app|x)\\.a"},
    }
    lab = live(tmp_path, story, outputs=outputs)
    assert {name: sorted(out.texts) for name, out in lab.outputs.items()} == {
        "wild": ["app.a", "app.b.c"],
        "exact": ["other"],
        "ruby": ["app.a"],
    }


def test_records_that_no_output_takes_are_said_once_counted_and_settled(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        await lab.put("lost", "one", "two")
        await lab.put("lost", "three")
        assert lab.hand.settled == ["one", "two", "three"]
        assert list(lab.notices.current) == ["unrouted: lost"]

    lab = live(tmp_path, story, outputs={"out": {"match": "other"}})
    assert lab.pipeline.road.unrouted == lab.pipeline.input_statuses[0].unrouted == 3


def test_what_waits_goes_out_together_within_the_outputs_limit(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.gate.clear()
        await lab.put("a", "first")
        await lab.until(lab.out.is_waiting.is_set)
        for number in range(10):
            await lab.put("a", f"line-{number:04}")
        lab.out.gate.set()
        await lab.until(lambda: len(lab.out.texts) == 11)

    lab = live(tmp_path, story, outputs={"out": {"limit": 50}})
    assert [len(lines_of(content)) for content in lab.out.contents] == [1, 5, 5]
    assert lab.out.texts == ["first", *(f"line-{number:04}" for number in range(10))]


def test_a_chunk_above_the_outputs_limit_goes_out_in_pieces(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        await lab.put("a", *(f"line-{number:04}" for number in range(20)))

    lab = live(tmp_path, story, outputs={"out": {"limit": 60}})
    assert max(len(lines_of(content)) for content in lab.out.contents) <= 6
    assert lab.out.texts == lab.hand.settled


def test_one_tag_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.gate.clear()
        await lab.put("a", "a0")
        await lab.until(lab.out.is_waiting.is_set)
        for number in range(1, 5):
            await lab.put("a", f"a{number}")
        await lab.put("b", "b0")
        lab.out.gate.set()
        await lab.until(lambda: len(lab.out.texts) == 6)

    lab = live(tmp_path, story, outputs={"out": {"limit": 7}})
    assert lab.out.texts == ["a0", "a1", "a2", "b0", "a3", "a4"]


def test_what_was_not_taken_is_tried_again_and_keeps_its_order(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.script += [Again(reason="down"), Again(reason="down"), Again(reason="down")]
        await lab.put("a", "one")
        await lab.put("a", "two")
        await lab.until(lambda: len(lab.hand.settled) == 2)

    lab = live(tmp_path, story)
    status = lab.pipeline.output_statuses[0]
    assert lab.out.texts == ["one", "two"]
    assert (status.retries, status.retried, status.consecutive_failures, status.dropped) == (3, 3, 0, 0)


def test_only_what_remains_is_sent_again(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.script.append(lambda content: Again(reason="full", remaining=of(content, "three")))
        await lab.put("a", "one", "two", "three")
        await lab.until(lambda: lab.hand.settled)

    lab = live(tmp_path, story)
    assert [lines_of(content) for content in lab.out.contents] == [["one", "two", "three"], ["three"]]
    assert lab.out.texts == ["one", "two", "three"]
    assert lab.pipeline.output_statuses[0].delivered == 3


def test_too_large_is_halved_and_a_single_record_becomes_a_dead_letter(tmp_path: Path) -> None:
    def at_most_two(content: Content) -> Delivered | TooLarge:
        lines = lines_of(content)
        return TooLarge(reason="413") if len(lines) > 2 or "huge" in lines else Delivered()

    async def story(lab: Lab) -> None:
        lab.out.otherwise = at_most_two
        await lab.put("a", "1", "2", "3", "huge", "5")
        await lab.until(lambda: lab.hand.settled)

    lab = live(tmp_path, story)
    assert lab.out.texts == ["1", "2", "3", "5"]
    [letter] = lab.dead_letters()
    assert (letter["record"], letter["reason"], letter["tag"], letter["output"]) == (
        {"log": "huge"},
        "413",
        "a",
        "out",
    )
    assert lab.pipeline.output_statuses[0].dead_letters == 1


def test_refused_records_are_kept_as_dead_letters_and_settled(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.script += [
            Refused(reason="400"),
            lambda content: Delivered(rejected=(("mapping", of(content, "bad")),)),
        ]
        await lab.put("a", "one", "two")
        await lab.until(lambda: lab.hand.settled)
        await lab.put("a", "good", "bad")

    lab = live(tmp_path, story)
    assert [(letter["record"]["log"], letter["reason"]) for letter in lab.dead_letters()] == [
        ("one", "400"),
        ("two", "400"),
        ("bad", "mapping"),
    ]
    status = lab.pipeline.output_statuses[0]
    assert (status.delivered, status.dead_letters, status.errors, status.dropped) == (1, 3, 1, 0)
    assert lab.hand.settled == ["one", "two", "good", "bad"]


def test_records_whose_retries_are_used_up_become_dead_letters(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.otherwise = lambda _: Again(reason="503")
        await lab.put("a", "one")
        await lab.until(lambda: lab.hand.settled)

    lab = live(tmp_path, story, outputs={"out": {"retry_limit": "2"}})
    assert len(lab.out.contents) == 3
    assert lab.dead_letters()[0]["reason"] == "retries exhausted: 503"
    assert lab.pipeline.output_statuses[0].retries_failed == 1


def test_no_retries_means_one_attempt(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.otherwise = lambda _: Again(reason="503")
        await lab.put("a", "one")
        await lab.until(lambda: lab.hand.settled)

    lab = live(tmp_path, story, outputs={"out": {"retry_limit": "no_retries"}})
    assert len(lab.out.contents) == 1


def test_records_that_an_output_chokes_on_do_not_stop_the_others_for_ever(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.otherwise = lambda content: (
            Again(reason="500") if "poison" in lines_of(content) else Delivered()
        )
        lab.out.gate.clear()
        await lab.put("a", "poison")
        await lab.until(lab.out.is_waiting.is_set)
        await lab.put("b", "good")
        lab.out.gate.set()
        await lab.until(lambda: lab.hand.settled == ["good"])
        lab.out.otherwise = None
        await lab.until(lambda: "poison" in lab.hand.settled)

    live(tmp_path, story)


def test_a_mistake_of_an_output_is_a_failure_that_is_tried_again(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.script.append(KeyError("oops"))
        await lab.put("a", "one")
        await lab.until(lambda: lab.hand.settled)

    assert live(tmp_path, story).out.texts == ["one"]


def test_a_full_share_of_the_buffer_makes_the_input_wait(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.gate.clear()
        await lab.put("a", "x" * 60)
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(lab.put("a", "y" * 60))
            await lab.until(lambda: lab.pipeline.input_statuses[0].waiting)
            assert not second.done()
            lab.out.gate.set()
        assert not lab.pipeline.input_statuses[0].waiting

    lab = live(tmp_path, story, inputs={"in": {"mem_buf_limit": 100}})
    assert len(lab.out.texts) == 2


def test_a_chunk_larger_than_the_share_passes_when_nothing_else_is_on_its_way(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        await lab.put("a", "x" * 1000)
        await lab.put("a", "y" * 1000)

    assert len(live(tmp_path, story, inputs={"in": {"mem_buf_limit": 100}}).out.texts) == 2


def test_the_last_read_is_delivered_at_the_end(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.hand.last = [("a", "goodbye"), ("a", "and thanks")]

    lab = live(tmp_path, story)
    assert lab.out.texts == lab.hand.settled == ["goodbye", "and thanks"]


def test_the_end_does_not_wait_for_backoff(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.script.append(Again(reason="later", after=3600.0))
        await lab.put("a", "one")
        await lab.until(lambda: lab.pipeline.output_statuses[0].retries)

    assert live(tmp_path, story).hand.settled == ["one"]


def test_what_an_output_never_takes_is_reported_and_not_settled(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.otherwise = lambda _: Again(reason="refused connection")
        await lab.put("a", "one", "two")
        await lab.until(lambda: lab.pipeline.output_statuses[0].retries)

    lab = live(tmp_path, story, service={"grace": 0.5})
    assert lab.ending is not None
    assert lab.ending.left == {"out": 2}
    assert lab.ending.reasons == {"out": "refused connection"}
    assert lab.hand.settled == []
    assert lab.hand.is_closed


def test_a_delivery_that_hangs_is_interrupted_at_the_end(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.gate.clear()
        await lab.put("a", "one")
        await lab.until(lab.out.is_waiting.is_set)

    lab = live(tmp_path, story, service={"grace": 0.5})
    assert lab.out.is_closed
    assert lab.ending is not None
    assert lab.ending.left == {"out": 1}


def test_an_input_that_waits_for_room_is_ended_with_the_grace(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.gate.clear()
        lab.hand.last = [("a", "x" * 200), ("a", "y" * 200)]

    lab = live(tmp_path, story, inputs={"in": {"mem_buf_limit": 100}}, service={"grace": 0.5})
    assert lab.hand.settled == []
    assert lab.hand.is_closed


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.gate.clear()
        await lab.put("a", "one")
        await lab.until(lab.out.is_waiting.is_set)
        lab.pipeline.stop()
        await lab.until(lambda: lab.pipeline.is_stopping)

    lab = live(tmp_path, story, service={"grace": 3600.0}, how="stop_now")
    assert lab.ending is not None
    assert lab.ending.left == {"out": 1}


def test_a_signal_when_everything_is_delivered_changes_nothing(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        await lab.put("a", "one")

    lab = live(tmp_path, story)
    lab.pipeline.stop_now()
    assert lab.ending is not None
    assert lab.ending.left == {}


def test_an_input_that_ends_by_itself_ends_the_collector_in_order(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        await lab.put("a", "one")
        lab.hand.ends.set()
        await lab.until(lambda: lab.pipeline.is_stopping)

    lab = live(tmp_path, story)
    assert lab.hand.settled == ["one"]
    assert lab.ending is not None
    assert not lab.ending.failure


def test_what_was_too_large_once_is_not_offered_again(tmp_path: Path) -> None:
    def at_most_100_kilobytes(content: Content) -> Delivered | TooLarge:
        assert isinstance(content, Lines)
        return TooLarge(reason="413") if len(content.data) > 100_000 else Delivered()

    async def two_rounds(lab: Lab) -> None:
        lab.out.otherwise = at_most_100_kilobytes
        for number in (1, 2):
            offered = len(lab.out.contents)
            lab.out.gate.clear()
            lab.out.is_waiting.clear()
            await lab.put("a", "first")
            await lab.until(lab.out.is_waiting.is_set)
            for line in range(50):
                await lab.put("a", f"{line:04}".ljust(10_000, "x"))
            lab.out.gate.set()
            await lab.until(lambda number=number: len(lab.hand.settled) == 51 * number)
            sizes = [len(each.data) for each in lab.out.contents[offered:] if isinstance(each, Lines)]
            assert any(size > 100_000 for size in sizes) is (number == 1)

    assert len(live(tmp_path, two_rounds).out.texts) == 102
