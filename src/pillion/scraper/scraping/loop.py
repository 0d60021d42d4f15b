"""One target's scrapes, one after the other (scrape/scrape.go, scrapeLoop)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.exposition import ExpositionError, Format, Page, PageReader, negotiate, page_reader
from pillion.scraper.labels import Relabelling
from pillion.scraper.scraping.failures import (
    BodySizeError,
    LabelLimitError,
    PageError,
    SampleLimitError,
    ScrapeError,
)
from pillion.scraper.scraping.fetching import Body, OpenFetch
from pillion.scraper.scraping.report import Report
from pillion.scraper.scraping.samplelabels import LabelLimits, SampleLabels
from pillion.scraper.scraping.schedule import MILLISECOND, SECOND, Ticks, first_wait
from pillion.scraper.scraping.targetseries import Outcome, SampleRules, Scraped, TargetSeries

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection

    from pillion.clock import Clock
    from pillion.scraper.configuration import ScrapeConfig
    from pillion.scraper.labels import Labels
    from pillion.scraper.samples import Appender, Batch, Metadata
    from pillion.scraper.scraping.counters import ScrapeCounters
    from pillion.scraper.scraping.failurelogs import FailureLogs
    from pillion.scraper.scraping.targets import Target


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """Of the command line."""

    align_timestamps: bool = True
    tolerance: int = 2
    """Milliseconds."""
    extra_metrics: bool = False
    start_timestamps: bool = False
    """`_created` lines tell starts (created-timestamp-zero-ingestion)."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What all loops share."""

    tasks: asyncio.TaskGroup
    clock: Clock
    open_fetch: OpenFetch
    seed: int
    """Shifts all phases: see `schedule.seed_of`."""
    appenders: tuple[Appender, ...]
    counters: ScrapeCounters
    log: logging.Logger
    failures: FailureLogs
    features: Features = Features()
    labels_alive: Callable[[], Collection[Labels]]
    """All series that some target has now."""

    def append(self, batch: Batch) -> None:
        for appender in self.appenders:
            appender.append(batch)


