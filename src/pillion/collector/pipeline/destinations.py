"""A destination: one output, what waits for it, the lanes it is delivered in, and what failures lead to.

Everything here happens in the loop's thread; only `Output.deliver` and what belongs to it does not.

Order is kept within a tag and a lane: a delivery that fails keeps its lane while it waits. Not without end: after
`PATIENCE` attempts it steps aside, so that records which the other side chokes on do not stop all that come after them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import msgspec

from pillion.clock import Clock
from pillion.collector.pipeline.backoff import Backoff
from pillion.collector.pipeline.deadletters import DeadLetters
from pillion.collector.pipeline.lanes import Delivery, Lane, Report
from pillion.collector.pipeline.queueing import Entry, Queue
from pillion.collector.plugin import Output
from pillion.collector.status import Notices, OutputStatus

PATIENCE = 8
"""Failed attempts for which a delivery keeps its lane."""
PACE = 0.005
"""Seconds between the beginnings of deliveries that could wait: a steady trickle is sent 200 times a second, not once
per line. An idle output takes what comes at once."""
ENOUGH_BYTES = 256 << 10
"""Putting large chunks together costs more than it saves …"""
SLOW = 0.02
"""… but for an output whose deliveries take longer than this, in seconds: it gets as much at once as it may."""
LEAST_BYTES = 64 << 10
"""Deliveries do not become smaller than this because of one that was too large."""
HURRY = 0.5
"""The longest that a retry waits, in seconds, once the collector stops."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    backoff: Backoff
    retries: int | None
    """None: without end."""
    flush: float
    """Seconds: the pace is never slower than this."""


