"""What discovery counts, by Prometheus' names (discovery/metrics.go, discovery/file/metrics.go, discovery/http)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pillion.scraper.exposition import WrittenFamily, WrittenSample
from pillion.scraper.labels import labels_of
from pillion.scraper.samples import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class DiscoveryCounters:
    discovered: dict[str, int] = field(default_factory=dict)
    """Targets, for each job."""
    updates: int = 0
    """Of the groups of a job."""
    file_read_errors: int = 0
    file_times: dict[str, float] = field(default_factory=dict)
    """When each file had been changed, as of the last reading; seconds since the epoch."""
    http_failures: int = 0
    refresh_failures: Counter[str] = field(default_factory=Counter)
    """By mechanism."""

    def families(self) -> Iterator[WrittenFamily]:
        yield family(
            "prometheus_sd_discovered_targets",
            "gauge",
            "Current number of discovered targets.",
            {(("config", job), ("name", "scrape")): count for job, count in self.discovered.items()},
        )
        scrape = (("name", "scrape"),)
        yield family(
            "prometheus_sd_received_updates_total",
            "counter",
            "Total number of update events received from the SD providers.",
            {scrape: self.updates},
        )
        yield family(
            "prometheus_sd_updates_total",
            "counter",
            "Total number of update events sent to the SD consumers.",
            {scrape: self.updates},
        )
        yield family(
            "prometheus_sd_failed_configs",
            "gauge",
            "Current number of service discovery configurations that failed to load.",
            {scrape: 0},
        )
        yield family(
            "prometheus_sd_file_read_errors_total",
            "counter",
            "The number of File-SD read errors.",
            {(): self.file_read_errors},
        )
        yield family(
            "prometheus_sd_file_mtime_seconds",
            "gauge",
            "Timestamp (mtime) of files read by FileSD. Timestamp is set at read time.",
            {(("filename", file),): time for file, time in self.file_times.items()},
        )
        yield family(
            "prometheus_sd_http_failures_total",
            "counter",
            "Number of HTTP service discovery refresh failures.",
            {(): self.http_failures},
        )
        yield family(
            "prometheus_sd_refresh_failures_total",
            "counter",
            "Number of refresh failures for the given SD mechanism.",
            {(("mechanism", name),): count for name, count in self.refresh_failures.items()},
        )


def family(
    name: str, kind: str, help_text: str, samples: Mapping[tuple[tuple[str, str], ...], float]
) -> WrittenFamily:
    """By the labels of each sample."""
    return WrittenFamily(
        metadata=Metadata(name=name, type=kind, help=help_text),
        samples=tuple(
            WrittenSample(labels=labels_of({"__name__": name, **dict(labels)}), value=float(value))
            for labels, value in sorted(samples.items())
        ),
    )
