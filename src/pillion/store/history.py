"""The last changes, in order, and those who watch them go by. Memory only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from weakref import WeakSet

from pillion.store.protocol import Change, CompactedError, Revision
from pillion.store.watcher import Watcher


class History:
    """Every change from behind `floor` on, without a gap: the n-th has revision `floor + n`."""

    def __init__(self, *, limit: int, floor: Revision) -> None:
        self._limit = limit
        self._changes: deque[Change] = deque()
        self._watchers: dict[str, WeakSet[Watcher]] = {}
        self.floor = floor
        """Watches can start from here on."""

    @property
    def revision(self) -> Revision:
        return Revision(self.floor + len(self._changes))

    def append(self, change: Change) -> None:
        """The next change: watchers see it."""
        self._changes.append(change)
        watchers = self._watchers.get(change.stored.key.resource)
        if watchers is not None:
            for watcher in watchers:
                watcher.put(change)

    def surplus(self, coming: int) -> Iterator[Change]:
        """The changes that will be beyond the limit when `coming` more are there, oldest first."""
        return islice(self._changes, max(0, len(self._changes) + coming - self._limit))

    def drop(self, number: int) -> None:
        """Forget the oldest changes: the floor rises."""
        for _ in range(number):
            self._changes.popleft()
        self.floor = Revision(self.floor + number)

    def watch(self, resource: str, namespace: str | None, since: Revision) -> Watcher:
        """Raises CompactedError when changes after `since` are forgotten, or when `since` is yet to come."""
        if not self.floor <= since <= self.revision:
            raise CompactedError(
                f"cannot watch from revision {since}: the history goes from {self.floor} to {self.revision}"
            )
        missed = self.revision - since
        backlog = list(islice(reversed(self._changes), missed))
        watcher = Watcher(
            namespace, (change for change in reversed(backlog) if change.stored.key.resource == resource)
        )
        self._watchers.setdefault(resource, WeakSet()).add(watcher)
        return watcher

    def end(self) -> None:
        """End all watches."""
        for watchers in self._watchers.values():
            for watcher in list(watchers):
                watcher.close()
