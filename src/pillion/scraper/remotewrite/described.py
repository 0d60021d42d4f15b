"""Metadata for receivers of 1.0: requests of their own, each interval, as much of them as one may hold. Pure.

storage/remote/metadata_watcher.go: entries of the sets that are scraped, each of them once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.remotewrite.request import encode_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pillion.scraper.remotewrite.backoff import Backoff
    from pillion.scraper.samples import Metadata, SeriesSet


class Part(msgspec.Struct, frozen=True, kw_only=True):
    body: bytes
    entries: int
    attempt: int


class Described:
    """Times are seconds since the epoch. Used by one thread; `sets` may be called by it at any time."""

    def __init__(
        self,
        sets: Callable[[], Iterable[SeriesSet]],
        *,
        interval: float,
        size: int,
        backoff: Callable[[], Backoff],
        begun: float,
    ) -> None:
        """`size`: most entries of a request."""
        self._sets = sets
        self._interval = interval
        self._size = size
        self._new_backoff = backoff
        self._backoff = backoff()
        self._next = begun + interval
        self._not_before = 0.0
        self._attempt = 0
        self._rest: list[Metadata] = []

    @property
    def has_more(self) -> bool:
        return bool(self._rest)

    def wait(self, now: float) -> float:
        """Seconds until something is due."""
        return max(0.0, (self._not_before if self._rest else self._next) - now)

    def due(self, now: float) -> Part | None:
        if not self._rest and now >= self._next:
            self._next = now + self._interval
            self._rest = list({meta for found in self._sets() for meta in found.metadata if meta is not None})
        if not self._rest or now < self._not_before:
            return None
        part = self._rest[: self._size]
        return Part(body=encode_metadata(part), entries=len(part), attempt=self._attempt)

    def again(self, now: float, asked: float | None) -> None:
        self._attempt += 1
        self._not_before = now + self._backoff.wait(asked)

    def settled(self, now: float) -> None:
        """What `due` gave."""
        del self._rest[: self._size]
        self._attempt = 0
        self._backoff = self._new_backoff()
        self._not_before = now
