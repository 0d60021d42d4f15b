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
    Watch,
)
from pillion.store.sqlitestore import SqliteStore

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
    "SqliteStore",
    "Store",
    "Stored",
    "Watch",
]
