"""How the shards of a destination end: with the log, at once, or all at the same place in the log."""

from __future__ import annotations

import threading

from pillion.scraper.remotewrite.position import Position


class Stopping:
    """Shards wait on `changed`, which is the log's own condition: one wait sees new records and the end."""

    def __init__(self, changed: threading.Condition, shards: int) -> None:
        self.changed = changed
        self.is_draining = False
        """Send what is left in the log at once, then end."""
        self.is_aborted = False
        """End now; what is left stays in the log."""
        self.is_gathering = False
        """End at the same place: see `meet`."""
        self._shards = shards
        self._arrived: list[Position] = []

    def drain(self) -> None:
        with self.changed:
            self.is_draining = True
            self.changed.notify_all()

    def abort(self) -> None:
        with self.changed:
            self.is_draining = self.is_aborted = True
            self.changed.notify_all()

    def gather(self) -> None:
        """So that there may be another number of shards from that place on, with every series still in order."""
        with self.changed:
            self.is_gathering = True
            self.changed.notify_all()

    def meet(self, position: Position) -> Position:
        """A shard has read up to `position` and stops reading; gives how far all of them are to go.

        That is where the furthest one is: none has to wait for the whole log. Aborted: whatever it was given.
        """
        with self.changed:
            self._arrived.append(position)
            self.changed.notify_all()
            self.changed.wait_for(
                lambda: self.is_aborted or self.is_draining or len(self._arrived) == self._shards
            )
            return max(self._arrived)
