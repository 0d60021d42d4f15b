"""What scraping counts, by Prometheus' names (scrape/metrics.go)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from pillion.scraper.discovery.counters import family
from pillion.scraper.exposition import WrittenFamily
from pillion.scraper.samples import Metadata
from pillion.scraper.scraping.observations import Histogram, Summary
from pillion.units import go_milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pillion.scraper.exposition import WrittenSample

_INTERVALS = (0.01, 0.1, 1.0, 10.0)
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PREFIX = "prometheus_target_"


class Lengths:
    """How long something took, as a summary and as a histogram."""

    def __init__(self) -> None:
        self.summary = Summary()
        self.histogram = Histogram(_INTERVALS)

    def observe(self, seconds: float, now: float) -> None:
        self.summary.observe(seconds, now)
        self.histogram.observe(seconds)


@dataclass
class ScrapeCounters:
    pools: int = 0
    """Begun, as `reloads` and `syncs` are."""
    pools_failed: int = 0
    reloads: int = 0
    reloads_failed: int = 0
    syncs: Counter[str] = field(default_factory=Counter)
    """By job, as the following are."""
    sync_failures: Counter[str] = field(default_factory=Counter)
    targets: dict[str, int] = field(default_factory=dict)
    target_limits: dict[str, int] = field(default_factory=dict)
    exceeded_target_limit: int = 0
    exceeded_sample_limit: int = 0
    exceeded_label_limits: int = 0
    exceeded_body_size: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    out_of_bounds: int = 0
    exemplars_out_of_order: int = 0
    cache_flushes_forced: int = 0
    intervals: defaultdict[int, Lengths] = field(default_factory=lambda: defaultdict(Lengths))
    """Between the begins of scrapes, by the interval in milliseconds."""
    reload_lengths: defaultdict[int, Summary] = field(default_factory=lambda: defaultdict(Summary))
    """By the interval, too."""
    sync_lengths: defaultdict[str, Lengths] = field(default_factory=lambda: defaultdict(Lengths))
    """By job."""
    durations: Histogram = field(default_factory=lambda: Histogram(_DURATIONS))

    def forget(self, job: str) -> None:
        for each in (self.syncs, self.sync_failures, self.targets, self.target_limits, self.sync_lengths):
            each.pop(job, None)

    def families(self, now: float) -> Iterator[WrittenFamily]:
        """`now` in seconds since the epoch."""
        for name, help_text, value in self._totals():
            yield family(f"{_PREFIX}{name}_total", "counter", help_text, {(): value})
        for name, kind, help_text, values in (
            ("scrape_pool_sync_total", "counter", "Syncs that were executed on a scrape pool.", self.syncs),
            ("sync_failed_total", "counter", "Target sync failures.", self.sync_failures),
            ("scrape_pool_targets", "gauge", "Targets in this scrape pool.", self.targets),
            (
                "scrape_pool_target_limit",
                "gauge",
                "Most targets that are allowed in this scrape pool.",
                self.target_limits,
            ),
        ):
            yield family(
                _PREFIX + name,
                kind,
                help_text,
                {(("scrape_job", job),): value for job, value in values.items()},
            )
        yield from self._times(now)

    def _totals(self) -> tuple[tuple[str, str, int], ...]:
        return (
            ("scrape_pools", "Scrape pools that were made.", self.pools),
            ("scrape_pools_failed", "Scrape pools that could not be made.", self.pools_failed),
            ("scrape_pool_reloads", "Reloads of scrape pools.", self.reloads),
            ("scrape_pool_reloads_failed", "Reloads of scrape pools that failed.", self.reloads_failed),
            (
                "scrape_pool_exceeded_target_limit",
                "Times that scrape pools hit the target limit.",
                self.exceeded_target_limit,
            ),
            (
                "scrape_pool_exceeded_label_limits",
                "Times that scrape pools hit the label limits.",
                self.exceeded_label_limits,
            ),
            (
                "scrapes_exceeded_sample_limit",
                "Scrapes that hit the sample limit and were rejected.",
                self.exceeded_sample_limit,
            ),
            (
                "scrapes_exceeded_body_size_limit",
                "Scrapes that hit the body size limit.",
                self.exceeded_body_size,
            ),
            (
                "scrapes_exceeded_native_histogram_bucket_limit",
                "Scrapes that hit the native histogram bucket limit: none, as there are no native histograms.",
                0,
            ),
            (
                "scrapes_cache_flush_forced",
                "Times that the cache of a target's labels was emptied as failing pages had filled it.",
                self.cache_flushes_forced,
            ),
            (
                "scrapes_sample_duplicate_timestamp",
                "Samples rejected as another one has the same series and time.",
                self.duplicates,
            ),
            ("scrapes_sample_out_of_order", "Samples rejected as older than others.", self.out_of_order),
            ("scrapes_sample_out_of_bounds", "Samples rejected as too far ahead.", self.out_of_bounds),
            (
                "scrapes_exemplar_out_of_order",
                "Exemplars rejected as older than others.",
                self.exemplars_out_of_order,
            ),
        )

    def _times(self, now: float) -> Iterator[WrittenFamily]:
        by_interval = {go_milliseconds(interval): found for interval, found in sorted(self.intervals.items())}
        yield from _lengths("interval", "interval", "Actual intervals between scrapes.", by_interval, now)
        yield from _lengths(
            "sync", "scrape_job", "How long syncs of scrape pools took.", self.sync_lengths, now
        )
        yield _family(
            "reload_length_seconds",
            "summary",
            "How long reloads of scrape pools took.",
            (
                sample
                for interval, found in sorted(self.reload_lengths.items())
                for sample in found.samples(
                    f"{_PREFIX}reload_length_seconds", {"interval": go_milliseconds(interval)}, now
                )
            ),
        )
        name = "scrape_duration_seconds"
        samples = self.durations.samples(_PREFIX + name, {})
        yield _family(name, "histogram", "How long scrapes took.", samples)


def _lengths(
    what: str, label: str, help_text: str, all_found: Mapping[str, Lengths], now: float
) -> Iterator[WrittenFamily]:
    name = f"{what}_length_seconds"
    by_label = [({label: value}, found) for value, found in all_found.items()]
    summaries = (found.summary.samples(_PREFIX + name, labels, now) for labels, found in by_label)
    yield _family(name, "summary", help_text, chain.from_iterable(summaries))
    name = f"{what}_length_histogram_seconds"
    histograms = (found.histogram.samples(_PREFIX + name, labels) for labels, found in by_label)
    yield _family(name, "histogram", help_text, chain.from_iterable(histograms))


def _family(name: str, kind: str, help_text: str, samples: Iterable[WrittenSample]) -> WrittenFamily:
    return WrittenFamily(
        metadata=Metadata(name=_PREFIX + name, type=kind, help=help_text), samples=tuple(samples)
    )
