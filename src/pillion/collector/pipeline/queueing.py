"""What waits for one output: in order within each tag, taken together up to a size. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from pillion.collector.records import Content


class Chunk(Protocol):
    """Records on their way."""

    def content(self) -> Content:
        """May read a disk. Raises DamagedChunk when what it reads is not what was written."""


class Entry:
    """A chunk that one output has to deliver. `done` is called once, when it needs it no more."""

    __slots__ = ("bytes", "chunk", "done", "is_stored", "records", "since", "tag")

    def __init__(
        self,
        tag: str,
        chunk: Chunk,
        *,
        records: int,
        size: int,
        since: float,
        done: Callable[[], None],
        is_stored: bool = False,
    ) -> None:
        self.tag = tag
        self.chunk = chunk
        self.records = records
        self.bytes = size
        self.since = since
        self.done = done
        self.is_stored = is_stored
        """On disk, or about to be: it outlives the process."""


class Queue:
    """Tags take turns: one that is written to without end does not keep the others waiting."""

    def __init__(self) -> None:
        self._tags: dict[str, deque[Entry]] = {}
        self.records = 0
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._tags)

    def __iter__(self) -> Iterator[Entry]:
        for entries in self._tags.values():
            yield from entries

    def put(self, entry: Entry) -> None:
        self._tags.setdefault(entry.tag, deque()).append(entry)
        self.records += entry.records
        self.bytes += entry.bytes

    def take(self, limit_bytes: int, enough_bytes: int) -> list[Entry]:
        """The next entries of one tag until they are `enough_bytes`; more than `limit_bytes` only for a single one.

        All of them are stored, or none is.
        """
        tag, waiting = next(iter(self._tags.items()))
        first = waiting.popleft()
        taken, size = [first], first.bytes
        while size < enough_bytes and waiting and self._fits(waiting[0], first, limit_bytes - size):
            size += waiting[0].bytes
            taken.append(waiting.popleft())
        del self._tags[tag]
        if waiting:
            self._tags[tag] = waiting  # at the end: the next tag's turn
        self._took(taken)
        return taken

    @staticmethod
    def _fits(entry: Entry, first: Entry, room: int) -> bool:
        return entry.is_stored is first.is_stored and entry.bytes <= room

    def take_oldest(self) -> Entry:
        tag, waiting = min(self._tags.items(), key=lambda item: item[1][0].since)
        entry = waiting.popleft()
        if not waiting:
            del self._tags[tag]
        self._took([entry])
        return entry

    def take_all(self) -> list[Entry]:
        taken = list(self)
        self._tags.clear()
        self._took(taken)
        return taken

    @property
    def oldest(self) -> float | None:
        """Since when the oldest waits."""
        return min((waiting[0].since for waiting in self._tags.values()), default=None)

    def _took(self, entries: list[Entry]) -> None:
        self.records -= sum(entry.records for entry in entries)
        self.bytes -= sum(entry.bytes for entry in entries)
