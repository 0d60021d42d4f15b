"""A thread that sends a destination's samples, or a share of its series, in order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, assert_never

from pillion.errors import HostError
from pillion.scraper.remotewrite.backoff import Backoff
from pillion.scraper.remotewrite.counters import Counters
from pillion.scraper.remotewrite.request import Message, Protocol, encode
from pillion.scraper.remotewrite.verdict import Again, Never, OtherProtocol, Written

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.clock import Clock
    from pillion.scraper.remotewrite.described import Described
    from pillion.scraper.remotewrite.position import Position
    from pillion.scraper.remotewrite.sending import Exchange, Spoken
    from pillion.scraper.remotewrite.stopping import Stopping
    from pillion.scraper.remotewrite.supply import Supply


class Shard:
    def __init__(
        self,
        supply: Supply,
        exchange: Exchange,
        spoken: Spoken,
        counters: Counters,
        clock: Clock,
        log: logging.Logger,
        *,
        stopping: Stopping,
        backoff: Callable[[], Backoff],
        deadline: float,
        send_exemplars: bool,
        described: Described | None,
        save: Callable[[], None],
    ) -> None:
        """`deadline` in seconds: how long a sample may wait for others. `save`: remember `position`.

        `described`: the metadata that this shard sends with v1, between requests of samples.
        """
        self._supply = supply
        self._exchange = exchange
        self._spoken = spoken
        self.counters = counters
        self._clock = clock
        self._log = log
        self._stopping = stopping
        self._new_backoff = backoff
        self._deadline = deadline
        self._send_exemplars = send_exemplars
        self._described = described
        self._save = save
        self._is_failing = False
        self.position = supply.position
        """Everything before it is settled."""

    def run(self) -> None:
        """Until it is stopped. Raises HostError when the log cannot be read, or the position not be written."""
        try:
            self._run()
        except OSError as error:
            raise HostError(f"cannot read the write-ahead log: {error.strerror}") from error
        finally:
            self._supply.close()

    def _run(self) -> None:
        until: Position | None = None
        while not self._stopping.is_aborted:
            if until is None and self._stopping.is_gathering and not self._stopping.is_draining:
                until = self._stopping.meet(self._supply.read_up_to)
            if self._stopping.is_draining:
                until = None
            is_ending = self._stopping.is_draining or until is not None
            seen = self._supply.appended
            is_full = self._supply.gather(self._spoken.now, self._clock.now(), until=until)
            if self._describe():
                continue
            since = self._supply.since
            if since is None:
                self._settled()
                if is_ending:
                    return
                self._wait(seen, None if self._described is None else self._described.wait(self._clock.now()))
            elif is_full or is_ending or self._clock.now() - since >= self._deadline:
                if not self._deliver():
                    return
                self._settled()
            else:
                self._wait(seen, since + self._deadline - self._clock.now())

    # ── one request ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _deliver(self) -> bool:
        """Until it is settled; False: aborted before that."""
        backoff = self._new_backoff()
        attempt = 0
        doubted = ""
        while not self._stopping.is_aborted:
            protocol = Protocol.V1 if doubted else self._spoken.now
            chunks = self._supply.chunks(protocol, self._clock.now())
            if not chunks:
                break
            message = encode(chunks, protocol, send_exemplars=self._send_exemplars)
            verdict, size, seconds = self._exchange.send(message.body, protocol, attempt=attempt)
            self.counters.observe(seconds)
            if self._spoken.learn(protocol, verdict, doubted=bool(doubted)):
                self._log.warning("it does not take remote write 2.0: sending 1.0 from now on")
            match verdict:
                case Written():
                    self._written(message, verdict, size)
                    break
                case Never():
                    self._refused(message, verdict.samples, verdict.exemplars, doubted or verdict.reason)
                    break
                case Again():
                    attempt += 1
                    self.counters.samples_retried += message.samples
                    self.counters.exemplars_retried += message.exemplars
                    self._say_failing(verdict.reason)
                    self._pause(backoff.wait(verdict.after))
                case OtherProtocol():
                    doubted = "" if verdict.is_certain else verdict.reason
                case _:
                    assert_never(verdict)
        else:
            return False
        self._supply.settle()
        return True

    def _written(self, message: Message, verdict: Written, size: int) -> None:
        counters = self.counters
        samples = message.samples if verdict.samples is None else min(verdict.samples, message.samples)
        exemplars = (
            message.exemplars if verdict.exemplars is None else min(verdict.exemplars, message.exemplars)
        )
        counters.samples += samples
        counters.exemplars += exemplars
        counters.samples_failed += message.samples - samples
        counters.exemplars_failed += message.exemplars - exemplars
        counters.bytes += size
        counters.highest_sent = max(counters.highest_sent, message.highest)
        counters.last_sent = self._clock.now()
        if samples < message.samples:
            self._log.error(
                "it took a request, but says that it wrote %d of %d samples", samples, message.samples
            )
        if self._is_failing:
            self._is_failing = False
            self._log.info("samples arrive again")

    def _refused(self, message: Message, samples: int, exemplars: int, reason: str) -> None:
        counters = self.counters
        samples, exemplars = min(samples, message.samples), min(exemplars, message.exemplars)
        counters.samples += samples
        counters.exemplars += exemplars
        counters.samples_failed += message.samples - samples
        counters.exemplars_failed += message.exemplars - exemplars
        self._log.error("%d samples are refused for good: %s", message.samples - samples, reason)

    def _say_failing(self, reason: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            self._log.warning("samples cannot be sent, trying again until they are: %s", reason)

    # ── metadata ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _describe(self) -> bool:
        """One attempt when it is time, so that samples never wait for metadata; True: there is more at once."""
        described = self._described
        if described is None or self._spoken.now is not Protocol.V1 or self._stopping.is_draining:
            return False
        part = described.due(self._clock.now())
        if part is None:
            return False
        verdict, size, seconds = self._exchange.send(part.body, Protocol.V1, attempt=part.attempt)
        self.counters.observe(seconds)
        counters = self.counters
        match verdict:
            case Written():
                counters.metadata += part.entries
                counters.metadata_bytes += size
            case Never() | OtherProtocol():
                counters.metadata_failed += part.entries
                self._log.error("%d metadata entries are refused for good: %s", part.entries, verdict.reason)
            case Again():
                counters.metadata_retried += part.entries
                described.again(self._clock.now(), verdict.after)
                return False
            case _:
                assert_never(verdict)
        described.settled(self._clock.now())
        return described.has_more

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _wait(self, seen: int, seconds: float | None) -> None:
        """Until the log has grown beyond what was seen, or somebody wants this to end."""
        changed = self._stopping.changed
        with changed:
            changed.wait_for(
                lambda: (
                    self._stopping.is_draining or self._stopping.is_gathering or self._supply.appended != seen
                ),
                None if seconds is None else max(0.0, seconds),
            )

    def _pause(self, seconds: float) -> None:
        """The first moment of draining ends it: one more attempt at once."""
        stopping = self._stopping
        was_draining = stopping.is_draining
        with stopping.changed:
            stopping.changed.wait_for(
                lambda: stopping.is_aborted or stopping.is_draining != was_draining, seconds
            )

    def _settled(self) -> None:
        if self.position != self._supply.position:
            self.position = self._supply.position
            self._save()
