"""The way from an input's hands to the queues of outputs: filters, then routes by tag, then memory or disk."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from pillion.clock import Clock
from pillion.collector.buffer import DiskBuffer, Label, StoredChunk
from pillion.collector.pipeline.claims import Claim, hold, release
from pillion.collector.pipeline.destinations import Destination
from pillion.collector.pipeline.filtering import Chain, Passed
from pillion.collector.pipeline.intake import Source
from pillion.collector.pipeline.matching import Pattern
from pillion.collector.pipeline.queueing import Entry
from pillion.collector.pipeline.weighing import weigh
from pillion.collector.records import Content
from pillion.collector.status import Notices

SHOWN_TAGS = 8
"""Tags without an output that are named in the status; the others are counted."""
SOON = 0.02
"""Seconds until a filter is asked again that did not let go of what was due."""


class Route(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    pattern: Pattern
    destination: Destination
    disk_limit: int = 0
    """Bytes on disk; 0: no limit."""
    drops_oldest: bool = False
    """At the limit, instead of holding the inputs back."""


class MemoryChunk(msgspec.Struct, frozen=True, eq=False):
    held: Content

    def content(self) -> Content:
        return self.held


class MainRoad:
    def __init__(
        self,
        chain: Chain,
        routes: tuple[Route, ...],
        *,
        disk: DiskBuffer | None,
        clock: Clock,
        notices: Notices,
    ) -> None:
        self.chain = chain
        self.routes = routes
        self.unrouted = 0
        """Records that no output takes."""
        self._disk = disk
        self._clock = clock
        self._notices = notices
        self._matching: dict[str, tuple[Route, ...]] = {}
        self._armed = asyncio.Event()
        self._wake_at: int | None = None

    def replace(self, chain: Chain, routes: tuple[Route, ...]) -> None:
        """From now on. What the old filters hold must have been given out."""
        self.chain = chain
        self.routes = routes
        self._matching.clear()
        self._arm()

    async def take(self, source: Source, tag: str, content: Content, records: int, claim: Claim) -> None:
        passed = self.chain.run(tag, content, records, claim, self._now(), from_input=source.status.name)
        self._arm()
        for each in passed:
            if unrouted := await self._route(each):
                source.status.unrouted += unrouted

    async def give_out_held(self) -> None:
        """Gives out what filters held, when its time is up. Runs until it is cancelled."""
        while True:
            self._wake_at = self.chain.wake_at
            wait = None if self._wake_at is None else max(SOON, (self._wake_at - self._now()) / 1e9)
            try:
                async with asyncio.timeout(wait):
                    await self._armed.wait()
            except TimeoutError:
                await self.give_out(self.chain.run_due(self._now()))
            self._armed.clear()

    def empty_filters(self) -> list[Passed]:
        """Everything that filters hold: nothing more comes to them."""
        return self.chain.run_all(self._now())

    async def give_out(self, passed: list[Passed]) -> None:
        for each in passed:
            await self._route(each)

    def take_recovered(self, chunks: list[StoredChunk]) -> None:
        """What an earlier run left on disk goes to the outputs that had not got it, by their names."""
        by_name = {route.destination.status.name: route.destination for route in self.routes}
        orphans: dict[str, int] = {}
        for chunk in chunks:
            for number in sorted(chunk.pending):
                name = chunk.label.outputs[number]
                if destination := by_name.get(name):
                    self._put_stored(chunk, destination)
                else:
                    orphans[name] = orphans.get(name, 0) + chunk.label.records
        for name, records in orphans.items():
            self._notices.raise_(
                f"orphans of {name}",
                f"{records} records wait on disk for an output called {name}, which the configuration does not have: "
                "they stay there until it has",
            )

    # ── routes ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _route(self, passed: Passed) -> int:
        """How many of the records no output takes. Takes over the holds on the claims."""
        length = weigh(passed.content)
        on_disk = self._disk is not None and any(claim.on_disk for claim in passed.claims)
        routes = self._match(passed.tag)
        while on_disk and (full := self._full(routes, length)):
            await self._make_room(full, length)
            routes = self._match(passed.tag)  # a reload may have changed them meanwhile
        records = passed.records
        if not routes:
            self._say_unrouted(passed.tag, records)
            release(passed.claims)
            return records
        since = self._clock.now()
        if on_disk:
            assert self._disk is not None
            label = Label(
                tag=passed.tag, kind="", outputs=tuple(route.destination.status.name for route in routes),
                records=records, bytes=length, since=since,
            )  # fmt: skip
            chunk = self._disk.add(label, passed.content, settled=partial(release, passed.claims))
            for route in routes:
                self._put_stored(chunk, route.destination)
            return 0
        held = MemoryChunk(passed.content)
        for route in routes:
            hold(passed.claims)
            done = partial(release, passed.claims)
            route.destination.put(
                Entry(passed.tag, held, records=records, size=length, since=since, done=done)
            )
        release(passed.claims)
        return 0

    def _put_stored(self, chunk: StoredChunk, destination: Destination) -> None:
        assert self._disk is not None
        label = chunk.label
        done = partial(self._disk.done, chunk, destination.status.name)
        destination.put(
            Entry(
                label.tag,
                chunk,
                records=label.records,
                size=label.bytes,
                since=label.since,
                done=done,
                is_stored=True,
            )
        )

    def _full(self, routes: tuple[Route, ...], length: int) -> Route | None:
        assert self._disk is not None
        for route in routes:
            pending = self._disk.pending_bytes[route.destination.status.name]
            if route.disk_limit and pending and pending + length > route.disk_limit:
                return route
        return None

    async def _make_room(self, route: Route, length: int) -> None:
        assert self._disk is not None
        name = route.destination.status.name
        if route.drops_oldest and (dropped := route.destination.drop_oldest()) is not None:
            self._notices.raise_(
                f"{name}: overflow",
                f"{name} has its storage.total_limit_size on disk: its oldest records are dropped (storage.overflow)",
            )
            del dropped
            return
        self._notices.raise_(
            f"{name}: overflow",
            f"{name} has its storage.total_limit_size on disk: inputs are held back until it delivers",
        )
        await self._disk.room(name, length, route.disk_limit)
        self._notices.clear(f"{name}: overflow", f"{name} has room on disk again")

    def _match(self, tag: str) -> tuple[Route, ...]:
        routes = self._matching.get(tag)
        if routes is None:
            if len(self._matching) > 10_000:  # tags can be made of records: they are without end
                self._matching.clear()
            routes = self._matching[tag] = tuple(route for route in self.routes if route.pattern.matches(tag))
        return routes

    def _say_unrouted(self, tag: str, records: int) -> None:
        self.unrouted += records
        about = f"unrouted: {tag}"
        said = [key for key in self._notices.current if key.startswith("unrouted: ")]
        if about not in said and len(said) < SHOWN_TAGS:
            self._notices.raise_(
                about, f"records with the tag {tag} are discarded: no output's match takes them"
            )

    def _arm(self) -> None:
        due = self.chain.wake_at
        if due is not None and (self._wake_at is None or due < self._wake_at):
            self._armed.set()

    def _now(self) -> int:
        return int(self._clock.now() * 1e9)
