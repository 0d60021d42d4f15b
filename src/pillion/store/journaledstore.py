"""The store: decides writes in memory, has them kept by a journal, and shows them when they are.

A write is judged, and gets its revision, in one turn of the loop, against the state in which all writes before it have
succeeded; so of two updates of one revision only one can win. What readers and watches see is the state that is kept.
While the journal is busy with one batch the next one gathers: many writers share one commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pillion.errors import HostError
from pillion.store.history import History
from pillion.store.index import ObjectIndex
from pillion.store.journal import Batch, Journal
from pillion.store.protocol import (
    AlreadyExistsError,
    Change,
    ChangeType,
    ConflictError,
    Encode,
    Key,
    Listing,
    NotFoundError,
    Revision,
    Stored,
    Watch,
)

DEFAULT_HISTORY = 10_000
"""Changes a watch can go back. The API server of Kubernetes has its from etcd, for five minutes."""

BATCH_LIMIT = 1000
"""Changes in one commit."""

_Judge = Callable[[Stored | None], None]
"""Raises what a write of this state must be refused with."""


class _Write:
    """A write between its decision and its commit."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class JournaledStore:
    """A `Store` over a journal."""

    def __init__(self, journal: Journal, *, history: int = DEFAULT_HISTORY) -> None:
        if history < 1:
            raise ValueError("the history must hold a change")
        self._journal = journal
        self._limit = history
        self._objects = ObjectIndex()
        self._history = History(limit=history, floor=Revision(1))
        self._waiting: list[_Write] = []
        self._committing: list[_Write] = []
        self._latest: dict[Key, _Write] = {}
        self._is_open = False

    async def open(self) -> None:
        kept = await self._journal.open()
        self._objects = ObjectIndex()
        self._history = History(limit=self._limit, floor=kept.floor)
        for entry in kept.entries:
            change = Change(
                type=entry.type,
                stored=Stored(key=entry.key, revision=entry.revision, value=entry.value),
                previous=self._objects.get(entry.key),
            )
            self._objects.apply(change)
            if entry.revision > kept.floor:
                self._history.append(change)
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        for write in (*self._committing, *self._waiting):
            await asyncio.wait([write.settled])
        self._history.end()
        await self._journal.close()

    @property
    def revision(self) -> Revision:
        return self._history.revision

    def get(self, key: Key) -> Stored | None:
        return self._objects.get(key)

    def list(
        self,
        resource: str,
        namespace: str | None = None,
        *,
        limit: int | None = None,
        after: tuple[str, str] | None = None,
    ) -> Listing:
        return self._objects.list(resource, namespace, limit=limit, after=after, revision=self.revision)

    def count(self, resource: str) -> int:
        return self._objects.count(resource)

    def watch(self, resource: str, namespace: str | None = None, *, since: Revision) -> Watch:
        return self._history.watch(resource, namespace, since)

    async def create(self, key: Key, encode: Encode) -> Stored:
        def judge(present: Stored | None) -> None:
            if present is not None:
                raise AlreadyExistsError(f"cannot create {_describe(key)}: it exists")

        return await self._write(ChangeType.ADDED, key, encode, judge)

    async def update(self, key: Key, encode: Encode, *, expected: Revision) -> Stored:
        return await self._write(ChangeType.MODIFIED, key, encode, _expecting(key, expected))

    async def delete(self, key: Key, encode: Encode, *, expected: Revision) -> Stored:
        return await self._write(ChangeType.DELETED, key, encode, _expecting(key, expected))

    async def _write(self, kind: ChangeType, key: Key, encode: Encode, judge: _Judge) -> Stored:
        present = await self._admit(key, judge)
        revision = Revision(self.revision + len(self._committing) + len(self._waiting) + 1)
        stored = Stored(key=key, revision=revision, value=encode(revision))
        write = _Write(Change(type=kind, stored=stored, previous=present))
        self._waiting.append(write)
        self._latest[key] = write
        if not self._committing:
            self._commit()
        # Shielded: who waits may be cancelled, what is on its way to the disk may not.
        await asyncio.shield(write.settled)
        return stored

    async def _admit(self, key: Key, judge: _Judge) -> Stored | None:
        """What the write will replace.

        A refusal waits for the write it is owed to: who is refused, and reads, must see why.
        """
        while True:
            if not self._is_open:
                raise HostError(f"cannot write {_describe(key)}: the store is closed")
            latest = self._latest.get(key)
            if latest is None:
                present = self._objects.get(key)
                judge(present)
                return present
            present = None if latest.change.type is ChangeType.DELETED else latest.change.stored
            try:
                judge(present)
            except (AlreadyExistsError, NotFoundError, ConflictError):
                await asyncio.wait([latest.settled])
                if latest.settled.exception() is None:
                    raise
            else:
                return present

    def _commit(self) -> None:
        # The history holds at least the whole batch, so that what falls out of it has been committed.
        limit = min(BATCH_LIMIT, self._limit)
        self._committing, self._waiting = self._waiting[:limit], self._waiting[limit:]
        surplus = tuple(self._history.surplus(len(self._committing)))
        batch = Batch(
            changes=tuple(write.change for write in self._committing),
            obsolete=tuple(revision for change in surplus for revision in _obsoleted_by(change)),
            floor=Revision(self._history.floor + len(surplus)),
        )
        self._journal.commit(batch).add_done_callback(lambda done: self._committed(len(surplus), done))

    def _committed(self, dropped: int, done: asyncio.Future[None]) -> None:
        if done.cancelled():
            error: BaseException | None = HostError("cannot write: the store was closed")
        else:
            error = done.exception()
        if error is None:
            self._show(dropped)
        else:
            self._refuse_all(error)
        if self._waiting:
            self._commit()

    def _show(self, dropped: int) -> None:
        writes, self._committing = self._committing, []
        self._history.drop(dropped)
        for write in writes:
            self._objects.apply(write.change)
            self._history.append(write.change)
            self._settle(write)

    def _refuse_all(self, error: BaseException) -> None:
        """Also those that wait: they were judged by a state that has not come to be."""
        writes = [*self._committing, *self._waiting]
        self._committing, self._waiting = [], []
        for write in writes:
            self._settle(write, error)

    def _settle(self, write: _Write, error: BaseException | None = None) -> None:
        key = write.change.stored.key
        if self._latest.get(key) is write:
            del self._latest[key]
        if error is None:
            write.settled.set_result(None)
        else:
            write.settled.set_exception(error)
            # Whoever waited may be gone: asyncio is not to report it a second time.
            write.settled.exception()


def _expecting(key: Key, expected: Revision) -> _Judge:
    def judge(present: Stored | None) -> None:
        if present is None:
            raise NotFoundError(f"cannot write {_describe(key)}: it does not exist")
        if present.revision != expected:
            raise ConflictError(
                f"cannot write {_describe(key)}: it has revision {present.revision}, not {expected}"
            )

    return judge


def _obsoleted_by(change: Change) -> list[Revision]:
    """Entries that nothing needs once this change is older than the history."""
    replaced = [change.previous.revision] if change.previous is not None else []
    return [*replaced, change.stored.revision] if change.type is ChangeType.DELETED else replaced


def _describe(key: Key) -> str:
    return f"{key.resource} {key.namespace}/{key.name}" if key.namespace else f"{key.resource} {key.name}"
