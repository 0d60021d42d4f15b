"""Healthy and ready. Pure.

Healthy is Fluent Bit's word (src/http_server/api/v1/health.c): not more than so many errors, and failed retries, of all
outputs within a period. Ready is ours: records arrive. An output that has kept a record for longer than a limit makes
the collector not ready, so that "2/2 READY" means that logs are shipped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from pillion.collector.status import OutputStatus


class HealthLimits(msgspec.Struct, frozen=True, kw_only=True):
    errors: int
    retry_failures: int
    period: float
    """Seconds."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    errors: int
    """Within the period."""
    retries_failed: int
    is_healthy: bool


class HealthWindow:
    """Remembers the outputs' counters for one period."""

    def __init__(self, limits: HealthLimits) -> None:
        self.limits = limits
        self._samples: deque[tuple[float, int, int]] = deque()

    def sample(self, outputs: Sequence[OutputStatus], now: float) -> None:
        while self._samples and self._samples[0][0] < now - self.limits.period:
            self._samples.popleft()
        self._samples.append((now, *_counters(outputs)))

    def judge(self, outputs: Sequence[OutputStatus], now: float) -> Health:
        errors, failures = _counters(outputs)
        within = [sample for sample in self._samples if sample[0] >= now - self.limits.period]
        if within:
            errors, failures = errors - within[0][1], failures - within[0][2]
        else:
            errors = failures = 0
        return Health(
            errors=errors,
            retries_failed=failures,
            is_healthy=errors <= self.limits.errors and failures <= self.limits.retry_failures,
        )


def why_not_ready(outputs: Sequence[OutputStatus], *, now: float, limit: float) -> list[str]:
    """A sentence for each output that has kept a record for more than `limit` seconds; empty means ready."""
    sentences = []
    for output in outputs:
        if output.oldest_unsent is None or now - output.oldest_unsent <= limit:
            continue
        sentence = f"{output.name} has not delivered a record for {now - output.oldest_unsent:.0f} s"
        if output.last_error and output.consecutive_failures:
            sentence += f": {output.last_error}"
        sentences.append(sentence)
    return sentences


def _counters(outputs: Sequence[OutputStatus]) -> tuple[int, int]:
    return sum(output.errors for output in outputs), sum(output.retries_failed for output in outputs)
