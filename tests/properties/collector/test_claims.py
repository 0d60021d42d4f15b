"""Nothing is settled early, and everything is settled at the end: whatever filters hold, emit and drop."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collector_lab import TIME, lines_of
from tests.unit.collector.pipeline.test_filtering import Joiner, Plain, lines

from pillion.collector.pipeline.claims import Claim, release
from pillion.collector.pipeline.filtering import Chain, Passed, Stage
from pillion.collector.pipeline.matching import Pattern
from pillion.collector.plugin import Filter, Filtered
from pillion.collector.records import Content
from pillion.collector.status import FilterStatus


def dropper() -> Filter:
    return Plain(
        lambda _, content: Filtered(
            content=lines(*kept)
            if (kept := [line for line in lines_of(content) if "3" not in line])
            else None
        )
    )


def splitter() -> Filter:
    """Sends on lines with a 2 under another tag."""

    def split(tag: str, content: Content) -> Filtered:
        kept = [line for line in lines_of(content) if "2" not in line]
        sent = [line for line in lines_of(content) if "2" in line]
        return Filtered(
            content=lines(*kept) if kept else None, emitted=(("sent", lines(*sent)),) if sent else ()
        )

    return Plain(split)


FILTERS = st.lists(
    st.tuples(st.sampled_from(["*", "a", "b", "sent"]), st.sampled_from([Joiner, dropper, splitter])),
    max_size=4,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.sampled_from("ab"),
            st.lists(st.booleans(), min_size=1, max_size=4),  # whether the line goes on in the next
        ),
        st.tuples(st.just("deliver"), st.integers(0, 5), st.none()),
        st.tuples(st.just("time"), st.integers(1, 20), st.none()),
    ),
    max_size=25,
)


class World:
    """Each line is `<number>;`: joined lines show whose they are."""

    def __init__(self, filters: list[tuple[str, type]]) -> None:
        self.chain = Chain(
            tuple(
                Stage(filter=make(), pattern=Pattern(wildcard=match), status=FilterStatus(name="", plugin=""))
                for match, make in filters
            )
        )
        self.now = TIME
        self.number = 0
        self.puts: dict[int, list[int]] = {}
        """The lines of each put."""
        self.settled: list[int] = []
        self.waiting: list[Passed] = []

    def put(self, tag: str, goes_on: list[bool]) -> None:
        put = len(self.puts)
        numbers = self.puts[put] = list(range(self.number, self.number + len(goes_on)))
        self.number += len(goes_on)
        texts = [f"{number};" + ("\\" if on else "") for number, on in zip(numbers, goes_on, strict=True)]
        claim = Claim(lambda: self.settled.append(put))
        self.waiting += self.chain.run(tag, lines(*texts), len(texts), claim, self.now)
        claim.release()

    def deliver(self, which: int) -> None:
        if self.waiting:
            release(self.waiting.pop(which % len(self.waiting)).claims)

    def pass_time(self, amount: int) -> None:
        self.now += amount
        self.waiting += self.chain.run_due(self.now)

    def end(self) -> None:
        self.waiting += self.chain.run_all(self.now)
        while self.waiting:
            self.deliver(0)

    def check(self) -> None:
        on_their_way = {
            int(number)
            for passed in self.waiting
            for line in lines_of(passed.content)
            for number in line.replace("\\", "").split(";")
            if number
        }
        for put in self.settled:
            assert not on_their_way & set(self.puts[put]), f"put {put} was settled early"


@given(filters=FILTERS, steps=STEPS)
@settings(max_examples=300, deadline=None)
def test_a_claim_is_settled_after_its_last_record_and_exactly_once(
    filters: list[tuple[str, type]], steps: list[tuple[str, object, object]]
) -> None:
    world = World(filters)
    for step in steps:
        match step:
            case ("put", str(tag), list(goes_on)):
                world.put(tag, goes_on)
            case ("deliver", int(which), _):
                world.deliver(which)
            case ("time", int(amount), _):
                world.pass_time(amount)
        world.check()
    world.end()
    assert sorted(world.settled) == list(world.puts)
