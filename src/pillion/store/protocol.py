"""The seam to the object store: one revision counter, objects by key, a history for watches.

Reads are from memory and cost nothing; a write is durable and visible to watches when its call returns. Values are the
objects' JSON as the API shows it, `metadata.resourceVersion` included, so lists are joined without decoding anything.
Nothing here knows what an object means.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, NewType, Protocol

import msgspec

from pillion.errors import PillionError

Revision = NewType("Revision", int)
"""The store's global counter: grows by one with every write. `resourceVersion` is its decimal text.

An empty store has revision 1, as etcd has: clients take a `resourceVersion` of 0 for "any".
"""


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


class Watch(Protocol):
    """An endless row of changes. It ends (StopAsyncIteration) when it, or the store, is closed.

    One that nobody refers to any more is forgotten by the store; `close` is for those who want to be sure, or to end
    the one who waits in it.
    """

    def __aiter__(self) -> Watch: ...

    async def __anext__(self) -> Change:
        """Raises CompactedError, from then on, when it has not kept up."""

    def close(self) -> None: ...


class Store(Protocol):
    async def open(self) -> None:
        """Raises HostError."""

    async def close(self) -> None:
        """Writes under way are finished first; watches end."""

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

    # All three writes raise HostError when the disk does not take them: then nothing has changed. A cancelled one may
    # still happen.

    async def create(self, key: Key, encode: Encode) -> Stored:
        """Raises AlreadyExistsError."""

    async def update(self, key: Key, encode: Encode, *, expected: Revision) -> Stored:
        """Replace the object if its revision is `expected`. Raises NotFoundError, ConflictError."""

    async def delete(self, key: Key, encode: Encode, *, expected: Revision) -> Stored:
        """`encode` makes the last state that watches are shown. Raises NotFoundError, ConflictError."""

    def watch(self, resource: str, namespace: str | None = None, *, since: Revision) -> Watch:
        """Every change after `since`, in order, none missing; from the moment it is asked for, awaited or not.

        Raises CompactedError at once when the history does not reach back to `since`, or when `since` is yet to come
        (of another store). A watcher that does not keep up is ended with CompactedError; the client lists again.
        """
