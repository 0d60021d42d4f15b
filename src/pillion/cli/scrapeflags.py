"""Prometheus' flags (cmd/prometheus/main.go): which do something here, which do nothing, which cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import click
import msgspec

from pillion.scraper.configuration.values import parse_duration, parse_size


class Effect(Enum):
    NONE = "has no effect here"
    REFUSED = "cannot be done here"


def duration(text: str) -> int:
    return _parsed(parse_duration, text)


def size(text: str) -> int:
    return _parsed(parse_size, text)


def _parsed(parse: Callable[[str], int], text: str) -> int:
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    help: str = ""
    type: Any = None
    """A click type, `bool` for a switch, `list` for what may be repeated; None: text."""
    metavar: str = ""
    field: str = ""
    """Of Flags; its default is the flag's."""
    effect: Effect | None = None
    reason: str = ""
    """Why it has no effect, or what to do instead."""

    @property
    def parameter(self) -> str:
        return self.name.replace(".", "_").replace("-", "_")


STORAGE_PATH = Flag(
    name="storage.agent.path",
    field="storage_path",
    metavar="FOLDER",
    help="Where the write-ahead log of remote write is kept.",
)
TSDB_PATH = Flag(
    name="storage.tsdb.path", metavar="FOLDER", help="The same, for whoever runs it as a server."
)

EFFECTIVE = (
    Flag(name="config.file", field="config_file", metavar="FILE", help="Prometheus' configuration."),
    Flag(
        name="web.listen-address",
        field="listen_addresses",
        type=list,
        metavar="ADDRESS",
        help="Where to serve; may be repeated.",
    ),
    Flag(
        name="web.external-url",
        field="external_url",
        metavar="URL",
        help="The URL under which others see it; its path is a prefix.",
    ),
    Flag(name="web.route-prefix", field="route_prefix", metavar="PATH", help="The prefix of its own paths."),
    Flag(
        name="web.enable-lifecycle",
        field="enable_lifecycle",
        type=bool,
        help="Serve POST /-/reload and /-/quit.",
    ),
    Flag(name="web.page-title", field="page_title", metavar="TEXT", help="The title of its page."),
    Flag(
        name="web.cors.origin",
        field="cors_origin",
        metavar="REGEX",
        help="Pages of which origins may ask, anchored.",
    ),
    Flag(
        name="web.max-connections",
        field="max_connections",
        type=click.IntRange(min=1),
        metavar="NUMBER",
        help="Connections at once.",
    ),
    Flag(
        name="web.read-timeout",
        field="read_timeout",
        type=duration,
        metavar="DURATION",
        help="How long a request may take to arrive.",
    ),
    STORAGE_PATH,
    Flag(
        name="storage.agent.retention.max-time",
        field="wal_max_age",
        type=duration,
        metavar="DURATION",
        help="How long samples wait for a destination before they are dropped.",
    ),
    Flag(
        name="storage.agent.max-size",
        field="wal_max_size",
        type=size,
        metavar="SIZE",
        help="How much may wait on disk before the oldest is dropped (not a flag of Prometheus').",
    ),
    Flag(
        name="storage.remote.flush-deadline",
        field="flush_deadline",
        type=duration,
        metavar="DURATION",
        help="How long the end may take, the last scrape included; what is not delivered by then stays in the log.",
    ),
    Flag(
        name="window.retention",
        field="window_retention",
        type=duration,
        metavar="DURATION",
        help="How long samples stay in memory to be asked for (not a flag of Prometheus').",
    ),
    Flag(
        name="window.max-size",
        field="window_max_size",
        type=size,
        metavar="SIZE",
        help="How much memory they may take before the oldest go (not a flag of Prometheus').",
    ),
    Flag(
        name="query.lookback-delta",
        field="lookback_delta",
        type=duration,
        metavar="DURATION",
        help="How long a sample counts as the latest one.",
    ),
    Flag(
        name="query.timeout",
        field="query_timeout",
        type=duration,
        metavar="DURATION",
        help="How long a query may take.",
    ),
    Flag(
        name="query.max-concurrency",
        field="query_max_concurrency",
        type=click.IntRange(min=1),
        metavar="NUMBER",
        help="Queries at once.",
    ),
    Flag(
        name="query.max-samples",
        field="query_max_samples",
        type=click.IntRange(min=1),
        metavar="NUMBER",
        help="Samples that a query may load.",
    ),
    Flag(
        name="scrape.adjust-timestamps",
        field="adjust_timestamps",
        type=bool,
        help="Align scrapes to their schedule.",
    ),
    Flag(
        name="scrape.timestamp-tolerance",
        field="timestamp_tolerance",
        type=duration,
        metavar="DURATION",
        help="By how much at most.",
    ),
    Flag(
        name="enable-feature",
        field="features",
        type=list,
        metavar="NAMES",
        help="Features of Prometheus', separated by commas; may be repeated.",
    ),
    Flag(name="agent", field="agent_mode", type=bool, help="Refuse what Prometheus refuses as an agent."),
    Flag(
        name="log.level",
        field="log_level",
        type=click.Choice(["debug", "info", "warn", "error"]),
        help="The least severe messages to write.",
    ),
    Flag(
        name="log.format",
        field="log_format",
        type=click.Choice(["logfmt", "json"]),
        help="How to write them.",
    ),
)

