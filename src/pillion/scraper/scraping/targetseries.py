"""From a target's pages to batches: samples, staleness markers, the report. Pure: times are handed in.

A failed scrape is an empty one: it takes nothing of its page, and every series that was there gets a marker
(scrape/scrape.go: scrapeAndReport, append, updateStaleMarkers, endOfRunStaleness).
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.exposition.page import NO_TIME
from pillion.scraper.samples import STALE, Batch, SeriesSet
from pillion.scraper.scraping.exemplars import LastExemplars
from pillion.scraper.scraping.failures import PageError, ScrapeError
from pillion.scraper.scraping.plan import Broken, Failure, Plan, SeriesCache, make_plan
from pillion.scraper.scraping.report import Findings, Report
from pillion.scraper.scraping.timed import Refused, TimedPage, TimedSamples

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pillion.scraper.exposition import Page
    from pillion.scraper.labels import Labels
    from pillion.scraper.samples import Metadata
    from pillion.scraper.scraping.samplelabels import SampleLabels

_NOTHING = SeriesSet((), ())


class SampleRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a job says of its targets' samples."""

    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    sample_limit: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One scrape: what to append, in this order, and what to say of it."""

    batches: tuple[Batch, ...]
    error: ScrapeError | None
    findings: Findings
    refused: Refused
    exemplars_out_of_order: int = 0
    has_flushed: bool = False
    """Failing pages had filled the cache of labels."""


class Scraped(msgspec.Struct, frozen=True, kw_only=True):
    """One scrape, before it is looked at. Times are in milliseconds."""

    page: Page | None
    """None: the target answered with nothing, or there is an error."""
    error: ScrapeError | None = None
    time: int
    """Of its samples."""
    now: int
    """When the page had been read."""
    duration: float
    """Seconds."""
    body_size: int = 0


class TargetSeries:
    """What one target's scrapes leave behind for the next."""

    def __init__(self, labels: SampleLabels, rules: SampleRules, report: Report) -> None:
        self._labels = labels
        self._rules = rules
        self._report = report
        self._cache = SeriesCache()
        self._plan: Plan | None = None
        self._failed: Failure | None = None
        self._tracked = _NOTHING
        self._timed = TimedSamples(tracks_staleness=rules.track_timestamps_staleness)
        self._exemplars = LastExemplars()
        self._last_values = b""
        self._last_time: int | None = None
        """Of the last scrape."""

    def change_rules(self, rules: SampleRules, report: Report) -> None:
        """A reload that leaves the series' labels as they are."""
        if rules.sample_limit != self._rules.sample_limit:
            self._plan = self._failed = None
        self._rules = rules
        self._report = report

    @property
    def last_time(self) -> int | None:
        """Of the last scrape, in milliseconds; None before the first."""
        return self._last_time

    @property
    def metadata(self) -> Collection[Metadata]:
        """Of the families on the last good page."""
        if self._plan is None:
            return ()
        return {each.name: each for each in self._plan.page.metadata if each is not None}.values()

    @property
    def labels_alive(self) -> Collection[Labels]:
        """All series of the last scrape."""
        if self._last_time is None:
            return ()
        return (*self._tracked.labels, *self._report.labels)

    def take(self, scraped: Scraped) -> Outcome:
        added = 0
        refused = Refused()
        batches: list[Batch] = []
        error = scraped.error
        plan: Plan | Broken | None = None
        exemplars_before, flushes_before = self._exemplars.out_of_order, self._cache.flushes
        if error is None and scraped.page is not None and scraped.page.series.labels:
            plan, added = self._plan_of(scraped.page)
            if isinstance(plan, Plan):
                taken, tracked, refused = self._samples(plan, scraped.page, scraped)
                batches += taken
                batches += self._markers(tracked, scraped.time)
        elif isinstance(error, PageError):
            plan, added = self._broken_by(error)
        if isinstance(plan, Broken):
            error = plan.error
        if not isinstance(plan, Plan):
            batches += self._markers(_NOTHING, scraped.time)
        if scraped.page is not None and self._times_of(scraped.page) is None:
            self._timed.forget_before(scraped.time + 1)
        findings = Findings(
            is_up=error is None,
            duration=scraped.duration,
            scraped=plan.scraped if plan is not None else 0,
            added=plan.added if plan is not None else 0,
            series_added=added,
            body_size=scraped.body_size,
        )
        shadowed = plan.shadowed if isinstance(plan, Plan) else frozenset()
        batches.append(self._report.batch(findings, scraped.time, shadowed))
        self._last_time = scraped.time
        return Outcome(
            batches=tuple(batches),
            error=error,
            findings=findings,
            refused=refused,
            exemplars_out_of_order=self._exemplars.out_of_order - exemplars_before,
            has_flushed=self._cache.flushes > flushes_before,
        )

    def end(self, time: int, alive: Collection[Labels]) -> tuple[Batch, ...]:
        """The target is gone for good: markers for all that it had, but not for series `alive` by now elsewhere, for
        which they would come too late."""
        living = frozenset(alive)
        tracked, self._tracked = self._tracked, _NOTHING
        markers = _marked(tracked, time, lambda labels: labels not in living)
        return tuple(batch for batch in (*markers, self._report.end(time, living)) if len(batch.series))

    def _broken_by(self, error: PageError) -> tuple[Broken | None, int]:
        """A fault of a series before the place comes first. And how many series are new."""
        found = self._cache.final(error.read, self._labels, self._rules.sample_limit, error)
        return (found if isinstance(found, Broken) else None), self._cache.added

    def _plan_of(self, page: Page) -> tuple[Plan | Broken, int]:
        """And how many series are new."""
        if self._plan is not None and self._plan.page is page.series:
            return self._plan, 0
        if self._failed is not None and self._failed.page is page.series:
            return self._failed.broken, 0
        made = make_plan(
            page.series,
            self._cache,
            self._labels,
            sample_limit=self._rules.sample_limit,
            report=self._report.labels,
            before=self._plan.series if self._plan is not None else None,
        )
        if isinstance(made, Failure):
            self._failed = made
            return made.broken, self._cache.added
        self._plan, self._failed = made, None
        self._exemplars.keep_only(made.series.labels)
        return made, self._cache.added

    def _samples(self, plan: Plan, page: Page, scraped: Scraped) -> tuple[list[Batch], SeriesSet, Refused]:
        if self._times_of(page) is not None or not self._timed.is_empty:
            return self._timed_samples(plan, page, scraped)
        selection = plan.selection
        batch = Batch(
            series=plan.series,
            time=scraped.time,
            values=page.values if selection is None else selection.values(page.values),
            starts=page.starts
            if selection is None or page.starts is None
            else selection.numbers(page.starts),
        )
        self._last_values = batch.values
        if page.exemplars:
            batch = self._with_exemplars(batch, plan, page)
        return [batch], plan.series, Refused(duplicates=len(plan.repeats))

    def _times_of(self, page: Page) -> array[int] | None:
        return page.times if self._rules.honor_timestamps else None

    def _timed_samples(
        self, plan: Plan, page: Page, scraped: Scraped
    ) -> tuple[list[Batch], SeriesSet, Refused]:
        if self._timed.is_empty and self._tracked and self._last_time is not None:
            self._timed.begin(self._tracked, self._last_time, self._last_values)
        times = self._times_of(page)
        column = TimedPage(
            values=page.values,
            times=array("q", [NO_TIME]) * len(page.series.labels) if times is None else times,
            starts=page.starts,
            time=scraped.time,
            now=scraped.now,
        )
        taken = self._timed.take(plan, column)
        if page.exemplars and taken.batches:
            taken.batches[0] = self._with_exemplars(taken.batches[0], plan, page)
        self._last_values = b""
        return taken.batches, taken.tracked, taken.refused

    def _with_exemplars(self, batch: Batch, plan: Plan, page: Page) -> Batch:
        places = plan.targets
        if batch.series is not plan.series:
            positions = {labels: index for index, labels in enumerate(batch.series.labels)}
            on_page = (
                enumerate(plan.series.labels)
                if places is None
                else [(place, plan.series.labels[index]) for place, index in places.items()]
            )
            places = {place: positions[labels] for place, labels in on_page if labels in positions}
        times = batch.times
        fresh = self._exemplars.fresh(
            page.exemplars,
            places,
            batch.series.labels,
            lambda index: batch.time if times is None else times[index],
        )
        return msgspec.structs.replace(batch, exemplars=fresh) if fresh else batch

    def _markers(self, tracked: SeriesSet, time: int) -> list[Batch]:
        """For the series of the scrape before that are not among `tracked`."""
        before, self._tracked = self._tracked, tracked
        if before is tracked or not before:
            return []
        present = set(tracked.labels) | set(self._report.labels)
        timed = self._timed

        def is_missing(labels: Labels) -> bool:
            if labels in present:
                return False
            last = timed.last_time(labels)
            return last is None or last < time

        return _marked(before, time, is_missing)


def _marked(series: SeriesSet, time: int, is_missing: Callable[[Labels], bool]) -> list[Batch]:
    missing = [index for index, labels in enumerate(series.labels) if is_missing(labels)]
    if not missing:
        return []
    if len(missing) < len(series):
        series = SeriesSet(
            tuple(series.labels[index] for index in missing),
            tuple(series.metadata[index] for index in missing),
        )
    return [Batch(series=series, time=time, values=STALE * len(series))]
