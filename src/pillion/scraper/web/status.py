"""/api/v1/status/…: configuration, flags, what runs, what the window holds (web/api/v1/api.go)."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pillion import __version__
from pillion.scraper.configuration import format_duration, render
from pillion.scraper.web.answers import success
from pillion.scraper.web.parameters import MAX_TIME, MIN_TIME
from pillion.units import Instant, format_micro_time, format_time

if TYPE_CHECKING:
    from pillion.http.server import Response
    from pillion.scraper.web.parameters import Parameters
    from pillion.scraper.web.view import View

PROMETHEUS_VERSION = "3.5.0"
"""Whose API this is: Grafana looks at it to know what it may ask."""
_MOST_STATISTICS = 10_000
_NAME = "__name__"


def build_info() -> Response:
    return success(
        {
            "version": PROMETHEUS_VERSION,
            "revision": f"pillion-{__version__}",
            "branch": "pillion",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        }
    )


def config(view: View) -> Response:
    return success({"yaml": render(view.configuration)})


def flags(view: View) -> Response:
    return success(dict(view.flags.written))


def runtime_info(view: View, now: Instant) -> Response:
    return success(
        {
            "startTime": format_time(Instant(view.started)),
            "CWD": str(Path.cwd()),
            "hostname": socket.gethostname(),
            "serverTime": format_micro_time(now),
            "reloadConfigSuccess": view.is_reload_successful,
            "lastConfigTime": format_time(Instant(view.reloaded)),
            "corruptionCount": 0,
            "goroutineCount": threading.active_count(),
            "GOMAXPROCS": len(os.sched_getaffinity(0)),
            "GOMEMLIMIT": 2**63 - 1,
            "GOGC": "",
            "GODEBUG": "",
            "storageRetention": format_duration(view.flags.window_retention),
        }
    )


def tsdb(view: View, asked: Parameters) -> Response:
    """Of the window."""
    limit = min(asked.limit() if asked.get("limit") else 10, _MOST_STATISTICS)
    window = view.window
    span = window.span() or (MAX_TIME, MIN_TIME)
    series = window.series((), MIN_TIME, MAX_TIME)
    pairs = Counter(pair for labels in series for pair in labels)
    values = Counter(name for name, _ in pairs)
    sizes: Counter[str] = Counter()
    for name, value in pairs:
        sizes[name] += len(value.encode())
    by_name = Counter(value for labels in series for name, value in labels if name == _NAME)
    return success(
        {
            "headStats": {
                "numSeries": len(series),
                "numLabelPairs": len(pairs),
                "chunkCount": window.chunks,
                "minTime": span[0],
                "maxTime": span[1],
            },
            "seriesCountByMetricName": _statistics(by_name, limit),
            "labelValueCountByLabelName": _statistics(values, limit),
            "memoryInBytesByLabelName": _statistics(sizes, limit),
            "seriesCountByLabelValuePair": _statistics(
                Counter({f"{name}={value}": count for (name, value), count in pairs.items()}), limit
            ),
        }
    )


def _statistics(counts: Counter[str], limit: int) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in counts.most_common(limit)]