class Destination:
    def __init__(
        self,
        output: Output,
        *,
        workers: int,
        limits: Limits,
        status: OutputStatus,
        dead_letters: DeadLetters | None,
        notices: Notices,
        log: logging.Logger,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self.status = status
        self.limits = limits
        self.notices = notices
        self._output = output
        self._log = log
        self._clock = clock
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._queue = Queue()
        self._at_work: dict[Delivery, float] = {}
        """In a lane's thread, since when."""
        self._waiting: dict[Delivery, asyncio.TimerHandle] = {}
        """Failed, until they may try again."""
        self._lane_of: dict[Delivery, Lane] = {}
        """Of those that keep it while they wait."""
        self._due: list[Delivery] = []
        """May try again, and have no lane."""
        self._pace: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._last_duration = 0.0
        self._learned_limit: int | None = None
        self._hurried = False
        self._closed = False
        self._paused = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        """No lane is at work."""
        self._ended = asyncio.Event()
        """No lane is left."""
        self._lanes = [
            Lane(
                f"{status.name}:{number}",
                output,
                dead_letters=dead_letters,
                finished=lambda *report: self._from_lane(self._finished, *report),
                ended=lambda: self._from_lane(self._lane_ended),
                log=log,
            )
            for number in range(max(1, workers))
        ]
        self._living = len(self._lanes)
        self._free = list(reversed(self._lanes))

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────
    def put(self, entry: Entry) -> None:
        self._queue.put(entry)
        self.status.waiting_records += entry.records
        self.status.waiting_bytes += entry.bytes
        self._idle.clear()
        self._fill()

    def _fill(self) -> None:
        while self._free and not self._closed and not self._paused and (self._due or self._queue):
            if self._due:
                self._submit(self._free.pop(), self._due.pop(0))
                continue
            now = self._loop.time()
            limit = self._limit_bytes
            enough = limit if self._last_duration > SLOW else min(limit, ENOUGH_BYTES)
            if now < self._not_before and not self._hurried and self._queue.bytes < enough:
                if self._pace is None:
                    self._pace = self._loop.call_at(self._not_before, self._paced)
                return
            self._not_before = now + min(PACE, self.limits.flush)
            self._submit(self._free.pop(), Delivery(self._queue.take(limit, enough)))

    def _paced(self) -> None:
        self._pace = None
        self._fill()

    def _submit(self, lane: Lane, delivery: Delivery) -> None:
        retries = self.limits.retries
        delivery.is_last_attempt = retries is not None and delivery.attempts >= retries
        self._at_work[delivery] = self._loop.time()
        self._at_rest.clear()
        lane.submit(delivery)

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _from_lane(self, call: Callable[..., None], *arguments: object) -> None:
        """In a lane's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to hear it
            self._loop.call_soon_threadsafe(call, *arguments)

    def _finished(self, lane: Lane, delivery: Delivery, report: Report) -> None:
        self._last_duration = self._loop.time() - self._at_work.pop(delivery)
        self._count(report)
        if report.progressed:
            delivery.attempts = 0
        if report.too_large:
            self._learned_limit = max(LEAST_BYTES, report.too_large // 2)
        if not delivery.pieces:
            self._free.append(lane)
            self._done(delivery)
        elif self._closed:
            self._due.append(delivery)
        else:
            delivery.attempts += 1
            delivery.reason = report.failure
            self._retry(lane, delivery, report)
        if not self._at_work:
            self._at_rest.set()
        self._fill()

    def _retry(self, lane: Lane, delivery: Delivery, report: Report) -> None:
        self.status.retries += 1
        self.status.retried += delivery.records
        wait = self.limits.backoff.wait(delivery.attempts, after=report.after, random=self._random())
        if self._hurried:
            wait = min(wait, HURRY)
        if delivery.attempts < PATIENCE:
            self._lane_of[delivery] = lane
        else:
            self._free.append(lane)
        self._log.log(
            logging.WARNING if delivery.attempts == 1 else logging.INFO,
            "%d records of %s were not delivered (attempt %d: %s); again in %.1f s",
            delivery.records, delivery.tag, delivery.attempts, report.failure, wait,
        )  # fmt: skip
        self._waiting[delivery] = self._loop.call_later(wait, self._again, delivery)

    def _again(self, delivery: Delivery) -> None:
        self._waiting.pop(delivery).cancel()
        if lane := self._lane_of.pop(delivery, None):
            self._submit(lane, delivery)
        else:
            self._due.append(delivery)
            self._fill()

    def _done(self, delivery: Delivery) -> None:
        self.status.waiting_records -= delivery.records
        self.status.waiting_bytes -= delivery.bytes
        for entry in delivery.entries:
            entry.done()
        if not (self._queue or self._at_work or self._waiting or self._due):
            self._idle.set()

    def _count(self, report: Report) -> None:
        status, now = self.status, self._clock.now()
        status.delivered += report.delivered
        status.delivered_bytes += report.delivered_bytes
        status.rejected_unseen += report.rejected_unseen
        status.dead_letters += report.dead
        status.dropped += report.lost + report.damaged
        status.errors += report.refusals
        status.retries_failed += report.retries_failed
        if report.failure:
            status.last_error = report.failure
            status.consecutive_failures += 1
            self.notices.raise_(status.name, f"{status.name} does not take records: {report.failure}")
        elif report.progressed or report.delivered:
            status.consecutive_failures = 0
            self.notices.clear(status.name, f"{status.name} takes records again")
        if report.delivered:
            status.last_delivery = now
        if report.dead or report.lost:
            status.last_error = report.dead_reason
            kept = "they are kept as dead letters" if not report.lost else f"{report.lost} of them are gone"
            self.notices.raise_(
                f"{status.name}: dead letters",
                f"{status.name} refuses records for good ({report.dead_reason}); {kept}",
            )

    @property
    def _limit_bytes(self) -> int:
        """What the other side called too large is not offered again and again."""
        limit = self._output.limit_bytes
        return limit if self._learned_limit is None else min(limit, self._learned_limit)

    # ── state ────────────────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def oldest(self) -> float | None:
        """Since when the oldest record waits that is not delivered."""
        sinces = [d.since for d in (*self._at_work, *self._waiting, *self._due)]
        if (queued := self._queue.oldest) is not None:
            sinces.append(queued)
        return min(sinces, default=None)

    @property
    def output(self) -> Output:
        return self._output

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Makes a delivery that was left by `close` dead letters. Blocks; in any thread."""
        report = self._lanes[0].bury(delivery, reason)
        self._from_lane(self._count, report)

    def drop_oldest(self) -> Entry | None:
        """Gives up the oldest entry that no delivery has yet; counted as dropped. None when there is none."""
        if not self._queue:
            return None
        entry = self._queue.take_oldest()
        self.status.waiting_records -= entry.records
        self.status.waiting_bytes -= entry.bytes
        self.status.dropped += entry.records
        entry.done()
        return entry

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def hurry(self) -> None:
        """No more waiting for others to join, and no long backoff: what waits is tried at once."""
        self._hurried = True
        for delivery in list(self._waiting):
            self._again(delivery)
        self._fill()

    async def drained(self) -> None:
        """Returns when nothing is left."""
        await self._idle.wait()

    async def close(self, *, patience: float, within: float) -> list[Delivery]:
        """Takes no more up, gives deliveries `patience` seconds to end and then interrupts them; what is left.

        The output is closed when its threads have ended; one that has not after `within` seconds is left behind.
        """
        self._closed = True
        if self._pace is not None:
            self._pace.cancel()
        for timer in self._waiting.values():
            timer.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._at_rest.wait()
        if self._at_work:
            self._output.interrupt()
        for lane in self._lanes:
            lane.close()
        try:
            async with asyncio.timeout(within):
                await self._ended.wait()
        except TimeoutError:
            self._log.warning("a delivery of %s did not end; its connection is left behind", self.status.name)
        else:
            self._output.close()
        left = [*self._waiting, *self._due, *self._at_work]
        left += [Delivery([entry]) for entry in self._queue.take_all()]
        self.status.waiting_records -= sum(delivery.records for delivery in left)
        self.status.waiting_bytes -= sum(delivery.bytes for delivery in left)
        return left

    def pause(self) -> None:
        """Delivers nothing before `adopt`."""
        self._paused = True

    def adopt(self, deliveries: list[Delivery]) -> None:
        """Takes over what another output with this identity did not deliver; it goes first."""
        self._paused = False
        for delivery in deliveries:
            delivery.attempts = 0
            self.status.waiting_records += delivery.records
            self.status.waiting_bytes += delivery.bytes
            self._due.append(delivery)
            self._idle.clear()
        self._fill()

    def _lane_ended(self) -> None:
        self._living -= 1
        if not self._living:
            self._ended.set()
