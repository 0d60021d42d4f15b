"""What filters hold, emit and drop, and whom that makes wait."""

from __future__ import annotations

from collections.abc import Callable

from tests.collector_lab import TIME, lines_of

from pillion.collector.pipeline.claims import Claim, release
from pillion.collector.pipeline.filtering import Chain, Passed, Stage
from pillion.collector.pipeline.matching import Pattern
from pillion.collector.plugin import Filter, Filtered
from pillion.collector.records import Content, Lines, count
from pillion.collector.status import FilterStatus


def lines(*texts: str) -> Lines:
    return Lines(data="".join(f"{text}\n" for text in texts).encode(), time=TIME)


class Plain:
    """A filter of one function; it holds nothing."""

    def __init__(self, change: Callable[[str, Content], Filtered]) -> None:
        self._change = change

    def filter(self, tag: str, content: Content, now: int) -> Filtered:
        return self._change(tag, content)

    def flush(self, tag: str, now: int) -> Filtered:
        return Filtered(content=None)

    def wake_at(self) -> tuple[str, int] | None:
        return None


class Joiner:
    """Joins lines that end in a backslash with the next, over chunks; gives up after 10 ns."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, int]] = {}

    def filter(self, tag: str, content: Content, now: int) -> Filtered:
        begun, _ = self._held.pop(tag, ("", 0))
        spans = True
        done = []
        for line in lines_of(content):
            begun += line.removesuffix("\\")
            if not line.endswith("\\"):
                done.append(begun)
                begun, spans = "", False
        if begun:
            self._held[tag] = (begun, now + 10)
        return Filtered(content=lines(*done) if done else None, holds=bool(begun), holds_earlier=spans)

    def flush(self, tag: str, now: int) -> Filtered:
        begun, _ = self._held.pop(tag, ("", 0))
        return Filtered(content=lines(begun) if begun else None)

    def wake_at(self) -> tuple[str, int] | None:
        return min(
            ((tag, due) for tag, (_, due) in self._held.items()), key=lambda item: item[1], default=None
        )


class Road:
    """A chain, and the names of the claims that are settled."""

    def __init__(self, *filters: tuple[str, Filter]) -> None:
        self.chain = Chain(
            tuple(
                Stage(
                    filter=each,
                    pattern=Pattern(wildcard=match),
                    status=FilterStatus(name=match, plugin="any"),
                )
                for match, each in filters
            )
        )
        self.settled: list[str] = []

    def put(self, name: str, content: Content, tag: str = "a", now: int = 0) -> list[Passed]:
        claim = Claim(lambda: self.settled.append(name))
        passed = self.chain.run(tag, content, count(content), claim, now)
        claim.release()
        return passed

    def deliver(self, passed: list[Passed]) -> list[tuple[str, list[str]]]:
        for each in passed:
            release(each.claims)
        return [(each.tag, lines_of(each.content)) for each in passed]


def test_records_pass_by_filters_whose_match_is_another() -> None:
    road = Road(("b", Plain(lambda *_: Filtered(content=None))))
    passed = road.put("one", lines("x"))
    assert road.settled == []
    assert road.deliver(passed) == [("a", ["x"])]
    assert road.settled == ["one"]


def test_a_processor_sees_the_records_of_its_input_alone_whatever_their_tag() -> None:
    drops = Plain(lambda *_: Filtered(content=None))
    stage = Stage(
        filter=drops,
        pattern=Pattern(wildcard="*"),
        status=FilterStatus(name="", plugin="any"),
        input="tail.0",
    )
    chain = Chain((stage,))

    def passes(from_input: str) -> int:
        claim = Claim(lambda: None)
        return len(chain.run("any.tag", lines("x"), 1, claim, 0, from_input=from_input))

    assert [passes("tail.0"), passes("tail.1"), passes("")] == [0, 1, 1]


def test_what_a_filter_drops_is_settled_at_once() -> None:
    road = Road(("*", Plain(lambda *_: Filtered(content=None))))
    assert road.put("one", lines("x", "y")) == []
    assert road.settled == ["one"]
    assert road.chain.stages[0].status.removed == 2


def test_what_is_held_is_settled_only_when_it_was_given_out_and_delivered() -> None:
    road = Road(("*", Joiner()))
    assert road.put("one", lines("begin \\")) == []
    assert road.put("two", lines("middle \\")) == []
    assert road.settled == []
    passed = road.put("three", lines("end"))
    assert road.settled == []
    assert road.deliver(passed) == [("a", ["begin middle end"])]
    assert road.settled == ["one", "two", "three"]


def test_a_filter_that_always_holds_an_end_does_not_hold_up_the_chunks_before() -> None:
    road = Road(("*", Joiner()))
    for name in "123":
        road.deliver(road.put(name, lines("end", "begin \\")))
    assert road.settled == ["1", "2"]


def test_what_is_due_is_given_out() -> None:
    road = Road(("*", Joiner()))
    road.put("one", lines("begin \\"), now=100)
    assert road.chain.wake_at == 110
    assert road.chain.run_due(109) == []
    assert road.deliver(road.chain.run_due(110)) == [("a", ["begin "])]
    assert road.settled == ["one"]


def test_at_the_end_everything_is_given_out_through_the_filters_behind() -> None:
    road = Road(("*", Joiner()), ("*", Joiner()))
    road.put("one", lines("begin \\\\"))
    assert road.deliver(road.chain.run_all(0)) == [("a", ["begin "])]
    assert road.settled == ["one"]


def rename(match: str, tag: str) -> tuple[str, Filter]:
    return match, Plain(lambda _, content: Filtered(content=None, emitted=((tag, content),)))


def test_what_is_emitted_begins_again_at_the_first_filter() -> None:
    seen: list[str] = []

    def note(tag: str, content: Content) -> Filtered:
        seen.append(tag)
        return Filtered(content=content)

    road = Road(("*", Plain(note)), rename("a", "b"))
    passed = road.put("one", lines("x"))
    assert seen == ["a", "b"]
    assert road.settled == []
    assert road.deliver(passed) == [("b", ["x"])]
    assert road.settled == ["one"]


def test_a_filter_does_not_see_what_it_emitted() -> None:
    road = Road(rename("*", "b"))
    assert road.deliver(road.put("one", lines("x"))) == [("b", ["x"])]


def test_a_filter_sees_what_another_made_of_what_it_emitted() -> None:
    road = Road(rename("a", "b"), rename("b", "c"), rename("c", "d"))
    assert road.deliver(road.put("one", lines("x"))) == [("d", ["x"])]


def test_two_filters_that_emit_to_each_other_come_to_an_end() -> None:
    road = Road(rename("a", "b"), rename("b", "a"))
    assert len(road.deliver(road.put("one", lines("x")))) == 1
    assert road.settled == ["one"]


def test_what_is_kept_and_emitted_is_settled_when_both_are_delivered() -> None:
    road = Road(("a", Plain(lambda _, content: Filtered(content=content, emitted=(("b", content),)))))
    first, second = road.put("one", lines("x"))
    release(first.claims)
    assert road.settled == []
    release(second.claims)
    assert road.settled == ["one"]
