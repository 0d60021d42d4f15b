"""How many shards a destination should have. Pure.

storage/remote/queue_manager.go: calculateDesiredShards, shouldReshard; ewma.go. What arrives, and a twentieth of the
backlog each second, times the time that a sample took to send lately.
"""

from __future__ import annotations

import math

import msgspec

UPDATE_SECONDS = 10.0
"""Between two looks (shardUpdateDuration)."""
_WEIGHT = 0.2
_TOLERANCE = 0.3
"""The number stays while the wish is within this part of it."""
_CATCH_UP = 0.05
_FAR_BEHIND = 10.0
"""Seconds behind at which no shard is given up."""


class Rate:
    """Events a second, an exponentially weighted moving average of what `tick` is given each UPDATE_SECONDS."""

    def __init__(self) -> None:
        self.value = 0.0
        self._has_begun = False

    def tick(self, events: float) -> None:
        now = events / UPDATE_SECONDS
        if self._has_begun:
            self.value += _WEIGHT * (now - self.value)
        elif events > 0:
            self._has_begun = True
            self.value = now


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the last look."""

    appended: int
    """Samples that came in, of all series."""
    sent: int
    """Samples that were answered for good, whatever the answer."""
    dropped: int
    """By relabelling, or for their age."""
    seconds: float
    """That sending took, of all shards together."""


class Resharding:
    def __init__(self, *, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._in = Rate()
        self._out = Rate()
        self._dropped = Rate()
        self._seconds = Rate()
        self.desired = float(least)
        """The wish before it is bounded: prometheus_remote_storage_shards_desired."""

    def desire(self, shards: int, counted: Counted, *, behind: float, since_sent: float) -> int:
        """The number to have from now on. `behind`: seconds between the newest sample and the newest one sent;
        `since_sent`: seconds since anything was sent with success."""
        self._in.tick(counted.appended)
        self._out.tick(counted.sent)
        self._dropped.tick(counted.dropped)
        self._seconds.tick(counted.seconds)
        out = self._out.value
        if out <= 0:
            return shards
        kept = out / (self._dropped.value + out)
        arriving = self._in.value * kept
        self.desired = self._seconds.value / out * (arriving + _CATCH_UP * behind * arriving)
        wish = math.ceil(self.desired)
        if shards * (1 - _TOLERANCE) <= wish <= shards * (1 + _TOLERANCE):
            return shards
        if (wish < shards and behind > _FAR_BEHIND) or since_sent > UPDATE_SECONDS:
            return shards
        return max(self._least, min(self._most, wish))
