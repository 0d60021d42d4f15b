"""What a destination has done, in numbers; each shard counts its own."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300)
"""Of the time that a request takes, seconds (queue_manager.go: sentBatchDuration)."""


@dataclass
class Counters:
    """Written by one thread. Those of samples are about samples that are this destination's business."""

    samples: int = 0
    exemplars: int = 0
    metadata: int = 0
    samples_failed: int = 0
    exemplars_failed: int = 0
    metadata_failed: int = 0
    samples_retried: int = 0
    exemplars_retried: int = 0
    metadata_retried: int = 0
    dropped_relabelled: int = 0
    """Samples of series that write_relabel_configs drop."""
    dropped_old: int = 0
    """Older than sample_age_limit."""
    dropped_unsent: int = 0
    """Gone with the oldest segments of a log that was full, or older than its bound."""
    bytes: int = 0
    metadata_bytes: int = 0
    requests: int = 0
    seconds: float = 0.0
    """That requests took."""
    highest_sent: int = 0
    """Milliseconds."""
    last_sent: float = 0.0
    """When a request succeeded, seconds since the epoch."""
    durations: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def observe(self, seconds: float) -> None:
        self.requests += 1
        self.seconds += seconds
        at = next((at for at, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
        self.durations[at] += 1

    def add(self, other: Counters) -> None:
        for one in fields(Counters):
            mine, its = getattr(self, one.name), getattr(other, one.name)
            if one.name in ("highest_sent", "last_sent"):
                setattr(self, one.name, max(mine, its))
            elif one.name == "durations":
                self.durations = [a + b for a, b in zip(mine, its, strict=True)]
            else:
                setattr(self, one.name, mine + its)

    @property
    def settled(self) -> int:
        """Samples that nothing will be done about any more."""
        return (
            self.samples
            + self.samples_failed
            + self.dropped_relabelled
            + self.dropped_old
            + self.dropped_unsent
        )
