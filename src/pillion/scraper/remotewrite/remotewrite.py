"""Remote write as a whole: one log, any number of destinations, and what has to be done from time to time."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import msgspec

from pillion.errors import HostError
from pillion.http.failure import SettingError
from pillion.scraper.remotewrite.destination import Destination, name_of
from pillion.scraper.remotewrite.log import WriteAheadLog
from pillion.scraper.remotewrite.resharding import UPDATE_SECONDS
from pillion.scraper.remotewrite.sending import compressor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pillion.clock import Clock
    from pillion.scraper.configuration import RemoteWriteConfig
    from pillion.scraper.remotewrite.position import Position
    from pillion.scraper.samples import Batch

RELOAD_SECONDS = 5.0
"""That a destination which is no longer configured may take to send what is left."""


class RemoteWrite:
    """An Appender. All but `append` may wait: call them from a thread."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        log: logging.Logger,
        *,
        environment: Mapping[str, str],
        limit_bytes: int,
        max_age: float,
    ) -> None:
        """`max_age` in seconds. Raises HostError when the log cannot be used."""
        compressor()
        self._folder = folder
        self._clock = clock
        self._log = log
        self._environment = environment
        self.wal = WriteAheadLog(
            folder / "remote-write", clock, log, limit_bytes=limit_bytes, max_age=max_age
        )
        self.destinations: tuple[Destination, ...] = ()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="remote-write")
        self._keeper.start()

    def append(self, batch: Batch) -> None:
        if self.destinations and len(batch.series):
            self.wal.append(batch)

    def apply(self, configs: Sequence[RemoteWriteConfig], external_labels: Mapping[str, str]) -> None:
        """What is configured from now on: at the start, and at a reload. What has not changed goes on undisturbed.

        Raises HostError.
        """
        with self._lock:
            left = {one.name: one for one in self.destinations}
            kept: list[Destination] = []
            begun: list[tuple[str, RemoteWriteConfig]] = []
            for config in configs:
                name = _unique(name_of(config), {one.name for one in kept} | {name for name, _ in begun})
                running = left.get(name)
                if running is not None and _is_same(running, config, external_labels):
                    kept.append(left.pop(name))
                else:
                    begun.append((name, config))
            self._end(list(left.values()), RELOAD_SECONDS)
            for name, config in begun:
                kept.append(self._begin(name, config, external_labels))
            self.destinations = tuple(kept)

    def close(self, grace: float) -> int:
        """Send what is left, for at most `grace` seconds. Gives the samples that stay in the log."""
        self._ended.set()
        self._keeper.join()
        with self._lock:
            self._end(list(self.destinations), grace)
            left = max((one.pending for one in self.destinations), default=0)
            self.wal.trim(_positions(self.destinations))
            self.wal.close()
        return left

    def _begin(self, name: str, config: RemoteWriteConfig, external_labels: Mapping[str, str]) -> Destination:
        log = self._log.getChild(name.replace(".", "_"))
        try:
            destination = Destination(
                name, config, dict(external_labels), self.wal, self._folder, self._clock, log,
                environment=self._environment,
            )  # fmt: skip
        except SettingError as error:
            raise HostError(f"{config.place}: remote_write: {error}") from error
        destination.start()
        return destination

    def _end(self, destinations: Sequence[Destination], grace: float) -> None:
        until = self._clock.now() + grace
        for one in destinations:
            one.drain()
        for one in destinations:
            if not one.join(max(0.0, until - self._clock.now())):
                one.abort()
            one.close()

    def _keep(self) -> None:
        while not self._ended.wait(UPDATE_SECONDS):
            with self._lock:
                for one in self.destinations:
                    one.reshard()
                self.wal.trim(_positions(self.destinations))
                try:
                    self.wal.sync()
                    for one in self.destinations:
                        one.sync()
                except OSError as error:
                    self._log.error("cannot sync the write-ahead log: %s", error.strerror)


def _positions(destinations: Sequence[Destination]) -> list[Position]:
    return [position for one in destinations for position in one.positions]


def _is_same(running: Destination, config: RemoteWriteConfig, external_labels: Mapping[str, str]) -> bool:
    moved = msgspec.structs.replace(config, place=running.config.place)
    return running.config == moved and running.external_labels == dict(external_labels)


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found
