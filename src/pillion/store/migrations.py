"""The database's format, step by step. A step that has been released is never edited: add another."""

from __future__ import annotations

APPLICATION_ID = 0x70696C6C
"""Says in the file's header whose it is ("pill")."""

MIGRATIONS: tuple[str, ...] = (
    # 1: every change, until it is neither history nor an object's present state. Old rows are deleted by revision,
    # which the store knows, so there is no other index.
    """
    CREATE TABLE change (
        revision INTEGER PRIMARY KEY,
        type TEXT NOT NULL CHECK (type IN ('ADDED', 'MODIFIED', 'DELETED')),
        resource TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        value BLOB NOT NULL
    ) STRICT;
    CREATE TABLE compaction (floor INTEGER NOT NULL) STRICT;
    INSERT INTO compaction (floor) VALUES (1);
    """,
)
"""The n-th leads to `user_version` n."""
