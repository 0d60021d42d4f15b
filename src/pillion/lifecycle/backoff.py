"""Crash-loop and image-pull backoff (kuberuntime_manager.go: doBackOff; client-go util/flowcontrol/backoff.go).

The first restart has no delay: its entry is made when it happens. The second waits until 10 s after the last finish,
then 20, 40, 80, 160, 300, 300 … An instance that ended more than 600 s after the entry's last use starts over, and an
entry not used for 600 s is gone: whoever still waits then may start (kubelet_pods.go: HandlePodCleanups calls GC).
"""

from __future__ import annotations

from pillion.lifecycle.record import Backoff
from pillion.units import Instant

INITIAL = 10
CAP = 300
RESET_AFTER = 2 * CAP


def has_expired(entry: Backoff, event_at: Instant) -> bool:
    return event_at - entry.updated_at > RESET_AFTER


def ready_at(entry: Backoff | None, key: str, event_at: Instant) -> Instant | None:
    """When the next start is allowed, counted from `event_at` (the finish). None: at once."""
    if entry is None or entry.key != key or has_expired(entry, event_at):
        return None
    return Instant(min(event_at + entry.delay, entry.updated_at + RESET_AFTER))


def next_entry(entry: Backoff | None, key: str, event_at: Instant, now: Instant) -> Backoff:
    """The entry after a start that happens now."""
    if (
        entry is None
        or entry.key != key
        or has_expired(entry, event_at)
        or now - entry.updated_at >= RESET_AFTER
    ):
        return Backoff(key=key, delay=INITIAL, updated_at=now)
    return Backoff(key=key, delay=min(entry.delay * 2, CAP), updated_at=now)
