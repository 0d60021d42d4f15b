"""What the command line says: what cannot change while the scraper runs (cmd/prometheus/main.go)."""

from __future__ import annotations

import msgspec

from pillion.scraper.configuration.values import Bytes, Milliseconds
from pillion.scraper.samples.window import LIMIT, RETENTION


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    config_file: str = "prometheus.yml"
    listen_addresses: tuple[str, ...] = ("0.0.0.0:9090",)
    external_url: str = ""
    """Empty: made of the machine's name and the first address."""
    route_prefix: str = "/"
    """Begins with a slash and ends with none, but for the root."""
    page_title: str = "Prometheus Time Series Collection and Processing Server"
    cors_origin: str = ".*"
    """A regular expression, anchored."""
    enable_lifecycle: bool = False
    """/-/reload and /-/quit are served."""
    max_connections: int = 512
    read_timeout: Milliseconds = Milliseconds(300_000)
    storage_path: str = "data-agent/"
    """Where the write-ahead log is kept."""
    wal_max_age: Milliseconds = Milliseconds(7_200_000)
    wal_max_size: Bytes = Bytes(256 << 20)
    """Of what waits for a destination: beyond either the oldest is dropped, and counted."""
    flush_deadline: Milliseconds = Milliseconds(25_000)
    """How long the end may take, the last scrape included; the rest stays in the log. Prometheus has a minute, which a
    Pod's 30 seconds of grace cut off."""
    window_retention: Milliseconds = Milliseconds(RETENTION)
    """How long samples can be asked for."""
    window_max_size: Bytes = Bytes(LIMIT)
    lookback_delta: Milliseconds = Milliseconds(300_000)
    query_timeout: Milliseconds = Milliseconds(120_000)
    query_max_concurrency: int = 20
    query_max_samples: int = 1_000_000
    """That a query may have in memory; Prometheus: 50 million, which is 800 MB."""
    adjust_timestamps: bool = True
    timestamp_tolerance: Milliseconds = Milliseconds(2)
    agent_mode: bool = False
    features: frozenset[str] = frozenset()
    """Of --enable-feature, those that do something here."""
    log_level: str = "info"
    log_format: str = "logfmt"
    written: tuple[tuple[str, str], ...] = ()
    """All flags with their values as text, for /api/v1/status/flags."""
