"""The store without a disk, for tests: forgets everything, and fails or dawdles when it is told to."""

from __future__ import annotations

import asyncio

from pillion.errors import HostError
from pillion.store.journal import Batch, Entry, Journal, Kept
from pillion.store.journaledstore import DEFAULT_HISTORY, JournaledStore
from pillion.store.protocol import Revision


class MemoryJournal(Journal):
    """Keeps what it was given until its end; commits at once, unless held."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        """All that was committed."""
        self._entries: dict[Revision, Entry] = {}
        self._floor = Revision(1)
        self._failures: list[HostError] = []
        self._held: list[tuple[Batch, asyncio.Future[None]]] | None = None

    def fail_next(self, error: HostError) -> None:
        """The next commit fails."""
        self._failures.append(error)

    def hold(self) -> None:
        """Commits wait from now on."""
        self._held = []

    def release(self) -> None:
        """Commits that wait, and all after them, go on."""
        held, self._held = self._held or [], None
        for batch, done in held:
            self._commit(batch, done)

    async def open(self) -> Kept:
        return Kept(floor=self._floor, entries=[entry for _, entry in sorted(self._entries.items())])

    def commit(self, batch: Batch) -> asyncio.Future[None]:
        done = asyncio.get_running_loop().create_future()
        if self._held is None:
            self._commit(batch, done)
        else:
            self._held.append((batch, done))
        return done

    async def close(self) -> None: ...

    def _commit(self, batch: Batch, done: asyncio.Future[None]) -> None:
        if self._failures:
            done.set_exception(self._failures.pop(0))
            return
        self.batches.append(batch)
        for change in batch.changes:
            stored = change.stored
            self._entries[stored.revision] = Entry(stored.revision, change.type, stored.key, stored.value)
        for revision in batch.obsolete:
            del self._entries[revision]
        self._floor = batch.floor
        done.set_result(None)


class MemoryStore(JournaledStore):
    """A `Store` in memory."""

    def __init__(self, journal: MemoryJournal | None = None, *, history: int = DEFAULT_HISTORY) -> None:
        super().__init__(journal or MemoryJournal(), history=history)
