"""The seam to the object store: one revision counter, objects by key, a history for watches.

Reads are from memory and cost nothing; a write is durable and visible to watches when its call returns. Values are the
objects' JSON as the API shows it, `metadata.resourceVersion` included, so lists are joined without decoding anything.
Nothing here knows what an object means.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import NamedTuple, NewType, Protocol

import msgspec

from pillion.errors import PillionError

Revision = NewType("Revision", int)
"""The store's global counter: grows by one with every write. `resourceVersion` is its decimal text."""


class Key(NamedTuple):
    resource: str
    """Group-qualified plural: `pods`, `deployments.apps`."""
    namespace: str
    """Empty for cluster-scoped objects."""
    name: str


class Stored(msgspec.Struct, frozen=True):
    key: Key
    revision: Revision
    """Of the last write."""
    value: bytes


class ChangeType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Change(msgspec.Struct, frozen=True):
    type: ChangeType
    stored: Stored
    """After the change; for DELETED the last state, with the revision of the deletion in its resourceVersion."""
    previous: Stored | None
    """Before the change: a watch with a selector needs both to tell MODIFIED from ADDED and DELETED."""


class Listing(msgspec.Struct, frozen=True):
    items: tuple[Stored, ...]
    """By namespace and name."""
    revision: Revision
    """The state these items are of."""
    remaining: int
    """How many follow after the last item."""


class NotFoundError(PillionError):
    """No object under this key."""


class AlreadyExistsError(PillionError):
    """There is an object under this key."""


class ConflictError(PillionError):
    """The object has another revision than the one expected."""


class CompactedError(PillionError):
    """The history does not reach back to this revision (410 Gone)."""


Encode = Callable[[Revision], bytes]
"""Makes the value, given the revision that the write will have."""


class Store(Protocol):
    async def open(self) -> None: ...

    async def close(self) -> None: ...

    @property
    def revision(self) -> Revision:
        """Of the last write."""

    def get(self, key: Key) -> Stored | None: ...

    def list(
        self,
        resource: str,
        namespace: str | None = None,
        *,
        limit: int | None = None,
        after: tuple[str, str] | None = None,
    ) -> Listing:
        """Objects of one resource, of one namespace or all; at most `limit`, from behind (namespace, name) `after`."""

    def count(self, resource: str) -> int: ...

    async def create(self, key: Key, encode: Encode) -> Stored:
        """Raises AlreadyExistsError."""

    async def update(self, key: Key, encode: Encode, *, expected: Revision) -> Stored:
        """Replace the object if its revision is `expected`. Raises NotFoundError, ConflictError."""

    async def delete(self, key: Key, encode: Encode, *, expected: Revision) -> Stored:
        """`encode` makes the last state that watches are shown. Raises NotFoundError, ConflictError."""

    def watch(self, resource: str, namespace: str | None = None, *, since: Revision) -> AsyncIterator[Change]:
        """Every change after `since`, in order, none missing. Raises CompactedError when it is asked for.

        A watcher that does not keep up is ended with CompactedError; the client lists again.
        """
