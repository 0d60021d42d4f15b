"""Quantiles of classic histograms (promql/quantile.go, as of Prometheus 3)."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from pillion.scraper.exposition.numbers import parse_go_float
from pillion.scraper.query.arithmetic import divide
from pillion.scraper.query.values import excluding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillion.scraper.labels import Labels
    from pillion.scraper.query.values import Vector

_BOUND = "le"
_TOLERANCE = 1e-12
"""Relative: counts of neighbouring buckets that differ less are the same, but for rounding errors of rates."""


def bucket_quantile(share: float, buckets: Iterable[tuple[float, float]]) -> float:
    """`buckets` are upper bounds and counts. Linear between bounds; above the last finite bound it is that one."""
    if math.isnan(share):
        return math.nan
    if not 0 <= share <= 1:
        return -math.inf if share < 0 else math.inf
    bounds, counts = _coalesced(buckets)
    if bounds[-1] != math.inf:
        return math.nan
    _make_monotonic(counts)
    observations = counts[-1]
    if len(bounds) < 2 or observations == 0 or math.isnan(observations):
        return math.nan
    rank = share * observations
    place = bisect_left(counts, rank, 0, len(counts) - 1)
    if place == len(bounds) - 1:
        return bounds[-2]
    if place == 0 and bounds[0] <= 0:
        return bounds[0]
    begin = bounds[place - 1] if place else 0.0
    below = counts[place - 1] if place else 0.0
    return begin + (bounds[place] - begin) * divide(rank - below, counts[place] - below)


def histogram_quantile(share: float, vector: Vector) -> Vector:
    """One for each histogram in it; series without a usable `le` are left out."""
    return [(labels, bucket_quantile(share, buckets)) for labels, buckets in _histograms(vector).items()]


def bucket_fraction(low: float, high: float, buckets: Iterable[tuple[float, float]]) -> float:
    """Which part of the observations is between these (BucketFraction)."""
    bounds, counts = _coalesced(buckets)
    if bounds[-1] != math.inf or counts[-1] == 0 or math.isnan(low) or math.isnan(high):
        return math.nan
    if low >= high:
        return 0.0
    _make_monotonic(counts)

    def rank(limit: float) -> float:
        begin = 0.0 if bounds[0] > 0 else -math.inf
        below = 0.0
        for bound, count in zip(bounds, counts, strict=True):
            if limit < bound:
                if limit <= begin or begin == -math.inf or bound == math.inf:
                    return below
                return below + (count - below) * (limit - begin) / (bound - begin)
            begin, below = bound, count
        return counts[-1]

    return (rank(high) - rank(low)) / counts[-1]


def histogram_fraction(low: float, high: float, vector: Vector) -> Vector:
    return [(labels, bucket_fraction(low, high, buckets)) for labels, buckets in _histograms(vector).items()]


def _histograms(vector: Vector) -> dict[Labels, list[tuple[float, float]]]:
    found: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in vector:
        bound = next((value for name, value in labels if name == _BOUND), None)
        if bound is None:
            continue
        try:
            upper = parse_go_float(bound.encode())
        except ValueError:
            continue
        found.setdefault(excluding(labels, (_BOUND,)), []).append((upper, count))
    return found


def _coalesced(buckets: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Sorted; those of one bound added up."""
    bounds: list[float] = []
    counts: list[float] = []
    for bound, count in sorted(buckets, key=lambda bucket: bucket[0]):
        if bounds and bounds[-1] == bound:
            counts[-1] += count
        else:
            bounds.append(bound)
            counts.append(count)
    return bounds, counts


def _make_monotonic(counts: list[float]) -> None:
    """Counts that fall, which scrapes in between and rates may bring about, are raised to the one before."""
    for place, _ in enumerate(pairwise(counts), 1):
        before, count = counts[place - 1], counts[place]
        if count < before or _is_almost(before, count):
            counts[place] = before


def _is_almost(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=_TOLERANCE) and left != right
