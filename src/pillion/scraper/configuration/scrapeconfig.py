"""A job: targets, and how to scrape them (config/config.go, ScrapeConfig)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Self

import msgspec

from pillion.scraper.configuration.failure import Place
from pillion.scraper.configuration.globalconfig import NO_PROTOBUF, GlobalConfig
from pillion.scraper.configuration.httpclient import HttpClient
from pillion.scraper.configuration.protocols import (
    DEFAULT_PROTOCOLS,
    PROTOBUF,
    protocol_problem,
    spoken,
    unknown_protocol,
)
from pillion.scraper.configuration.schema import INLINE, Count, FilePath, NoNulls, Section
from pillion.scraper.configuration.targetgroups import (
    FOREIGN_DISCOVERY,
    FileSdConfig,
    HttpSdConfig,
    TargetGroup,
)
from pillion.scraper.configuration.values import Bytes, Milliseconds
from pillion.scraper.exposition import Format
from pillion.scraper.labels import RelabelConfig, ValidationScheme
from pillion.units import quote

ALLOW_UTF8 = "allow-utf-8"
ESCAPING_SCHEMES = (ALLOW_UTF8, "underscores", "dots", "values")

_NO_DISCOVERY = "not supported here: use static_configs, file_sd_configs or http_sd_configs"
_INHERITED_LIMITS = (
    "body_size_limit",
    "sample_limit",
    "target_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "keep_dropped_targets",
    "scrape_failure_log_file",
)
"""Zero or empty: that of `global`."""


class ScrapeConfig(Section, frozen=True, kw_only=True):
    """After `inherited`, everything that `global` may set is set, and the rest is Prometheus' default."""

    go_type: ClassVar[str] = "config.ScrapeConfig"
    refused: ClassVar[Mapping[str, str]] = {f"{name}_sd_configs": _NO_DISCOVERY for name in FOREIGN_DISCOVERY}
    ineffective: ClassVar[Mapping[str, str]] = {
        "scrape_native_histograms": NO_PROTOBUF,
        "convert_classic_histograms_to_nhcb": "histograms stay as they are scraped",
        "always_scrape_classic_histograms": "",
        "native_histogram_bucket_limit": "",
        "native_histogram_min_bucket_factor": "",
    }
    unwritten: ClassVar[frozenset[str]] = frozenset({"place"})

    job_name: str = ""
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    params: Annotated[Mapping[str, tuple[str, ...]], "url.Values"] = {}
    scrape_interval: Milliseconds = Milliseconds(0)
    scrape_timeout: Milliseconds = Milliseconds(0)
    scrape_protocols: tuple[str, ...] | None = None
    fallback_scrape_protocol: str = ""
    scrape_failure_log_file: FilePath = FilePath("")
    metrics_path: str = "/metrics"
    scheme: str = "http"
    enable_compression: bool = True
    body_size_limit: Bytes = Bytes(0)
    """Of the uncompressed page; for this and all limits 0 is none."""
    sample_limit: Count = 0
    target_limit: Count = 0
    label_limit: Count = 0
    label_name_length_limit: Count = 0
    label_value_length_limit: Count = 0
    keep_dropped_targets: Count = 0
    metric_name_validation_scheme: str = ""
    metric_name_escaping_scheme: str = ""
    extra_scrape_metrics: bool | None = None
    http_client: Annotated[HttpClient, INLINE] = HttpClient()
    static_configs: Annotated[
        tuple[TargetGroup, ...], NoNulls("empty or null section in static_configs")
    ] = ()
    file_sd_configs: Annotated[
        tuple[FileSdConfig, ...], NoNulls("empty or null section in file_sd_configs")
    ] = ()
    http_sd_configs: Annotated[
        tuple[HttpSdConfig, ...], NoNulls("empty or null section in http_sd_configs")
    ] = ()
    relabel_configs: Annotated[
        tuple[RelabelConfig, ...], NoNulls("empty or null target relabeling rule in scrape config")
    ] = ()
    metric_relabel_configs: Annotated[
        tuple[RelabelConfig, ...], NoNulls("empty or null metric relabeling rule in scrape config")
    ] = ()
    place: Place = Place("")

    @property
    def formats(self) -> tuple[Format, ...]:
        """What to ask for, most wanted first: `scrape_protocols` without the one that is not read here."""
        return spoken(self.scrape_protocols or ()) or DEFAULT_PROTOCOLS

    @property
    def fallback(self) -> Format | None:
        """How to read a page that does not say what it is."""
        return Format(self.fallback_scrape_protocol) if self.fallback_scrape_protocol else None

    @property
    def validation_scheme(self) -> ValidationScheme:
        is_legacy = self.metric_name_validation_scheme == "legacy"
        return ValidationScheme.LEGACY if is_legacy else ValidationScheme.UTF8

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.job_name:
            yield "job_name", "job_name is empty"
        if not self.relabel_configs:
            for group in self.static_configs:
                for target in group.targets:
                    if "/" in target:
                        yield "static_configs", f"{quote(target)} is not a valid hostname"
        if self.metric_name_validation_scheme not in ("", "legacy", "utf8"):
            yield (
                "metric_name_validation_scheme",
                f"unrecognized ValidationScheme: {quote(self.metric_name_validation_scheme)}",
            )
        if self.fallback_scrape_protocol == PROTOBUF:
            yield "fallback_scrape_protocol", f"{PROTOBUF} is not read here: name a text format"

    def problems_within(self, common: GlobalConfig) -> Iterator[tuple[str, str]]:
        """ScrapeConfig.Validate: what is wrong together with `global`, before anything is inherited."""
        job = f"scrape config with job name {quote(self.job_name)}"
        if self.scrape_timeout > (self.scrape_interval or common.scrape_interval):
            yield "scrape_timeout", f"scrape timeout greater than scrape interval for {job}"
        if self.scrape_protocols is not None and (text := protocol_problem(self.scrape_protocols)):
            yield "scrape_protocols", f"{text} for {job}"
        elif self.scrape_protocols is not None and not spoken(self.scrape_protocols):
            yield "scrape_protocols", f"only {PROTOBUF}, which is not read here: add a text format"
        if self.fallback_scrape_protocol and (text := unknown_protocol(self.fallback_scrape_protocol)):
            yield "fallback_scrape_protocol", f"invalid fallback_scrape_protocol for {job}: {text}"
        for who, scheme in (
            ("global", common.metric_name_escaping_scheme),
            ("scrape config", self.metric_name_escaping_scheme),
        ):
            if scheme and scheme not in ESCAPING_SCHEMES:
                known = "'allow-utf-8', 'underscores', 'dots', or 'values'"
                text = f"unknown {who} name escaping method specified, must be one of {known}, got {quote(scheme)}"
                yield "metric_name_escaping_scheme", text
        validation = self.metric_name_validation_scheme or common.metric_name_validation_scheme
        if validation == "legacy" and self._escaping(common) == ALLOW_UTF8:
            text = "utf8 metric names requested but validation scheme is not set to UTF8"
            yield "metric_name_escaping_scheme", text

    def _escaping(self, common: GlobalConfig) -> str:
        """Blank: what the validation scheme allows, of the section that sets it."""
        if self.metric_name_escaping_scheme:
            return self.metric_name_escaping_scheme
        if not self.metric_name_validation_scheme and common.metric_name_escaping_scheme:
            return common.metric_name_escaping_scheme
        validation = self.metric_name_validation_scheme or common.metric_name_validation_scheme
        return "underscores" if validation == "legacy" else ALLOW_UTF8

    def inherited(self, common: GlobalConfig) -> Self:
        """With what `global` says where the job says nothing, and each rule with the job's idea of names."""
        interval = self.scrape_interval or common.scrape_interval
        scheme = self.metric_name_validation_scheme or common.metric_name_validation_scheme or "utf8"
        changes: dict[str, object] = {
            name: getattr(self, name) or getattr(common, name) for name in _INHERITED_LIMITS
        }
        for name in ("relabel_configs", "metric_relabel_configs"):
            changes[name] = with_scheme(getattr(self, name), ValidationScheme(scheme))
        return msgspec.structs.replace(
            self,
            scrape_interval=interval,
            scrape_timeout=self.scrape_timeout or min(common.scrape_timeout, interval),
            scrape_protocols=self.scrape_protocols
            or common.scrape_protocols
            or tuple(map(str, DEFAULT_PROTOCOLS)),
            metric_name_validation_scheme=scheme,
            metric_name_escaping_scheme=self._escaping(common),
            extra_scrape_metrics=common.extra_scrape_metrics
            if self.extra_scrape_metrics is None
            else self.extra_scrape_metrics,
            **changes,
        )


def with_scheme(rules: tuple[RelabelConfig, ...], scheme: ValidationScheme) -> tuple[RelabelConfig, ...]:
    return tuple(msgspec.structs.replace(rule, validation_scheme=scheme) for rule in rules)
