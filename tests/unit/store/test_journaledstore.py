"""What the store does while its disk is busy or refuses, which only a journal that obeys can show."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pillion.errors import HostError
from pillion.store import AlreadyExistsError, ConflictError, Key, Revision
from pillion.testing.memorystore import MemoryJournal, MemoryStore

A = Key("pods", "default", "a")
FULL = HostError("cannot write to the store: the disk is full")


def value(revision: Revision) -> bytes:
    return str(revision).encode()


def run(scenario: Callable[[MemoryStore, MemoryJournal], Awaitable[None]]) -> None:
    async def sit() -> None:
        journal = MemoryJournal()
        store = MemoryStore(journal)
        await store.open()
        async with asyncio.timeout(10):
            await scenario(store, journal)
        await store.close()

    asyncio.run(sit())


def key(number: int) -> Key:
    return Key("pods", "default", f"p{number}")


def test_nothing_is_seen_before_it_is_kept() -> None:
    async def scenario(store: MemoryStore, journal: MemoryJournal) -> None:
        journal.hold()
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(store.create(A, value))
            await asyncio.sleep(0)
            assert (store.get(A), store.revision, writing.done()) == (None, 1, False)
            journal.release()
        assert store.revision == 2

    run(scenario)


def test_writers_who_come_while_the_disk_is_busy_share_one_commit() -> None:
    async def scenario(store: MemoryStore, journal: MemoryJournal) -> None:
        await asyncio.gather(*(store.create(key(n), value) for n in range(100)))
        assert [len(batch.changes) for batch in journal.batches] == [1, 99]

    run(scenario)


def test_a_disk_that_refuses_fails_also_those_who_were_judged_by_what_did_not_come_to_be() -> None:
    async def scenario(store: MemoryStore, journal: MemoryJournal) -> None:
        journal.fail_next(FULL)
        outcomes = await asyncio.gather(
            store.create(A, value),
            store.update(A, value, expected=Revision(2)),
            store.create(key(1), value),
            return_exceptions=True,
        )
        assert outcomes == [FULL, FULL, FULL]
        assert (store.revision, store.count("pods")) == (1, 0)
        assert (await store.create(A, value)).revision == 2

    run(scenario)


def test_a_refusal_owed_to_a_write_that_fails_is_taken_back() -> None:
    async def scenario(store: MemoryStore, journal: MemoryJournal) -> None:
        journal.fail_next(FULL)
        first, second = await asyncio.gather(
            store.create(A, value), store.create(A, value), return_exceptions=True
        )
        assert first is FULL
        assert getattr(second, "revision", second) == 2

    run(scenario)


def test_who_is_refused_can_read_the_reason_at_once() -> None:
    async def scenario(store: MemoryStore, journal: MemoryJournal) -> None:
        async def late() -> None:
            with pytest.raises(AlreadyExistsError):
                await store.create(A, value)
            found = store.get(A)
            assert found is not None
            with pytest.raises(ConflictError):
                await store.update(A, value, expected=Revision(found.revision + 1))

        await asyncio.gather(store.create(A, value), late())

    run(scenario)


def test_closing_finishes_what_is_under_way_and_refuses_what_comes_after() -> None:
    async def scenario(store: MemoryStore, journal: MemoryJournal) -> None:
        journal.hold()
        async with asyncio.TaskGroup() as group:
            writing = [group.create_task(store.create(key(n), value)) for n in range(3)]
            await asyncio.sleep(0)
            closing = group.create_task(store.close())
            await asyncio.sleep(0)
            with pytest.raises(HostError, match="closed"):
                await store.create(A, value)
            journal.release()
        assert closing.done()
        assert [task.result().revision for task in writing] == [2, 3, 4]

    run(scenario)
