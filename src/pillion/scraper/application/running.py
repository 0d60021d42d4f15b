"""The running scraper, put together; its signals, reloads and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pillion.clock import LoopClock
from pillion.errors import ManifestError, PillionError
from pillion.http.server import serve
from pillion.scraper import discovery
from pillion.scraper.application import memory
from pillion.scraper.application.messages import LOG
from pillion.scraper.application.ownmetrics import (
    ConfigurationState,
    configuration_families,
    process_families,
    window_families,
)
from pillion.scraper.application.targetsview import Targets
from pillion.scraper.discovery import DiscoveryCounters
from pillion.scraper.exposition import Format, write_page
from pillion.scraper.labels import labels_of
from pillion.scraper.samples.window import Window
from pillion.scraper.scraping.counters import ScrapeCounters
from pillion.scraper.scraping.failurelogs import FailureLogs
from pillion.scraper.scraping.fetching import http_fetching
from pillion.scraper.scraping.jobs import Jobs
from pillion.scraper.scraping.loop import Features, Surroundings
from pillion.scraper.scraping.schedule import seed_of
from pillion.scraper.web import BODY_BYTES, Routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from pillion.scraper.configuration import Configuration, Flags
    from pillion.scraper.remotewrite.remotewrite import RemoteWrite
    from pillion.scraper.samples import Batch

LAST_SCRAPE_SECONDS = 5.0
"""For the scrapes at the end, but no more than half of the flush deadline: the rest is for destinations."""
MAX_PORT = 65_535
THREADS = 32
"""That wait for targets. A thread is begun when all others wait."""


class Application:
    """A `View`: what the web server shows."""

    def __init__(
        self,
        configuration: Configuration,
        flags: Flags,
        environment: Mapping[str, str],
        read_again: Callable[[], Configuration],
    ) -> None:
        self.configuration = configuration
        self.flags = flags
        self.window = Window(flags.window_retention, flags.window_max_size)
        self.started = 0.0
        self.is_ready = False
        self.ports: list[int] = []
        """That are listened on."""
        self._environment = environment
        self._read_again = read_again
        self._log = logging.getLogger(LOG)
        self._signals: list[int] = []
        self._ending = asyncio.Event()
        self._ending_now = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._discovery_counters = DiscoveryCounters()
        self._scrape_counters = ScrapeCounters()
        self._remote: RemoteWrite | None = None
        self._failures = FailureLogs(logging.getLogger(f"{LOG}.scraping"))

    async def run(self) -> int:
        """The exit status. Raises PillionError when it cannot start."""
        self._clock = LoopClock()
        self.started = self._clock.now()
        self._state = ConfigurationState(successful_at=self.started)
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="scrape")
        try:
            failure = await self._begin(threads)
        finally:
            threads.shutdown(cancel_futures=True)
            self._failures.close()
        if failure is not None:
            raise failure
        return 128 + self._signals[-1] if len(self._signals) > 1 else 0

    async def _begin(self, threads: ThreadPoolExecutor) -> PillionError | None:
        """Why it could not start, as itself: a group of tasks would wrap it."""
        async with asyncio.TaskGroup() as tasks:
            with self._hearing_signals():
                try:
                    await self._live(tasks, threads)
                except PillionError as error:
                    if self._remote is not None:
                        await asyncio.to_thread(self._remote.close, 0)
                    return error
        return None

    async def _live(self, tasks: asyncio.TaskGroup, threads: ThreadPoolExecutor) -> None:
        """Raises PillionError when it cannot begin."""
        self._jobs = self._open_jobs(tasks, threads)
        self._surroundings = self._scrape_surroundings(tasks, threads)
        self.targets = Targets(self._jobs)
        async with self._serving():
            await self._apply_remote_write(self.configuration)
            self._failures.reopen(_failure_files(self.configuration))
            self._jobs.apply(self.configuration.scrape_configs, self._surroundings)
            beside = tasks.create_task(self._obey_reloads())
            memory.tidy()
            self.is_ready = True
            self._log.info("ready: %d jobs", len(self._jobs.pools))
            await self._ending.wait()
            self.is_ready = False
            beside.cancel()
            await self._end_or_hurry(tasks)

    async def _end_or_hurry(self, tasks: asyncio.TaskGroup) -> None:
        """A second signal does not wait for destinations."""
        ending = tasks.create_task(self._end())
        hurry = tasks.create_task(self._ending_now.wait())
        await asyncio.wait({ending, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if self._remote is not None and not ending.done():
            for destination in self._remote.destinations:
                destination.abort()

    async def _end(self) -> None:
        """The agent may be gone or not: what it can still say is taken, then destinations get what they have not."""
        seconds = self.flags.flush_deadline / 1000
        deadline = self._clock.now() + seconds
        await self._jobs.stop(0 if self._ending_now.is_set() else min(LAST_SCRAPE_SECONDS, seconds / 2))
        if self._remote is not None:
            grace = max(0.0, deadline - self._clock.now())
            left = await asyncio.to_thread(self._remote.close, grace)
            if left:
                self._log.warning("%d samples are left in the write-ahead log for the next start", left)

    def append(self, batch: Batch) -> None:
        """What was scraped goes everywhere."""
        self.window.append(batch)
        if self._remote is not None:
            self._remote.append(batch)

    async def _apply_remote_write(self, configuration: Configuration) -> None:
        """Raises HostError when the log cannot be used."""
        if self._remote is None:
            if not configuration.remote_write:
                return
            from pillion.scraper.remotewrite.remotewrite import (
                RemoteWrite,
            )  # most sidecars are only looked at

            self._remote = await asyncio.to_thread(
                RemoteWrite,
                Path(self.flags.storage_path),
                self._clock,
                logging.getLogger(f"{LOG}.remotewrite"),
                environment=self._environment,
                limit_bytes=self.flags.wal_max_size,
                max_age=self.flags.wal_max_age / 1000,
            )
        labels = configuration.global_config.external_labels
        await asyncio.to_thread(self._remote.apply, configuration.remote_write, labels)

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        """Raises HostError when an address cannot be listened on."""
        routes = Routes(self, self._clock)
        log = logging.getLogger(f"{LOG}.web")
        async with contextlib.AsyncExitStack() as stack:
            self.ports = [
                await stack.enter_async_context(
                    serve(host, port, routes.respond, log, body_limit=BODY_BYTES, keys="--web.listen-address")
                )
                for host, port in map(_host_and_port, self.flags.listen_addresses)
            ]
            yield

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _open_jobs(self, tasks: asyncio.TaskGroup, threads: ThreadPoolExecutor) -> Jobs:
        return Jobs(
            discovery.Surroundings(
                tasks=tasks,
                threads=threads,
                clock=self._clock,
                environment=self._environment,
                counters=self._discovery_counters,
                log=logging.getLogger(f"{LOG}.discovery"),
            )
        )

    def _scrape_surroundings(self, tasks: asyncio.TaskGroup, threads: ThreadPoolExecutor) -> Surroundings:
        return Surroundings(
            tasks=tasks,
            clock=self._clock,
            open_fetch=http_fetching(self._clock, self._environment, threads),
            seed=seed_of(socket.gethostname(), labels_of(self.configuration.global_config.external_labels)),
            appenders=(self,),
            counters=self._scrape_counters,
            log=logging.getLogger(f"{LOG}.scraping"),
            failures=self._failures,
            features=_features(self.flags),
            labels_alive=self._jobs.labels_alive,
        )

    # ── signals ──────────────────────────────────────────────────────────────────────────────────────────────────────
    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._hear, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _hear(self, number: int) -> None:
        self._signals.append(number)
        self._log.info("caught %s", signal.Signals(number).name)
        self._ending.set()
        if len(self._signals) > 1:
            self._ending_now.set()

    def quit(self) -> None:
        """End, as SIGTERM does; at once, without waiting."""
        self._ending.set()

    # ── reload ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _obey_reloads(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            await self.reload()

    async def reload(self) -> str:
        """Why the configuration that is there now is not used; nothing: it is."""
        async with self._reloading:
            try:
                configuration = await asyncio.to_thread(self._read_again)
                # With those of before: they are still needed if what follows fails.
                files = _failure_files(self.configuration) | _failure_files(configuration)
                self._failures.reopen(files)
                await self._apply_remote_write(configuration)
            except PillionError as error:
                self._state.is_successful = False
                self._log.error("the new configuration is not used: %s", "; ".join(str(error).splitlines()))
                return str(error)
            for warning in configuration.warnings:
                self._log.warning("%s", warning)
            self.configuration = configuration
            self._jobs.apply(configuration.scrape_configs, self._surroundings)
            self._state = ConfigurationState(successful_at=self._clock.now())
            self._log.info("the configuration was read again")
            return ""

    # ── what the web server shows ────────────────────────────────────────────────────────────────────────────────────
    @property
    def reloaded(self) -> float:
        return self._state.successful_at

    @property
    def is_reload_successful(self) -> bool:
        return self._state.is_successful

    def metrics(self) -> str:
        """In the text format."""
        families = [
            *process_families(self.started),
            *configuration_families(self._state),
            *self._discovery_counters.families(),
            *self._scrape_counters.families(self._clock.now()),
            *window_families(self.window),
        ]
        if self._remote is not None:
            from pillion.scraper.remotewrite.report import families as remote_families

            families += remote_families(self._remote)
        return write_page([family for family in families if family.samples], Format.TEXT_0).decode()


def _host_and_port(address: str) -> tuple[str, int]:
    """Raises ManifestError. No host: all addresses of the machine, as in Go."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > MAX_PORT:
        raise ManifestError(f"--web.listen-address: {address}: it is not HOST:PORT")
    return host.strip("[]"), int(port)


def _failure_files(configuration: Configuration) -> set[str]:
    files = {config.scrape_failure_log_file for config in configuration.scrape_configs}
    return {file for file in files if file}


def _features(flags: Flags) -> Features:
    return Features(
        align_timestamps=flags.adjust_timestamps,
        tolerance=flags.timestamp_tolerance,
        extra_metrics="extra-scrape-metrics" in flags.features,
        start_timestamps="created-timestamp-zero-ingestion" in flags.features,
    )
