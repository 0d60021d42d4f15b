"""The seam between the store's memory and what keeps it: changes go out in order, and come back at the next start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

import msgspec

from pillion.store.protocol import Change, ChangeType, Key, Revision


class Entry(msgspec.Struct, frozen=True):
    """One kept change."""

    revision: Revision
    type: ChangeType
    key: Key
    value: bytes


class Kept(msgspec.Struct, frozen=True):
    """What a journal still has: every change after the floor, and of those up to it whatever objects are made of."""

    floor: Revision
    entries: Iterable[Entry]
    """By revision."""


class Batch(msgspec.Struct, frozen=True):
    """What is kept, and forgotten, as one: all of it or nothing."""

    changes: tuple[Change, ...]
    obsolete: tuple[Revision, ...]
    """Entries nobody needs any more: older than the history, and replaced or deleted."""
    floor: Revision


class Journal(Protocol):
    async def open(self) -> Kept:
        """Raises HostError."""

    def commit(self, batch: Batch) -> asyncio.Future[None]:
        """One at a time. Done when the batch outlives us; raises HostError, and has kept none of it."""

    async def close(self) -> None: ...
