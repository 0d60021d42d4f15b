"""Sections of Prometheus' that are accepted and do nothing here: their keys are known, what they say is not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pillion.scraper.configuration.schema import Section, words


def _keys(text: str) -> Mapping[str, str]:
    return dict.fromkeys(words(text), "")


class Alerting(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.AlertingConfig"
    go_decoded: ClassVar[str] = "config.plain"
    ineffective: ClassVar[Mapping[str, str]] = _keys("alert_relabel_configs alertmanagers")


class Runtime(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.RuntimeConfig"
    ineffective: ClassVar[Mapping[str, str]] = _keys("gogc")


class Tsdb(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.TSDBConfig"
    go_decoded: ClassVar[str] = "config.plain"
    ineffective: ClassVar[Mapping[str, str]] = _keys(
        "out_of_order_time_window retention stale_series_compaction_threshold"
    )


class Exemplars(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.ExemplarsConfig"
    ineffective: ClassVar[Mapping[str, str]] = _keys("max_exemplars")


class Storage(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.StorageConfig"

    tsdb: Tsdb | None = None
    exemplars: Exemplars | None = None


class Tracing(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.TracingConfig"
    go_decoded: ClassVar[str] = "config.plain"
    ineffective: ClassVar[Mapping[str, str]] = _keys(
        "client_type endpoint sampling_fraction insecure tls_config headers compression timeout"
    )


class Otlp(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.OTLPConfig"
    go_decoded: ClassVar[str] = "config.plain"
    ineffective: ClassVar[Mapping[str, str]] = _keys(
        """
        promote_all_resource_attributes promote_resource_attributes ignore_resource_attributes translation_strategy
        keep_identifying_resource_attributes convert_histograms_to_nhcb promote_scope_metadata
        label_name_underscore_sanitization label_name_preserve_multiple_underscores
        """
    )


WHY = {
    "alerting": "there are no alerts here",
    "rule_files": "there are no rules here",
    "storage": "samples are kept in memory for a while, see --window.retention",
    "tracing": "nothing is traced",
    "otlp": "there is no OTLP receiver",
    "remote_read": "only what was scraped here can be asked for",
}
"""Why a section does nothing, for a warning."""
