"""The filters, in order, and whom they make wait. Pure but for the filters' own memory.

What a filter emits under another tag begins again at the first filter, and passes by the filter that emitted it
(Fluent Bit: an emitter is an input of its own, and its filter lets what comes from it pass).
"""

from __future__ import annotations

from collections import deque

import msgspec

from pillion.collector.pipeline.claims import Claim, Claims, hold, release, union
from pillion.collector.pipeline.matching import Pattern
from pillion.collector.pipeline.weighing import weigh
from pillion.collector.plugin import Filter, Filtered
from pillion.collector.records import Content, count
from pillion.collector.status import FilterStatus

DEPTH = 32
"""Times that records may be emitted anew before they are passed on as they are: two filters that emit to each other
would never end."""


class Stage(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    filter: Filter
    pattern: Pattern
    status: FilterStatus
    input: str = ""
    """The only input whose records it sees, before they are emitted anew: it is that input's processor."""


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """Records that are through. Each of the claims is held once for it: whoever takes it releases them."""

    tag: str
    content: Content
    records: int
    claims: Claims


class _Origin(msgspec.Struct, frozen=True, kw_only=True):
    input: str = ""
    """None when it was emitted anew."""
    emitter: int | None = None
    """The stage that sent it to the beginning last."""
    depth: int = 0
    """How often that was done."""


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    claims: Claims = ()
    origin: _Origin = _Origin()


class _Traveller(msgspec.Struct, frozen=True, kw_only=True):
    tag: str
    content: Content
    records: int
    claims: Claims
    """Each held once for it."""
    origin: _Origin = _Origin()
    at: int = 0
    """The next stage."""


class Chain:
    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self._stages = stages
        self._held: dict[tuple[int, str], _Held] = {}
        """What a stage holds, by tag. Its claims are held once for that."""
        self._matching: dict[str, tuple[int, ...]] = {}

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self._stages

    @property
    def wake_at(self) -> int | None:
        """When held records are due, in nanoseconds since the epoch."""
        dues = [due[1] for stage in self._stages if (due := stage.filter.wake_at()) is not None]
        return min(dues, default=None)

    def run(
        self, tag: str, content: Content, records: int, claim: Claim, now: int, *, from_input: str = ""
    ) -> list[Passed]:
        claim.hold()
        origin = _Origin(input=from_input)
        first = _Traveller(tag=tag, content=content, records=records, claims=(claim,), origin=origin)
        return self._travel([first], now)

    def run_due(self, now: int) -> list[Passed]:
        """What filters held and whose time is up."""
        passed: list[Passed] = []
        for number, stage in enumerate(self._stages):
            while (due := stage.filter.wake_at()) is not None and due[1] <= now:
                passed += self._flush(number, due[0], now)
                if stage.filter.wake_at() == due:
                    break  # it has not let go: it is asked again later
        return passed

    def run_all(self, now: int) -> list[Passed]:
        """Everything that filters hold: nothing more comes. What one gives out another may hold again."""
        passed: list[Passed] = []
        for _ in range(DEPTH):
            if not self._held:
                break
            for number, tag in sorted(self._held):
                passed += self._flush(number, tag, now)
        return passed

    # ── on the way ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _travel(self, travellers: list[_Traveller], now: int) -> list[Passed]:
        passed: list[Passed] = []
        waiting = deque(travellers)
        while waiting:
            traveller = waiting.popleft()
            number = self._next(traveller)
            if number is None:
                passed.append(
                    Passed(
                        tag=traveller.tag,
                        content=traveller.content,
                        records=traveller.records,
                        claims=traveller.claims,
                    )
                )
                continue
            stage = self._stages[number]
            stage.status.records_in += traveller.records
            stage.status.bytes_in += weigh(traveller.content)
            filtered = stage.filter.filter(traveller.tag, traveller.content, now)
            waiting.extendleft(reversed(self._after(number, traveller.tag, filtered, traveller)))
        return passed

    def _flush(self, number: int, tag: str, now: int) -> list[Passed]:
        filtered = self._stages[number].filter.flush(tag, now)
        return self._travel(self._after(number, tag, filtered, None), now)

    def _after(
        self, number: int, tag: str, filtered: Filtered, traveller: _Traveller | None
    ) -> list[_Traveller]:
        """What goes on from a stage. Takes over the traveller's hold on its claims."""
        status = self._stages[number].status
        held = self._held.pop((number, tag), _Held())
        own = traveller.claims if traveller is not None else ()
        origin = traveller.origin if traveller is not None else held.origin
        # What comes out may have records of everything that went in and was not out yet.
        sources = union(held.claims, own)
        ahead: list[_Traveller] = []
        before = traveller.records if traveller is not None else 0
        after = 0
        if (content := filtered.content) is not None:
            after = before if traveller is not None and content is traveller.content else count(content)
        if content is not None and after:
            ahead.append(
                _Traveller(
                    tag=tag, content=content, records=after, claims=sources, origin=origin, at=number + 1
                )
            )
        for new_tag, emitted in filtered.emitted:
            records = count(emitted)
            status.emitted += records
            again = _Origin(emitter=number, depth=origin.depth + 1)
            ahead.append(
                _Traveller(tag=new_tag, content=emitted, records=records, claims=sources, origin=again)
            )
        status.added += max(0, after - before)
        status.removed += max(0, before - after)
        if filtered.holds:
            keep = sources if filtered.holds_earlier or not own else own
            hold(keep)
            self._held[number, tag] = _Held(claims=keep, origin=origin)
        for each in ahead:
            hold(each.claims)
        release(held.claims)
        release(own)
        return ahead

    def _next(self, traveller: _Traveller) -> int | None:
        if traveller.origin.depth > DEPTH:
            return None
        for number in self._match(traveller.tag):
            if number < traveller.at or number == traveller.origin.emitter:
                continue
            if self._stages[number].input in ("", traveller.origin.input):
                return number
        return None

    def _match(self, tag: str) -> tuple[int, ...]:
        matching = self._matching.get(tag)
        if matching is None:
            if len(self._matching) > 10_000:  # tags can be made of records: they are without end
                self._matching.clear()
            matching = self._matching[tag] = tuple(
                number for number, stage in enumerate(self._stages) if stage.pattern.matches(tag)
            )
        return matching
