"""The scraper's own metrics: what its parts count, and what the kernel says of the process."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pillion import __version__
from pillion.scraper.discovery.counters import family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillion.scraper.exposition import WrittenFamily
    from pillion.scraper.samples import Window


class ConfigurationState(msgspec.Struct, kw_only=True):
    """Of the last attempts to read the configuration."""

    is_successful: bool = True
    successful_at: float
    """Seconds since the epoch."""


def configuration_families(state: ConfigurationState) -> Iterator[WrittenFamily]:
    yield family(
        "prometheus_config_last_reload_successful",
        "gauge",
        "Whether the last configuration reload attempt was successful.",
        {(): state.is_successful},
    )
    yield family(
        "prometheus_config_last_reload_success_timestamp_seconds",
        "gauge",
        "Timestamp of the last successful configuration reload.",
        {(): state.successful_at},
    )
    yield family(
        "pillion_build_info",
        "gauge",
        "1, with the version of pillion.",
        {(("version", __version__),): 1},
    )


def window_families(window: Window) -> Iterator[WrittenFamily]:
    """What the API can be asked for. Prometheus has no such window, so the names are ours."""
    for name, kind, help_text, value in (
        ("samples", "gauge", "Samples in the window, all of which can be queried.", window.samples),
        ("bytes", "gauge", "Bytes that they take.", window.size),
        ("chunks", "gauge", "Blocks of columns that they are in.", window.chunks),
        ("samples_appended_total", "counter", "Samples that came into the window.", window.appended),
        (
            "samples_out_of_order_total",
            "counter",
            "Samples older than others: left out.",
            window.out_of_order,
        ),
    ):
        yield family(f"pillion_window_{name}", kind, help_text, {(): value})
    yield family(
        "pillion_window_samples_dropped_total",
        "counter",
        "Samples that left the window: for their age, or earlier to stay within its size.",
        {(("reason", "age"),): window.expired, (("reason", "size"),): window.dropped},
    )
    oldest, newest = window.span() or (0, 0)
    yield family(
        "pillion_window_seconds",
        "gauge",
        "Between the oldest and the newest sample.",
        {(): (newest - oldest) / 1000},
    )


def process_families(started: float) -> Iterator[WrittenFamily]:
    """By the names that all Prometheus clients use. `started` in seconds since the epoch."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = [int(number) for number in Path("/proc/self/statm").read_text("ascii").split()[:2]]
    page_size = os.sysconf("SC_PAGE_SIZE")
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for name, kind, help_text, value in (
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            used.ru_utime + used.ru_stime,
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            pages[1] * page_size,
        ),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", pages[0] * page_size),
        (
            "process_open_fds",
            "gauge",
            "Number of open file descriptors.",
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names only
        ),
        ("process_max_fds", "gauge", "Maximum number of open file descriptors.", most_files),
        (
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            started,
        ),
    ):
        yield family(name, kind, help_text, {(): value})
