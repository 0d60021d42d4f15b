"""What scraping counts, by Prometheus' names (scrape/metrics.go)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from pillion.scraper.configuration import format_duration
from pillion.scraper.discovery.counters import family
from pillion.scraper.exposition import WrittenFamily, WrittenSample, format_float
from pillion.scraper.labels import labels_of
from pillion.scraper.samples import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTERVALS = (0.01, 0.1, 1.0, 10.0)
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PREFIX = "prometheus_target_"


class Histogram:
    """Of seconds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        place = sum(seconds > bound for bound in self.bounds)
        self.counts[place] += 1
        self.sum += seconds

    def samples(self, name: str, labels: dict[str, str]) -> Iterator[WrittenSample]:
        for bound, count in zip((*self.bounds, float("inf")), accumulate(self.counts), strict=True):
            yield _sample(f"{name}_bucket", labels | {"le": format_float(bound)}, count)
        yield _sample(f"{name}_sum", labels, self.sum)
        yield _sample(f"{name}_count", labels, sum(self.counts))


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
    intervals: dict[int, Histogram] = field(default_factory=dict)
    """Between the begins of scrapes, by the interval in milliseconds."""
    durations: Histogram = field(default_factory=lambda: Histogram(_DURATIONS))

    def observe_interval(self, interval: int, seconds: float) -> None:
        self.intervals.setdefault(interval, Histogram(_INTERVALS)).observe(seconds)

    def forget(self, job: str) -> None:
        for each in (self.syncs, self.sync_failures, self.targets, self.target_limits):
            each.pop(job, None)

    def families(self) -> Iterator[WrittenFamily]:
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
        yield from self._times()

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

    def _times(self) -> Iterator[WrittenFamily]:
        """The summary has no quantiles: its rate is what people look at."""
        name = f"{_PREFIX}interval_length_seconds"
        by_interval = [
            ({"interval": format_duration(interval)}, found)
            for interval, found in sorted(self.intervals.items())
        ]
        yield WrittenFamily(
            metadata=Metadata(name=name, type="summary", help="Actual intervals between scrapes."),
            samples=tuple(
                sample
                for labels, found in by_interval
                for sample in (
                    _sample(f"{name}_sum", labels, found.sum),
                    _sample(f"{name}_count", labels, sum(found.counts)),
                )
            ),
        )
        name = f"{_PREFIX}interval_length_histogram_seconds"
        yield WrittenFamily(
            metadata=Metadata(name=name, type="histogram", help="Actual intervals between scrapes."),
            samples=tuple(sample for labels, found in by_interval for sample in found.samples(name, labels)),
        )
        name = f"{_PREFIX}scrape_duration_seconds"
        yield WrittenFamily(
            metadata=Metadata(name=name, type="histogram", help="How long scrapes took."),
            samples=tuple(self.durations.samples(name, {})),
        )


def _sample(name: str, labels: dict[str, str], value: float) -> WrittenSample:
    return WrittenSample(labels=labels_of(labels | {"__name__": name}), value=float(value))
