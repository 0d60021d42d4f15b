"""Histograms and summaries of our own metrics, as Prometheus' client library has them."""

from __future__ import annotations

import math
from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING

from pillion.scraper.exposition import WrittenSample, format_float
from pillion.scraper.labels import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QUANTILES = (0.01, 0.05, 0.5, 0.9, 0.99)
_MOST_OBSERVATIONS = 1000
MAX_AGE = 600.0
"""Seconds for which an observation counts in the quantiles (client_golang, DefMaxAge)."""


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

    def samples(self, name: str, labels: Mapping[str, str]) -> Iterator[WrittenSample]:
        for bound, count in zip((*self.bounds, math.inf), accumulate(self.counts), strict=True):
            yield written(f"{name}_bucket", {**labels, "le": format_float(bound)}, count)
        yield written(f"{name}_sum", labels, self.sum)
        yield written(f"{name}_count", labels, sum(self.counts))


class Summary:
    """Of seconds. The quantiles are exact, of the last thousand observations in ten minutes."""

    __slots__ = ("_latest", "count", "sum")

    def __init__(self) -> None:
        self._latest: deque[tuple[float, float]] = deque(maxlen=_MOST_OBSERVATIONS)
        self.count = 0
        self.sum = 0.0

    def observe(self, seconds: float, now: float) -> None:
        """`now` in seconds, as all of these."""
        self._latest.append((now, seconds))
        self.count += 1
        self.sum += seconds

    def samples(self, name: str, labels: Mapping[str, str], now: float) -> Iterator[WrittenSample]:
        values = sorted(seconds for at, seconds in self._latest if at > now - MAX_AGE)
        for quantile in QUANTILES:
            value = values[math.ceil(quantile * len(values)) - 1] if values else math.nan
            yield written(name, {**labels, "quantile": format_float(quantile)}, value)
        yield written(f"{name}_sum", labels, self.sum)
        yield written(f"{name}_count", labels, self.count)


def written(name: str, labels: Mapping[str, str], value: float) -> WrittenSample:
    return WrittenSample(labels=labels_of({**labels, "__name__": name}), value=float(value))
