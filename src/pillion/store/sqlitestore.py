"""The store that lasts."""

from __future__ import annotations

from pathlib import Path

from pillion.store.journaledstore import DEFAULT_HISTORY, JournaledStore
from pillion.store.sqlitejournal import SqliteJournal


class SqliteStore(JournaledStore):
    """Objects and their history in one SQLite file at `path`; whoever opens it keeps all others out."""

    def __init__(self, path: Path, *, history: int = DEFAULT_HISTORY) -> None:
        super().__init__(SqliteJournal(path), history=history)
