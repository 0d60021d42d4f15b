"""Checkpoints on disk: one row per file in an SQLite database, in Fluent Bit's own table.

A database that Fluent Bit has written is taken over, and the other way round: our columns stand behind its own
(plugins/in_tail/tail_sql.h). Ours say which device, which head and which marker; a row without them counts for its
inode and its size alone, as it does for Fluent Bit.

Transactions are few, and written without waiting for the disk (`synchronous=NORMAL` on a write-ahead
log): what survives is always a state that was true, after a crash of the machine perhaps an older one, and an older one
means lines twice and never lines lost. docs/decisions/0014-checkpoints.md has the alternatives.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pillion.collector.inputs.tail.identity import FileId, Fingerprint, Position

_SCHEMA = """
CREATE TABLE IF NOT EXISTS in_tail_files (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER,
  rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0, offset_marker_size INTEGER DEFAULT 0)
"""
_FLUENT_BIT_COLUMNS = {"offset_marker": "INTEGER DEFAULT 0", "offset_marker_size": "INTEGER DEFAULT 0"}
_OUR_COLUMNS = {
    "device": "INTEGER", "path": "TEXT", "head_size": "INTEGER", "head_digest": "BLOB", "marker": "BLOB",
    "marker_end": "INTEGER", "seen": "REAL",
}  # fmt: skip
_ROWS = (
    "SELECT inode, device, name, path, offset, head_size, head_digest, marker, marker_end, seen"
    " FROM in_tail_files ORDER BY id"
)
_FORGOTTEN_AFTER = 3600.0
"""Seconds after which the checkpoint of a file that nobody has seen is deleted."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    id: FileId
    """The device is -1 when Fluent Bit wrote the row."""
    name: str
    """What the file was called when it was written."""
    path: str
    """Under which path it was followed."""
    position: Position
    seen: float = 0.0
    """Seconds since the epoch."""