_NO_BLOCKS = "there are no blocks on disk"
_NO_GO = "this is not a Go program"
_NO_RULES = "there are no rules and alerts"
_NO_READ = "there is no remote read"
_NO_CONSOLES = "there are no consoles"


def _none(reason: str, *names: str, type_: Any = None) -> Iterator[Flag]:
    for name in names:
        yield Flag(name=name, type=type_, effect=Effect.NONE, reason=reason)


def _refused(name: str, reason: str, type_: Any = None) -> Flag:
    return Flag(name=name, type=type_, effect=Effect.REFUSED, reason=reason)


WITHOUT_EFFECT = (
    *_none("--window.retention says how long samples are kept", "storage.tsdb.retention.time"),
    *_none("--window.max-size says how much is kept", "storage.tsdb.retention.size"),
    *_none(
        _NO_BLOCKS,
        "storage.tsdb.min-block-duration",
        "storage.tsdb.max-block-duration",
        "storage.tsdb.max-block-chunk-segment-size",
        "storage.tsdb.wal-segment-size",
        "storage.tsdb.wal-compression-type",
        "storage.tsdb.head-chunks-write-queue-size",
        "storage.tsdb.samples-per-chunk",
        "storage.tsdb.delayed-compaction.max-percent",
        "storage.tsdb.delay-compact-file.path",
        "storage.tsdb.block-reload-interval",
    ),
    *_none(
        _NO_BLOCKS,
        "storage.tsdb.no-lockfile",
        "storage.tsdb.allow-overlapping-blocks",
        "storage.tsdb.allow-overlapping-compaction",
        "storage.tsdb.wal-compression",
        type_=bool,
    ),
    *_none("the log has its own format", "storage.agent.wal-compression", type_=bool),
    *_none("the log is always locked", "storage.agent.no-lockfile", type_=bool),
    *_none(
        "the log has its own format",
        "storage.agent.wal-segment-size",
        "storage.agent.wal-compression-type",
        "storage.agent.wal-truncate-frequency",
        "storage.agent.retention.min-time",
    ),
    *_none(
        _NO_READ,
        "storage.remote.read-sample-limit",
        "storage.remote.read-concurrent-limit",
        "storage.remote.read-max-bytes-in-frame",
    ),
    *_none(
        _NO_RULES,
        "rules.alert.for-outage-tolerance",
        "rules.alert.for-grace-period",
        "rules.alert.resend-delay",
        "rules.max-concurrent-evals",
        "alertmanager.notification-queue-capacity",
        "alertmanager.notification-batch-size",
        "alertmanager.timeout",
    ),
    *_none(_NO_RULES, "alertmanager.drain-notification-queue-on-shutdown", type_=bool),
    *_none(
        _NO_CONSOLES, "web.console.templates", "web.console.libraries", "web.user-assets", "web.local-assets"
    ),
    *_none("there are no notifications", "web.max-notifications-subscribers"),
    *_none("there is nothing to administer", "web.enable-admin-api", type_=bool),
    *_none("SIGHUP and /-/reload read the configuration again", "config.auto-reload", type_=bool),
    *_none("SIGHUP and /-/reload read the configuration again", "config.auto-reload-interval"),
    *_none("new targets are taken at once", "scrape.discovery-reload-interval"),
    *_none("`metric_name_escaping_scheme` says how", "scrape.name-escaping-scheme"),
    *_none(_NO_GO, "auto-gomaxprocs", "auto-gomemlimit", type_=bool),
    *_none(_NO_GO, "auto-gomemlimit.ratio", "auto-gomemlimit.refresh-interval"),
    *_none("nothing is received", "web.remote-write-receiver.accepted-protobuf-messages"),
)
REFUSED = (
    _refused("web.enable-remote-write-receiver", "it writes to receivers and is none", bool),
    _refused("web.enable-otlp-receiver", "it scrapes and receives nothing", bool),
    _refused("web.config.file", "its port has neither TLS nor passwords: put a proxy sidecar in front"),
)

FEATURES = frozenset(
    {"agent", "extra-scrape-metrics", "created-timestamp-zero-ingestion", "expand-external-labels"}
)
"""Those that do something here; external labels are always expanded, as in Prometheus 3."""
FEATURES_WITHOUT_EFFECT = frozenset(
    """
    auto-gomaxprocs auto-gomemlimit auto-reload-config concurrent-rule-eval delayed-compaction exemplar-storage
    memory-snapshot-on-shutdown metadata-wal-records native-histograms new-service-discovery-manager
    no-default-scrape-port no-scrape-default-port old-ui ooo-native-histograms otlp-deltatocumulative
    otlp-native-delta-ingestion otlp-write-receiver promql-at-modifier promql-binop-fill-modifiers
    promql-delayed-name-removal promql-duration-expr promql-experimental-functions promql-extended-range-selectors
    promql-negative-offset promql-per-step-stats remote-write-receiver st-storage st-synthesis type-and-unit-labels
    use-uncached-io utf8-names xor2-encoding
    """.split()  # noqa: SIM905 - a list of words is read as one
)
