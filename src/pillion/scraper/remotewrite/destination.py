"""One server that is written to: its shards, their number, their positions in the log."""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING

from pillion.errors import HostError
from pillion.scraper.client import Client
from pillion.scraper.labels import Relabelling
from pillion.scraper.remotewrite.backoff import Backoff
from pillion.scraper.remotewrite.counters import Counters
from pillion.scraper.remotewrite.cursor import Cursor
from pillion.scraper.remotewrite.described import Described
from pillion.scraper.remotewrite.position import Position, PositionFile
from pillion.scraper.remotewrite.request import Protocol
from pillion.scraper.remotewrite.resharding import Counted, Resharding
from pillion.scraper.remotewrite.selection import Selection, Share
from pillion.scraper.remotewrite.sending import Exchange, Spoken
from pillion.scraper.remotewrite.shard import Shard
from pillion.scraper.remotewrite.stopping import Stopping
from pillion.scraper.remotewrite.supply import Limits, Supply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pillion.clock import Clock
    from pillion.scraper.configuration import RemoteWriteConfig
    from pillion.scraper.remotewrite.log import WriteAheadLog


def name_of(config: RemoteWriteConfig) -> str:
    """As in metrics and messages. A destination keeps its place in the log for as long as it keeps its name."""
    return config.name or hashlib.sha256(config.url.encode()).hexdigest()[:6]


