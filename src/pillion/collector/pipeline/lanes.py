"""A lane: one thread in which an output delivers, one delivery after the other.

It takes a delivery as far as it goes: all its pieces, or up to the first that has to wait. What then happens (backoff,
the next attempt, somebody else's turn) is decided in the loop's thread, by `destinations`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

import msgspec

from pillion.collector.buffer import DamagedChunk
from pillion.collector.pipeline.deadletters import DeadLetters
from pillion.collector.pipeline.judging import Piece, Pieces, fit, judge
from pillion.collector.pipeline.queueing import Entry
from pillion.collector.pipeline.weighing import weigh
from pillion.collector.plugin import Again, Output, Verdict
from pillion.collector.records import Content, count, join


class Delivery:
    """Chunks of one tag that go out together. Belongs to the lane while it is there, to the destination otherwise."""

    __slots__ = (
        "attempts",
        "bytes",
        "entries",
        "is_last_attempt",
        "pieces",
        "reason",
        "records",
        "since",
        "tag",
    )

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.tag = entries[0].tag
        self.since = entries[0].since
        self.records = sum(entry.records for entry in entries)
        self.bytes = sum(entry.bytes for entry in entries)
        self.pieces: Pieces | None = None
        """None before the content was fetched."""
        self.attempts = 0
        """Failed ones since something was last taken."""
        self.is_last_attempt = False
        self.reason = ""
        """Of the last failure."""


class Report(msgspec.Struct, kw_only=True):
    """What one run through the lane came to. Counts records unless said otherwise."""

    delivered: int = 0
    delivered_bytes: int = 0
    dead: int = 0
    lost: int = 0
    """Dead, and not kept."""
    dead_reason: str = ""
    damaged: int = 0
    rejected_unseen: int = 0
    refusals: int = 0
    """Deliveries."""
    retries_failed: int = 0
    """Deliveries."""
    too_large: int = 0
    """Bytes that were too much at once, the least of them; 0: none."""
    failure: str = ""
    after: float | None = None
    progressed: bool = False


class Lane:
    """`finished` and, at the very end, `ended` are called in the lane's thread."""

    def __init__(
        self,
        name: str,
        output: Output,
        *,
        dead_letters: DeadLetters | None,
        finished: Callable[[Lane, Delivery, Report], None],
        ended: Callable[[], None],
        log: logging.Logger,
    ) -> None:
        self._output = output
        self._dead_letters = dead_letters
        self._finished = finished
        self._ended = ended
        self._log = log
        self._inbox: SimpleQueue[Delivery | None] = SimpleQueue()
        # A daemon: a delivery that neither ends nor lets itself be interrupted must not keep the process alive.
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, delivery: Delivery) -> None:
        self._inbox.put(delivery)

    def close(self) -> None:
        """After what was submitted. Does not wait."""
        self._inbox.put(None)

    def bury(self, delivery: Delivery, reason: str) -> Report:
        """All of it becomes dead letters. In the caller's thread."""
        report = Report()
        if delivery.pieces is None:
            delivery.pieces = self._fetch(delivery, report)
        for piece in delivery.pieces:
            self._bury(delivery.tag, reason, piece.content, report)
        return report

    def _work(self) -> None:
        while (delivery := self._inbox.get()) is not None:
            self._finished(self, delivery, self._run(delivery))
            del delivery  # not held on to while waiting for the next
        self._ended()

    def _run(self, delivery: Delivery) -> Report:
        report = Report()
        if delivery.pieces is None:
            delivery.pieces = self._fetch(delivery, report)
        while delivery.pieces:
            judged = judge(delivery.pieces, self._deliver(delivery.tag, delivery.pieces[0].content))
            dead = judged.dead
            delivery.pieces = judged.pieces
            if judged.failure and delivery.is_last_attempt:
                reason = f"retries exhausted: {judged.failure}"
                dead += tuple((reason, piece.content) for piece in judged.pieces)
                delivery.pieces = ()
                report.retries_failed += 1
            report.delivered += judged.delivered
            report.delivered_bytes += judged.delivered_bytes
            report.rejected_unseen += judged.rejected_unseen
            report.refusals += judged.refused
            report.progressed |= judged.progressed
            if judged.too_large:
                report.too_large = min(report.too_large or judged.too_large, judged.too_large)
            for reason, content in dead:
                self._bury(delivery.tag, reason, content, report)
            if judged.failure:
                report.failure, report.after = judged.failure, judged.after
                break
        return report

    def _fetch(self, delivery: Delivery, report: Report) -> Pieces:
        contents: list[Content] = []
        records = 0
        for entry in delivery.entries:
            try:
                contents.append(entry.chunk.content())
                records += entry.records
            except DamagedChunk as error:
                self._log.error("%s", error)
                report.damaged += entry.records
        if not contents:
            return ()
        content = contents[0] if len(contents) == 1 else join(contents)
        return fit(Piece(content, records, weigh(content)), self._output.limit_bytes)

    def _deliver(self, tag: str, content: Content) -> Verdict:
        try:
            return self._output.deliver(tag, content)
        except Exception as error:  # noqa: BLE001 - the lane's supervisor: a mistake of ours must not lose records
            self._log.debug("deliver raised", exc_info=True)
            return Again(reason=f"our mistake: {type(error).__name__}: {error}")

    def _bury(self, tag: str, reason: str, content: Content, report: Report) -> None:
        number, kept = count(content), 0
        if self._dead_letters is not None:
            try:
                kept = self._dead_letters.write(tag, reason, content)
            except OSError as error:
                self._log.error("cannot keep dead letters in %s: %s", self._dead_letters.path, error.strerror)
        report.dead += kept
        report.lost += number - kept
        report.dead_reason = reason