class CheckpointStore:
    """The rows of one input. Raises OSError when the database cannot be opened or written."""

    def __init__(
        self, file: Path, *, synchronous: str = "normal", journal_mode: str = "wal", exclusive: bool = False
    ) -> None:
        self.file = file
        self._lock = threading.RLock()
        self._is_closed = False
        self.existed = file.exists() and file.stat().st_size > 0
        """There was a collector here before us."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                file, timeout=5.0, isolation_level=None, check_same_thread=False, cached_statements=8
            )
            self._prepare(synchronous, journal_mode, exclusive=exclusive)
        except sqlite3.Error as error:
            if hasattr(self, "_database"):
                self._database.close()
            raise OSError(f"{file}: {error}") from error

    def _prepare(self, synchronous: str, journal_mode: str, *, exclusive: bool) -> None:
        run = self._database.execute
        self._database.text_factory = os.fsdecode  # names are bytes, and need not be UTF-8
        run("PRAGMA cache_size=-256")
        if exclusive:
            run("PRAGMA locking_mode=EXCLUSIVE")
        run(f"PRAGMA journal_mode={journal_mode}")
        run(f"PRAGMA synchronous={synchronous}")
        run(_SCHEMA)
        run(
            "CREATE INDEX IF NOT EXISTS in_tail_files_inode ON in_tail_files (inode)"
        )  # it may have 10,000 rows
        there = {row[1] for row in run("PRAGMA table_info(in_tail_files)")}
        for name, kind in (_FLUENT_BIT_COLUMNS | _OUR_COLUMNS).items():
            if name not in there:
                run(f"ALTER TABLE in_tail_files ADD COLUMN {name} {kind}")

    def load(self) -> list[Checkpoint]:
        """All rows, the newest of each file. Raises OSError."""
        try:
            rows = self._database.execute(_ROWS).fetchall()
        except sqlite3.Error as error:
            raise OSError(f"{self.file}: {error}") from error
        return _checkpoints(rows)

    def save(self, checkpoints: Iterable[Checkpoint], gone: Iterable[FileId], seen: float) -> None:
        """Write rows and delete those of files that are no more, all or none. Raises OSError.

        `seen`: until when it is known what came and went; a restart looks for what was rotated away after it.
        """
        with self._lock:
            if self._is_closed:
                return
            try:
                with self._transaction():
                    for one in checkpoints:
                        self._write(one, seen)
                    self._database.executemany(
                        "DELETE FROM in_tail_files WHERE inode=? AND (device=? OR device IS NULL)",
                        [(file_id.inode, file_id.device) for file_id in gone],
                    )
            except sqlite3.Error as error:
                raise OSError(f"{self.file}: {error}") from error

    def forget_old(self, now: float) -> None:
        """Delete the rows of files that are not there any more, some time after they were seen last. Raises OSError."""
        with self._lock:
            known = [] if self._is_closed else self.load()
        old = [one for one in known if one.id.device >= 0 and now - one.seen > _FORGOTTEN_AFTER]
        self.save((), [one.id for one in old if not _is_there(one.name, one.id.inode)], now)

    def close(self) -> None:
        """Whoever writes in another thread has ended; what begins after it does nothing."""
        with self._lock:
            self._is_closed = True
            self._database.close()

    def _write(self, one: Checkpoint, seen: float) -> None:
        position = one.position
        values = (
            os.fsencode(one.name), position.offset, one.id.device, os.fsencode(one.path),
            position.fingerprint.size, position.fingerprint.digest, position.marker, position.offset, seen,
        )  # fmt: skip
        done = self._database.execute(
            "UPDATE in_tail_files SET name=CAST(? AS TEXT), offset=?, device=?, path=CAST(? AS TEXT),"
            " head_size=?, head_digest=?, marker=?, marker_end=?, seen=?, offset_marker=0, offset_marker_size=0"
            " WHERE inode=? AND (device=? OR device IS NULL)",
            (*values, one.id.inode, one.id.device),
        )
        if not done.rowcount:
            self._database.execute(
                "INSERT INTO in_tail_files (name, offset, device, path, head_size, head_digest, marker, marker_end,"
                " seen, inode, created) VALUES (CAST(? AS TEXT), ?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?)",
                (*values, one.id.inode, int(seen)),
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def open_store(
    file: Path, *, synchronous: str, journal_mode: str, exclusive: bool
) -> tuple[CheckpointStore, str]:
    """The store, and a sentence when it had to begin anew because what was there is no database. Raises OSError."""

    def attempt() -> CheckpointStore:
        return CheckpointStore(file, synchronous=synchronous, journal_mode=journal_mode, exclusive=exclusive)

    try:
        return attempt(), ""
    except OSError as error:
        if not isinstance(error.__cause__, sqlite3.DatabaseError) or isinstance(
            error.__cause__, sqlite3.OperationalError
        ):
            raise
        aside = file.with_name(file.name + ".corrupt")
        file.replace(aside)
        for companion in ("-wal", "-shm"):
            file.with_name(file.name + companion).unlink(missing_ok=True)
        store = attempt()
        store.existed = True
        return store, f"{error}; it is kept as {aside}, and all files are read from their beginning"


def glimpsed(file: Path) -> tuple[list[Checkpoint], bool]:
    """What a store says that cannot be opened, as to write to it, and whether there is one. What its write-ahead log
    has is missing: files may be read again from where they were a while before."""
    if not file.exists() or not file.stat().st_size:
        return [], False
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)
        ) as database:
            database.text_factory = os.fsdecode
            return _checkpoints(database.execute(_ROWS).fetchall()), True
    except sqlite3.Error:
        return [], True


def _checkpoints(rows: Iterable[tuple[Any, ...]]) -> list[Checkpoint]:
    found: dict[tuple[int, int], Checkpoint] = {}
    for inode, device, name, path, offset, head_size, digest, marker, marker_end, seen in rows:
        file_id = FileId(-1 if device is None else device, inode)
        found[file_id] = Checkpoint(
            id=file_id,
            name=name,
            path=path or name,
            position=Position(
                offset=offset or 0,
                fingerprint=Fingerprint(head_size or 0, digest or b""),
                # Fluent Bit moves the offset and leaves our columns as they are.
                marker=marker if marker and marker_end == offset else b"",
            ),
            seen=seen or 0.0,
        )
    return list(found.values())


def inherited(store: CheckpointStore) -> list[Checkpoint]:
    """What the other stores of its folder know: the input's keys may have changed, and its files with them. Of several
    that know a file, the one that is least far."""
    found: dict[FileId, Checkpoint] = {}
    for file in sorted(store.file.parent.glob("*.db")):
        if file == store.file:
            continue
        try:
            other = CheckpointStore(file)
        except OSError:
            continue
        for one in other.load():
            known = found.get(one.id)
            if known is None or one.position.offset < known.position.offset:
                found[one.id] = one
        other.close()
    return list(found.values())


def _is_there(name: str, inode: int) -> bool:
    try:
        return Path(name).stat().st_ino == inode
    except OSError:
        return False