class Destination:
    def __init__(
        self,
        name: str,
        config: RemoteWriteConfig,
        external_labels: Mapping[str, str],
        wal: WriteAheadLog,
        folder: Path,
        clock: Clock,
        log: logging.Logger,
        *,
        environment: Mapping[str, str],
    ) -> None:
        """Raises SettingError when there is no such address, HostError when its position cannot be read."""
        self.name = name
        self.config = config
        self.external_labels = external_labels
        self._wal = wal
        self._clock = clock
        self._log = log
        self._relabelling = Relabelling(config.write_relabel_configs)
        self._spoken = Spoken(Protocol(config.protobuf_message))
        queue = config.queue_config
        self._client = Client(
            config.http_client,
            config.url,
            clock=clock,
            environment=environment,
            timeout=config.remote_timeout / 1000,
            connections=queue.max_shards,
            answer_limit=64 << 10,
        )
        self._file = PositionFile(folder / f"position-{hashlib.sha256(name.encode()).hexdigest()[:12]}")
        self._resharding = Resharding(least=queue.min_shards, most=queue.max_shards)
        self._lock = threading.Lock()
        self._retired = Counters()
        self._shards: list[Shard] = []
        self._threads: list[threading.Thread] = []
        self._stopping = Stopping(wal.grown, 0)
        self._last = Counters()
        self._last_appended = wal.appended
        self._begun = clock.now()
        self._described: Described | None = None
        positions = self._file.load()
        if not positions or not all(wal.knows(position) for position in positions):
            positions = (wal.end,)
        if len(set(positions)) == 1:
            positions = positions[:1] * queue.min_shards
        self._backlog = wal.samples_from(min(positions)) - wal.appended
        """Samples of earlier processes; less than 0 is what was appended before this destination was known."""
        if config.metadata_config.send:
            self._described = Described(
                wal.scraped_sets,
                interval=config.metadata_config.send_interval / 1000,
                size=config.metadata_config.max_samples_per_send,
                backoff=self._new_backoff,
                begun=clock.now(),
            )
        self._positions = positions
        self._wanted = len(positions)

    def start(self) -> None:
        """Raises HostError when the position cannot be written."""
        # From now on all that is appended is this destination's, even if nothing is ever answered.
        self._file.save(self._positions)
        self._start(self._positions)

    # ── what can be seen ─────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def totals(self) -> Counters:
        total = Counters()
        with self._lock:
            total.add(self._retired)
            for shard in self._shards:
                total.add(shard.counters)
        return total

    @property
    def shards(self) -> int:
        return len(self._shards)

    @property
    def desired_shards(self) -> float:
        return self._resharding.desired

    @property
    def protocol(self) -> Protocol:
        """What is spoken: the configured one, or the older one that the other side knows."""
        return self._spoken.now

    @property
    def pending(self) -> int:
        """Samples in the log that are not settled."""
        return max(0, self._backlog + self._wal.appended - self.totals.settled)

    @property
    def positions(self) -> tuple[Position, ...]:
        with self._lock:
            return tuple(shard.position for shard in self._shards) or self._positions

    # ── the number of shards ─────────────────────────────────────────────────────────────────────────────────────────
    def reshard(self) -> None:
        """Each UPDATE_SECONDS. Finishes what an earlier call has begun, or begins another number."""
        if self._stopping.is_gathering:
            if not any(thread.is_alive() for thread in self._threads):
                least = max(shard.position for shard in self._shards)
                self._start((least,) * self._wanted)
            return
        now, total = self._clock.now(), self.totals
        last, self._last = self._last, total
        appended, self._last_appended = self._wal.appended - self._last_appended, self._wal.appended
        sent = total.samples + total.samples_failed
        counted = Counted(
            appended=appended,
            sent=sent - last.samples - last.samples_failed,
            dropped=total.dropped_relabelled + total.dropped_old - last.dropped_relabelled - last.dropped_old,
            seconds=total.seconds - last.seconds,
        )
        behind = max(0, self._wal.highest - total.highest_sent) / 1000 if total.highest_sent else 0.0
        since = now - (total.last_sent or self._begun)
        self._wanted = self._resharding.desire(self.shards, counted, behind=behind, since_sent=since)
        if self._wanted != self.shards:
            self._log.info("from %d to %d shards", self.shards, self._wanted)
            self._stopping.gather()

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def drain(self) -> None:
        self._stopping.drain()

    def join(self, seconds: float) -> bool:
        """Whether all shards have ended within that time."""
        until = self._clock.now() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - self._clock.now()))
        return not any(thread.is_alive() for thread in self._threads)

    def abort(self) -> None:
        """What is under way ends without an answer; the log keeps it."""
        self._stopping.abort()
        while not self.join(0.05):
            # Whoever was just about to begin a request when the others were ended.
            self._client.interrupt()

    def close(self) -> None:
        """After `drain` and `join`, or `abort`."""
        self._client.close()
        self._file.close()

    def sync(self) -> None:
        self._file.sync()

    def _start(self, positions: tuple[Position, ...]) -> None:
        with self._lock:
            for shard in self._shards:
                self._retired.add(shard.counters)
            self._stopping = Stopping(self._wal.grown, len(positions))
            self._shards = [self._shard(number, positions) for number in range(len(positions))]
        self._threads = [
            threading.Thread(target=self._run, args=(shard,), name=f"remote-write-{self.name}-{number}")
            for number, shard in enumerate(self._shards)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, shard: Shard) -> None:
        try:
            shard.run()
        except HostError as error:
            self._log.error("%s: nothing is sent any more", error)

    def _shard(self, number: int, positions: tuple[Position, ...]) -> Shard:
        config, queue = self.config, self.config.queue_config
        share = Share(number, len(positions))
        counters = Counters()
        supply = Supply(
            Cursor(self._wal, positions[number], self._log),
            Selection(self.external_labels, self._relabelling, share),
            counters,
            limits=Limits(samples=queue.max_samples_per_send, age=queue.sample_age_limit / 1000),
            shards=share.count,
        )
        exchange = Exchange(
            self._client,
            self._client.address.path,
            self._clock,
            headers=config.headers,
            retries_429=queue.retry_on_http_429,
            spoken=self._spoken,
        )
        return Shard(
            supply,
            exchange,
            self._spoken,
            counters,
            self._clock,
            self._log,
            stopping=self._stopping,
            backoff=self._new_backoff,
            deadline=queue.batch_send_deadline / 1000,
            send_exemplars=config.send_exemplars,
            described=self._described if number == 0 else None,
            save=self._save,
        )

    def _save(self) -> None:
        with self._lock:
            self._file.save(tuple(shard.position for shard in self._shards))

    def _new_backoff(self) -> Backoff:
        queue = self.config.queue_config
        return Backoff(least=queue.min_backoff / 1000, most=queue.max_backoff / 1000)
