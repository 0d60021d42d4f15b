"""`global`: what scrapes have in common (config/config.go, GlobalConfig)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

import msgspec

from pillion.scraper.configuration.protocols import protocol_problem, spoken
from pillion.scraper.configuration.schema import Count, FilePath, Section
from pillion.scraper.configuration.values import Bytes, Milliseconds
from pillion.scraper.labels import ValidationScheme, is_label_name
from pillion.units import quote

NO_PROTOBUF = (
    "native histograms need the protobuf format, which is not read here: scraped as classic histograms"
)

_DEFAULT_TIMEOUT = 10_000
_DEFAULT_INTERVAL = 60_000


class GlobalConfig(Section, frozen=True, kw_only=True):
    """Zero, empty or None: not set. After reading, the intervals are set."""

    go_type: ClassVar[str] = "config.GlobalConfig"
    go_decoded: ClassVar[str] = "config.plain"
    ineffective: ClassVar[Mapping[str, str]] = {
        "rule_query_offset": "",
        "query_log_file": "queries are not logged",
        "scrape_native_histograms": NO_PROTOBUF,
        "convert_classic_histograms_to_nhcb": "histograms stay as they are scraped",
        "always_scrape_classic_histograms": "",
    }

    scrape_interval: Milliseconds = Milliseconds(0)
    scrape_timeout: Milliseconds = Milliseconds(0)
    scrape_protocols: tuple[str, ...] | None = None
    """As written; `ScrapeConfig.scrape_protocols` are those that are spoken."""
    evaluation_interval: Milliseconds = Milliseconds(0)
    """Of rules, of which there are none; also the step of subqueries that name none."""
    scrape_failure_log_file: FilePath = FilePath("")
    external_labels: Mapping[str, str] = {}
    """Variables are expanded, empty values kept: Prometheus has them too."""
    body_size_limit: Bytes = Bytes(0)
    sample_limit: Count = 0
    target_limit: Count = 0
    label_limit: Count = 0
    label_name_length_limit: Count = 0
    label_value_length_limit: Count = 0
    keep_dropped_targets: Count = 0
    metric_name_validation_scheme: str = ""
    metric_name_escaping_scheme: str = ""
    extra_scrape_metrics: bool = False

    @property
    def scheme(self) -> ValidationScheme:
        return (
            ValidationScheme.LEGACY
            if self.metric_name_validation_scheme == "legacy"
            else ValidationScheme.UTF8
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        for name in self.external_labels:
            if not is_label_name(name, self.scheme):
                yield "external_labels", f"{quote(name)} is not a valid label name"
        if self.scrape_timeout > (self.scrape_interval or _DEFAULT_INTERVAL):
            yield "scrape_timeout", "global scrape timeout greater than scrape interval"
        if self.scrape_protocols is not None and (text := protocol_problem(self.scrape_protocols)):
            yield "scrape_protocols", f"{text} for global config"
        elif self.scrape_protocols is not None and not spoken(self.scrape_protocols):
            yield "scrape_protocols", "only PrometheusProto, which is not read here: add a text format"
        if self.metric_name_validation_scheme not in ("", "legacy", "utf8"):
            yield (
                "metric_name_validation_scheme",
                f"unrecognized ValidationScheme: {quote(self.metric_name_validation_scheme)}",
            )

    def completed(self) -> Self:
        interval = Milliseconds(self.scrape_interval or _DEFAULT_INTERVAL)
        return msgspec.structs.replace(
            self,
            scrape_interval=interval,
            scrape_timeout=self.scrape_timeout or min(Milliseconds(_DEFAULT_TIMEOUT), interval),
            evaluation_interval=self.evaluation_interval or _DEFAULT_INTERVAL,
        )
