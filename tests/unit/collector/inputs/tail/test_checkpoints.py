"""The database of checkpoints."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pillion.collector.inputs.tail.checkpoint import Checkpoint, CheckpointStore, inherited, open_store
from pillion.collector.inputs.tail.identity import FileId, Fingerprint, Position

ONE = Checkpoint(
    id=FileId(5, 42),
    name="/l/a.log.1",
    path="/l/a.log",
    position=Position(offset=10, fingerprint=Fingerprint(4, b"d" * 16), marker=b"abc"),
)


def test_what_is_saved_is_there_again(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "new" / "tail.db")
    assert not store.existed
    store.save([ONE], [], 99.0)
    store.close()
    again = CheckpointStore(tmp_path / "new" / "tail.db")
    assert again.existed
    assert again.load() == [_seen(ONE, 99.0)]
    again.save([], [ONE.id], 100.0)
    assert again.load() == []
    again.close()


def _seen(one: Checkpoint, seen: float) -> Checkpoint:
    return Checkpoint(id=one.id, name=one.name, path=one.path, position=one.position, seen=seen)


def test_a_row_is_updated_and_not_written_twice(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "tail.db")
    for _ in range(3):
        store.save([ONE], [], 1.0)
    assert len(store.load()) == 1
    store.close()


def test_a_database_of_fluent_bit_is_taken_over_and_stays_one(tmp_path: Path) -> None:
    file = tmp_path / "flb.db"
    database = sqlite3.connect(file)
    database.execute(
        "CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER,"
        " created INTEGER, rotated INTEGER DEFAULT 0)"
    )
    database.execute("INSERT INTO in_tail_files (name, offset, inode, created) VALUES ('/l/a.log', 7, 42, 1)")
    database.commit()
    database.close()
    store = CheckpointStore(file)
    (known,) = store.load()
    assert (known.id, known.name, known.position) == (FileId(-1, 42), "/l/a.log", Position(offset=7))
    store.save([ONE], [], 1.0)
    store.close()
    database = sqlite3.connect(file)
    rows = database.execute("SELECT name, offset, inode FROM in_tail_files").fetchall()
    assert rows == [("/l/a.log.1", 10, 42)]
    # Fluent Bit moves the offset and leaves our columns alone: the marker is no longer one.
    database.execute("UPDATE in_tail_files SET offset=20")
    database.commit()
    database.close()
    store = CheckpointStore(file)
    assert store.load()[0].position == Position(offset=20, fingerprint=ONE.position.fingerprint)
    store.close()


def test_a_file_that_is_gone_is_forgotten_after_a_while(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.touch()
    seen = log.stat()
    there = Checkpoint(
        id=FileId(seen.st_dev, seen.st_ino), name=str(log), path=str(log), position=Position(offset=0)
    )
    store = CheckpointStore(tmp_path / "tail.db")
    store.save([ONE, there], [], 1000.0)
    store.forget_old(1000.0 + 60)
    assert len(store.load()) == 2
    store.forget_old(1000.0 + 7200)
    assert [one.id for one in store.load()] == [there.id]
    store.close()


def test_what_is_no_database_is_put_aside_and_said(tmp_path: Path) -> None:
    file = tmp_path / "tail.db"
    file.write_bytes(b"no database at all, but long enough to look like one" * 100)
    store, sentence = open_store(file, synchronous="normal", journal_mode="wal", exclusive=False)
    assert "tail.db.corrupt" in sentence
    assert store.existed, "its files are not new: they are read from their beginning, not from their end"
    assert store.load() == []
    store.close()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        open_store(tmp_path / "file" / "tail.db", synchronous="normal", journal_mode="wal", exclusive=False)


def test_a_new_store_inherits_the_least_that_others_know(tmp_path: Path) -> None:
    for name, offset in (("one", 30), ("two", 20)):
        store = CheckpointStore(tmp_path / f"{name}.db")
        store.save(
            [Checkpoint(id=ONE.id, name=ONE.name, path=ONE.path, position=Position(offset=offset))], [], 1.0
        )
        store.close()
    new = CheckpointStore(tmp_path / "three.db")
    assert [one.position.offset for one in inherited(new)] == [20]
    new.close()
