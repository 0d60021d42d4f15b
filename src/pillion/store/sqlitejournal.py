"""The journal in a SQLite file. One thread owns the connection; the loop never waits for the disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pillion.errors import Bug, HostError
from pillion.store.journal import Batch, Entry, Kept
from pillion.store.migrations import APPLICATION_ID, MIGRATIONS
from pillion.store.protocol import ChangeType, Key, Revision

_INSERT = "INSERT INTO change (revision, type, resource, namespace, name, value) VALUES (?, ?, ?, ?, ?, ?)"


class SqliteJournal:
    """Write-ahead log, `synchronous=NORMAL`: a commit is in the kernel's hands, safe from our death at any instant.

    A power cut may take the last seconds with it, and with them all containers; docs/decisions/0007-store.md.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: ThreadPoolExecutor | None = None
        self._open_connection: sqlite3.Connection | None = None

    async def open(self) -> Kept:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except HostError:
            self._thread.shutdown()
            raise

    def commit(self, batch: Batch) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._thread, self._commit, batch)

    async def close(self) -> None:
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown()
            self._thread = None

    # From here on: in the thread.

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._open_connection is None:
            raise Bug("cannot use the store: it is not open")
        return self._open_connection

    def _open(self) -> Kept:
        try:
            # Secrets are in it; SQLite gives its side files the same mode.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._open_connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            return self._load()
        except (OSError, sqlite3.Error, HostError) as error:
            self._close()
            raise self._explain("open", error) from error

    def _load(self) -> Kept:
        connection = self._connection
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Before anything is written: it may not be ours.
        version = self._recognise()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # After a burst the log is cut back to this.
        connection.execute("PRAGMA journal_size_limit = 16777216")
        self._migrate(version)
        (floor,) = connection.execute("SELECT floor FROM compaction").fetchone()
        entries = [
            Entry(Revision(revision), ChangeType(kind), Key(resource, namespace, name), value)
            for revision, kind, resource, namespace, name, value in connection.execute(
                "SELECT revision, type, resource, namespace, name, value FROM change ORDER BY revision"
            )
        ]
        recent = sum(entry.revision > floor for entry in entries)
        if entries and recent != max(0, entries[-1].revision - floor):
            raise HostError(self._damage("changes are missing"))
        return Kept(floor=Revision(floor), entries=entries)

    def _recognise(self) -> int:
        """The format it is in; 0: a new file."""
        connection = self._connection
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if owner != APPLICATION_ID and (tables or version):
            raise HostError(f"cannot open the store {self._path}: it is another program's database")
        if version > len(MIGRATIONS):
            raise HostError(
                f"cannot open the store {self._path}: a newer pillion has written it (format {version}, this one "
                f"knows {len(MIGRATIONS)}); use that one, or move the file away to start with an empty store"
            )
        return int(version)

    def _migrate(self, version: int) -> None:
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {number}; COMMIT;"
            )

    def _commit(self, batch: Batch) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                _INSERT,
                ((c.stored.revision, c.type.value, *c.stored.key, c.stored.value) for c in batch.changes),
            )
            if batch.obsolete:
                connection.executemany(
                    "DELETE FROM change WHERE revision = ?", ((r,) for r in batch.obsolete)
                )
            connection.execute("UPDATE compaction SET floor = ? WHERE floor <> ?", (batch.floor, batch.floor))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise self._explain("write to", error) from error

    def _close(self) -> None:
        if self._open_connection is not None:
            self._open_connection.close()
            self._open_connection = None

    def _explain(self, verb: str, error: Exception) -> HostError:
        if isinstance(error, HostError):
            return error
        if isinstance(error, OSError):
            return HostError(f"cannot {verb} the store {self._path}: {error.strerror}")
        # The low byte is the kind of trouble, the rest its details (sqlite.org, "Result and Error Codes").
        match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return HostError(f"cannot {verb} the store {self._path}: another process has it open")
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return HostError(self._damage(str(error)))
            case sqlite3.SQLITE_FULL:
                return HostError(
                    f"cannot {verb} the store {self._path}: the disk is full; make room and try again"
                )
            case _:
                return HostError(f"cannot {verb} the store {self._path}: {error}")

    def _damage(self, what: str) -> str:
        return (
            f"cannot open the store {self._path}: the file is damaged ({what}); "
            "restore a copy of it, or move it away to start with an empty store"
        )
