"""The store's file: killed writers, files that are not ours, disks that are full, and how long it all takes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pillion.errors import HostError
from pillion.store import Key, Revision, SqliteStore, Stored
from pillion.store.migrations import MIGRATIONS
from pillion.store.sqlitejournal import SqliteJournal

# Prints each key when its write was acknowledged.
WRITER = """
import asyncio, sys
from pathlib import Path
from pillion.store import Key, SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]), history=50)
    await store.open()
    async def write(worker):
        key, number = Key("pods", "default", f"w{worker}"), 0
        stored = store.get(key) or await store.create(key, lambda r: b"0")
        number = int(stored.value)
        while True:
            number += 1
            value = str(number).encode()
            stored = await store.update(key, lambda r: value, expected=stored.revision)
            print(worker, number, stored.revision, flush=True)
    await asyncio.gather(*(write(n) for n in range(5)))

asyncio.run(main())
"""


def on(path: Path, scenario: Callable[[SqliteStore], Awaitable[None]]) -> None:
    async def sit() -> None:
        store = SqliteStore(path)
        await store.open()
        try:
            async with asyncio.timeout(20):
                await scenario(store)
        finally:
            await store.close()

    asyncio.run(sit())


async def nothing(store: SqliteStore) -> None:
    pass


def test_no_acknowledged_write_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    acknowledged: dict[int, tuple[int, int]] = {}
    for lines in (7, 180, 61):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(lines)]
            child.send_signal(signal.SIGKILL)
            # What it had said and nobody had read yet counts too; a last line may be cut.
            *rest, _ = child.stdout.read().split("\n")
        for worker, number, revision in (tuple(map(int, line.split())) for line in [*said, *rest]):
            acknowledged[worker] = (number, revision)

        async def look(store: SqliteStore) -> None:
            for worker, (number, revision) in acknowledged.items():
                found = store.get(Key("pods", "default", f"w{worker}"))
                assert found is not None
                assert int(found.value) >= number
                assert found.revision >= revision
            past = min(50, store.revision - 1)
            watch = store.watch("pods", since=Revision(store.revision - past))
            revisions = [(await anext(watch)).stored.revision for _ in range(past)]
            assert revisions == list(range(store.revision - past + 1, store.revision + 1))

        on(path, look)
    assert acknowledged


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def scenario(store: SqliteStore) -> None:
        await store.create(Key("secrets", "default", "s"), lambda _: b"hush")
        files = list(tmp_path.iterdir())
        assert len(files) > 1
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    on(path, scenario)


def test_two_cannot_have_it_open(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def scenario(store: SqliteStore) -> None:
        second = SqliteStore(path)
        with pytest.raises(HostError, match="another process has it open"):
            await second.open()

    on(path, scenario)
    on(path, nothing)


def not_a_database(path: Path) -> None:
    path.write_bytes(b"a shopping list\n" * 300)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()


def newer(path: Path) -> None:
    on(path, nothing)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def truncated(path: Path) -> None:
    async def fill(store: SqliteStore) -> None:
        for number in range(50):
            await store.create(Key("pods", "", str(number)), lambda _: os.urandom(1000))

    on(path, fill)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192)


def with_a_gap(path: Path) -> None:
    async def fill(store: SqliteStore) -> None:
        for number in range(5):
            await store.create(Key("pods", "", str(number)), lambda _: b"")

    on(path, fill)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM change WHERE revision = 4")
    connection.close()


def folder(path: Path) -> None:
    path.mkdir()


SPOILED = [
    (not_a_database, "the file is damaged"),
    (foreign, "it is another program's database"),
    (newer, r"a newer pillion has written it \(format 99, this one knows 1\)"),
    (truncated, "the file is damaged"),
    (with_a_gap, r"the file is damaged \(changes are missing\)"),
    (folder, "Is a directory"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILED, ids=lambda case: getattr(case, "__name__", None))
def test_a_file_that_cannot_be_the_store_is_refused_and_left_alone(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "store.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    for _ in range(2):
        with pytest.raises(HostError, match=message) as refusal:
            on(path, nothing)
        assert str(path) in str(refusal.value)
    assert before is None or path.read_bytes() == before


def limit_pages(store: SqliteStore, number: int) -> None:
    journal = store._journal
    assert isinstance(journal, SqliteJournal)
    assert journal._thread is not None
    journal._thread.submit(lambda: journal._connection.execute(f"PRAGMA max_page_count = {number}")).result()


def test_a_full_disk_refuses_writes_says_so_and_is_forgotten_when_there_is_room(tmp_path: Path) -> None:
    async def scenario(store: SqliteStore) -> None:
        key = Key("pods", "", "big")
        # The same answer as a full disk gives (SQLITE_FULL), without filling one.
        limit_pages(store, 10)
        with pytest.raises(HostError, match="the disk is full"):
            await store.create(key, lambda _: bytes(100_000))
        assert store.get(key) is None
        await store.create(key, lambda _: b"small")
        limit_pages(store, 10_000)
        await store.update(key, lambda _: bytes(100_000), expected=Revision(2))

    on(tmp_path / "store.db", scenario)


def test_the_file_does_not_grow_with_the_number_of_writes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def fill() -> None:
        store = SqliteStore(path, history=100)
        await store.open()
        keys = [Key("pods", "", str(number)) for number in range(10)]
        stored = [await store.create(key, lambda _: b"") for key in keys]
        for _ in range(200):
            stored = await asyncio.gather(
                *(store.update(item.key, lambda _: bytes(1000), expected=item.revision) for item in stored)
            )
        await store.close()

    asyncio.run(fill())
    assert path.stat().st_size < 400_000
    with sqlite3.connect(path) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM change").fetchone()
    connection.close()
    assert rows <= 110


def test_a_migration_is_never_edited() -> None:
    """Add a step instead, and its line here."""
    known = ["725af6"]
    assert [hashlib.sha256(script.encode()).hexdigest()[:6] for script in MIGRATIONS] == known


def test_an_object_survives_with_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    key, value = Key("configmaps", "ns", "näme"), bytes(range(256))

    async def write(store: SqliteStore) -> None:
        await store.create(key, lambda _: value)

    async def read(store: SqliteStore) -> None:
        assert store.get(key) == Stored(key, Revision(2), value)

    on(path, write)
    on(path, read)
