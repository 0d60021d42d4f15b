"""How long to wait before the same request is sent again. Pure.

storage/remote/queue_manager.go: sendWriteRequestWithBackoff. Doubling from min_backoff to max_backoff; what the other
side asks for takes one turn, and the next is twice as long as that, within max_backoff.
"""

from __future__ import annotations


class Backoff:
    def __init__(self, *, least: float, most: float) -> None:
        """Seconds."""
        self._least = least
        self._most = most
        self._next = least

    def wait(self, asked: float | None) -> float:
        """Seconds. `asked`: Retry-After; one that is over already is none."""
        now = asked if asked is not None and asked > 0 else self._next
        self._next = min(2 * now, self._most)
        return now

    def reset(self) -> None:
        self._next = self._least
