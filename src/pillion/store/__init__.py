"""The object store. Knows keys, revisions and bytes; not objects."""

from pillion.store.protocol import (
    AlreadyExistsError,
    Change,
    ChangeType,
    CompactedError,
    ConflictError,
    Encode,
    Key,
    Listing,
    NotFoundError,
    Revision,
    Store,
    Stored,
)

__all__ = [
    "AlreadyExistsError",
    "Change",
    "ChangeType",
    "CompactedError",
    "ConflictError",
    "Encode",
    "Key",
    "Listing",
    "NotFoundError",
    "Revision",
    "Store",
    "Stored",
]
