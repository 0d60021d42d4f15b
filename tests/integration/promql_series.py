"""The samples that our answers are compared on: 40 minutes at 15 s, of every kind that queries tell apart."""

from __future__ import annotations

import math
import random
import struct
from collections import defaultdict

from pillion.scraper.labels import Labels, labels_of
from pillion.scraper.samples import STALE, Batch, SeriesSet, Window

BASE = 1_700_000_000_000
STEP = 15_000
COUNT = 160
SHIFT = 137
"""Milliseconds by which samples are off the round times: Debian's Prometheus 2.42 takes a sample that is exactly as old
as a range is long, Prometheus 3 and we do not."""
STALE_MARKER: float = struct.unpack("<d", STALE)[0]
Samples = dict[Labels, list[tuple[int, float]]]


def make_samples() -> Samples:
    random.seed(20)
    found: Samples = {}
    times = [BASE + SHIFT + STEP * number for number in range(COUNT)]

    def add(name: str, values: list[float | None], **labels: str) -> None:
        points = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
        found[labels_of({"__name__": name, **labels})] = points

    def counter(start: float, most: float, reset_every: int = 0) -> list[float | None]:
        values: list[float | None] = []
        value = start
        for number in range(COUNT):
            value = float(random.randint(0, 3)) if reset_every and number % reset_every == 7 else value
            value += round(random.random() * most, 3)
            values.append(value)
        return values

    for job in ("api", "web"):
        for instance in ("a:80", "b:80", "c:80"):
            add("up", [1.0] * COUNT, job=job, instance=instance)
            for code in ("200", "404", "500"):
                add(
                    "http_requests_total",
                    counter(5e4, 50, 61 if code == "500" else 0),
                    job=job,
                    instance=instance,
                    code=code,
                )
            values: list[float | None] = [round(random.gauss(20, 9), 2) for _ in range(COUNT)]
            add("temperature_celsius", values, job=job, instance=instance)
            total = 0.0
            columns: dict[str, list[float | None]] = {}
            for bound, most in (("0.1", 9), ("0.5", 4), ("1", 3), ("2.5", 1), ("+Inf", 0.2)):
                total += most
                columns[bound] = [1000 * total + number * total for number in range(COUNT)]
            for bound, column in columns.items():
                add("latency_seconds_bucket", column, job=job, instance=instance, le=bound)
    add("odd_values", [(math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-9, 1e300)[n % 7] for n in range(COUNT)])
    add("odd_labels", [float(n % 5) for n in range(COUNT)], text='a "quoted" \\ back\nslash', other="ünï")
    add("late", [None] * 90 + [float(n * n) for n in range(70)], job="api")
    add("gone", [float(n) for n in range(60)] + [STALE_MARKER] + [None] * 99, job="api")
    add("holes", [float(n) if n % 40 < 12 else None for n in range(COUNT)], job="web")
    add("build_info", [1.0] * COUNT, job="api", version="1.2.3")
    add("build_info", [1.0] * COUNT, job="web", version="2.0.0")
    add("sawtooth", [float(n % 10) for n in range(COUNT)], job="api")
    add("constant", [42.0] * COUNT, job="api")
    add("day_seconds", [1_700_000_000.0 + 86400 * n * 3 for n in range(COUNT)])
    for number in range(6):
        add("numbered", [float(number)] * COUNT, number=str(number), parity="odd" if number % 2 else "even")
    return found


def fill(window: Window, samples: Samples) -> None:
    """As scrapes would: each time one column for the series that are there."""
    columns: dict[int, dict[Labels, float]] = defaultdict(dict)
    for labels, points in samples.items():
        for time, value in points:
            columns[time][labels] = value
    sets: dict[tuple[Labels, ...], SeriesSet] = {}
    for time in sorted(columns):
        labels = tuple(columns[time])
        series = sets.setdefault(labels, SeriesSet(labels, (None,) * len(labels)))
        values = b"".join(
            STALE if value is STALE_MARKER else struct.pack("<d", value) for value in columns[time].values()
        )
        window.append(Batch(series=series, time=time, values=values))