class ScrapeLoop:
    def __init__(self, target: Target, config: ScrapeConfig, surroundings: Surroundings) -> None:
        self.target = target
        self._surroundings = surroundings
        self._config = config
        self.forced_error = ""
        """Why it is not even asked: target_limit."""
        self.last_error = ""
        self.last_scrape: float | None = None
        """Seconds since the epoch."""
        self.last_duration = 0.0
        """Seconds."""
        self._reader: tuple[Format, PageReader] | None = None
        self._stopping = asyncio.Event()
        self._is_busy = asyncio.Lock()
        self._begun: int | None = None
        self._fetcher = self._surroundings.open_fetch(self.target, config)
        self.series = self._new_series(config)

    @property
    def metadata(self) -> Collection[Metadata]:
        """Of the families on its last good page."""
        return self.series.metadata

    def change(self, config: ScrapeConfig) -> TargetSeries | None:
        """Another configuration for the scrapes to come: the phase stays. The target's series so far, if they cannot be
        continued: what is no longer there of them ends with `TargetSeries.end`."""
        before, self._config = self._config, config
        self._fetcher.close()
        self._fetcher = self._surroundings.open_fetch(self.target, config)
        if series_rules(before) == series_rules(config):
            self.series.change_rules(_sample_rules(config), self._report(config))
            return None
        ended, self.series = self.series, self._new_series(config)
        return ended

    async def run(self) -> None:
        """Until `stop`, or until it is cancelled."""
        clock = self._surroundings.clock
        interval = self.target.interval * MILLISECOND
        wait = first_wait(interval, self.target.hashed, self._surroundings.seed, nanoseconds(clock))
        if await self._pause(wait):
            return
        features = self._surroundings.features
        ticks = Ticks(nanoseconds(clock), interval, tolerance=features.tolerance * MILLISECOND)
        while True:
            now = nanoseconds(clock)
            await self._scrape(ticks.scrape_time(now) if features.align_timestamps else now)
            if await self._pause(ticks.next_wait(nanoseconds(clock))):
                return

    @property
    def has_scraped(self) -> bool:
        return self._begun is not None

    def stop(self) -> None:
        """No further scrape; one that is under way is taken."""
        self._stopping.set()

    def close(self) -> None:
        self._fetcher.close()

    async def scrape_at_end(self, within: float) -> None:
        """One more, now, in at most so many seconds. If it fails nothing is written: the target is not down, we are
        going, and a marker would end series that the next scraper continues (Prometheus writes none either)."""
        clock = self._surroundings.clock
        async with self._is_busy:
            begun = clock.now()
            if self.forced_error or (self.series.last_time is None and self.last_scrape is not None):
                return
            try:
                body = await self._fetcher.fetch(within)
                page = self._read(body)
            except ScrapeError:
                return
            time = max(int(begun * 1000), (self.series.last_time or 0) + 1)
            self._take(
                Scraped(
                    page=page,
                    time=time,
                    now=int(clock.now() * 1000),
                    duration=clock.now() - begun,
                    body_size=len(body.content),
                )
            )

    async def _pause(self, nanos: int) -> bool:
        """True: it is to stop."""
        try:
            async with asyncio.timeout(nanos / SECOND):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _scrape(self, time: int) -> None:
        async with self._is_busy:
            clock, counters = self._surroundings.clock, self._surroundings.counters
            begun = clock.now()
            if self._begun is not None:
                counters.intervals[self.target.interval].observe(begun - self._begun / SECOND, begun)
            self._begun = int(begun * SECOND)
            page, error, size = None, None, 0
            try:
                if self.forced_error:
                    raise ScrapeError(self.forced_error)
                body = await self._fetcher.fetch()
                size = len(body.content)
                page = self._read(body)
            except ScrapeError as failure:
                error = failure
                size = -1 if isinstance(failure, BodySizeError) else size
            now = clock.now()
            if error is not None and not self.forced_error and not isinstance(error, PageError):
                self._log_failure(error, now)
            self._take(
                Scraped(
                    page=page,
                    error=error,
                    time=time // MILLISECOND,
                    now=int(now * 1000),
                    duration=now - begun,
                    body_size=size,
                )
            )

    def _log_failure(self, error: ScrapeError, now: float) -> None:
        """What could not be had; a page that cannot be read is not among it, in Prometheus neither."""
        file = self._config.scrape_failure_log_file
        if file:
            self._surroundings.failures.write(
                file, job=self._config.job_name, target=self.target.url, error=str(error), now=now
            )

    def _read(self, body: Body) -> Page | None:
        """Raises ScrapeError."""
        if not body.content:
            return None
        try:
            page_format = negotiate(body.content_type, self._config.fallback)
            if self._reader is None or self._reader[0] is not page_format:
                starts = self._surroundings.features.start_timestamps
                self._reader = page_format, page_reader(page_format, starts=starts)
            return self._reader[1].read(body.content)
        except ExpositionError as error:
            raise PageError(str(error), error.read) from error

    def _take(self, scraped: Scraped) -> None:
        outcome = self.series.take(scraped)
        for batch in outcome.batches:
            self._surroundings.append(batch)
        self.last_error = str(outcome.error) if outcome.error is not None else ""
        self.last_scrape = scraped.time / 1000
        self.last_duration = scraped.duration
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        counters, log = self._surroundings.counters, self._surroundings.log
        counters.durations.observe(outcome.findings.duration)
        counters.cache_flushes_forced += outcome.has_flushed
        match outcome.error:
            case None:
                pass
            case SampleLimitError():
                counters.exceeded_sample_limit += 1
            case LabelLimitError():
                counters.exceeded_label_limits += 1
            case BodySizeError():
                counters.exceeded_body_size += 1
            case _:
                pass  # another reason, which is not counted
        if outcome.error is not None:
            log.debug("scrape of %s failed: %s", self.target.url, outcome.error)
        refused = outcome.refused
        counters.exemplars_out_of_order += outcome.exemplars_out_of_order
        for count, name, why in (
            (refused.duplicates, "duplicates", "series and time are those of another sample"),
            (refused.out_of_order, "out_of_order", "older than others of their series"),
            (refused.out_of_bounds, "out_of_bounds", "too far ahead of the clock"),
        ):
            if count:
                setattr(counters, name, getattr(counters, name) + count)
                log.warning("%d samples of %s were dropped: %s", count, self.target.url, why)

    def _new_series(self, config: ScrapeConfig) -> TargetSeries:
        labels = SampleLabels(
            self.target.public,
            honor_labels=config.honor_labels,
            relabelling=Relabelling(config.metric_relabel_configs),
            limits=LabelLimits(
                labels=config.label_limit,
                name_length=config.label_name_length_limit,
                value_length=config.label_value_length_limit,
            ),
            scheme=config.validation_scheme,
        )
        return TargetSeries(labels, _sample_rules(config), self._report(config))

    def _report(self, config: ScrapeConfig) -> Report:
        return Report(
            self.target.public,
            timeout=self.target.timeout / 1000,
            sample_limit=config.sample_limit,
            extra=self._surroundings.features.extra_metrics or bool(config.extra_scrape_metrics),
        )


def _sample_rules(config: ScrapeConfig) -> SampleRules:
    return SampleRules(
        honor_timestamps=config.honor_timestamps,
        track_timestamps_staleness=config.track_timestamps_staleness,
        sample_limit=config.sample_limit,
    )


def series_rules(config: ScrapeConfig) -> tuple[object, ...]:
    """What decides which series pages become: the cache of them is good as long as it stays (reusableCache)."""
    return (
        config.honor_labels,
        config.metric_relabel_configs,
        config.label_limit,
        config.label_name_length_limit,
        config.label_value_length_limit,
        config.validation_scheme,
    )


def nanoseconds(clock: Clock) -> int:
    """Since the epoch."""
    return int(clock.now() * SECOND)
