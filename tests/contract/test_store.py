"""What every store promises, asked of the one in SQLite and of the one in memory alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from pillion.store import (
    AlreadyExistsError,
    Change,
    ChangeType,
    CompactedError,
    ConflictError,
    Key,
    NotFoundError,
    Revision,
    SqliteStore,
    Store,
    Stored,
)
from pillion.store.journaledstore import JournaledStore
from pillion.store.watcher import QUEUE_LIMIT
from pillion.testing.memorystore import MemoryJournal, MemoryStore

Scenario = Callable[[Store], Awaitable[None]]
HISTORY = 8


class Exam:
    """Runs scenarios, one after the other, each on the store as the last one left it."""

    def __init__(self, make: Callable[[int], JournaledStore]) -> None:
        self._make = make

    def __call__(self, scenario: Scenario, *, history: int = 10_000) -> None:
        asyncio.run(self._sit(scenario, history))

    async def _sit(self, scenario: Scenario, history: int) -> None:
        store: Store = self._make(history)
        await store.open()
        try:
            async with asyncio.timeout(20):
                await scenario(store)
        finally:
            await store.close()


@pytest.fixture(params=["memory", "sqlite"])
def exam(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Exam]:
    journal = MemoryJournal()
    if request.param == "memory":
        yield Exam(lambda history: MemoryStore(journal, history=history))
    else:
        yield Exam(lambda history: SqliteStore(tmp_path / "store.db", history=history))


def pod(name: str, namespace: str = "default") -> Key:
    return Key("pods", namespace, name)


def text(word: str) -> Callable[[Revision], bytes]:
    return lambda revision: f"{word}@{revision}".encode()


def seen(change: Change) -> tuple[str, str, bytes]:
    return change.type.value, change.stored.key.name, change.stored.value


async def take(store: Store, number: int, *, since: int = 1, namespace: str | None = None) -> list[Change]:
    watch = store.watch("pods", namespace, since=Revision(since))
    return [await anext(watch) for _ in range(number)]


def test_an_empty_store_has_a_revision_that_is_not_zero(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        assert store.revision == 1
        assert store.list("pods").revision == 1

    exam(scenario)


def test_every_write_takes_the_next_revision_and_is_told_it_before(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        created = await store.create(pod("a"), text("new"))
        assert created == Stored(pod("a"), Revision(2), b"new@2")
        updated = await store.update(pod("a"), text("changed"), expected=created.revision)
        assert updated == Stored(pod("a"), Revision(3), b"changed@3")
        deleted = await store.delete(pod("a"), text("last"), expected=updated.revision)
        assert deleted == Stored(pod("a"), Revision(4), b"last@4")
        assert store.revision == 4
        assert store.get(pod("a")) is None

    exam(scenario)


def test_what_cannot_be_is_refused_and_takes_no_revision(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        one = await store.create(pod("a"), text("new"))
        with pytest.raises(AlreadyExistsError, match="pods default/a"):
            await store.create(pod("a"), text("again"))
        with pytest.raises(ConflictError):
            await store.update(pod("a"), text("stale"), expected=Revision(1))
        with pytest.raises(ConflictError):
            await store.delete(pod("a"), text("stale"), expected=Revision(1))
        with pytest.raises(NotFoundError):
            await store.update(pod("b"), text("none"), expected=Revision(2))
        with pytest.raises(NotFoundError):
            await store.delete(pod("b"), text("none"), expected=Revision(2))
        assert store.revision == one.revision
        assert store.get(pod("a")) == one

    exam(scenario)


def test_an_encoder_that_raises_leaves_no_trace(exam: Exam) -> None:
    def broken(revision: Revision) -> bytes:
        raise ZeroDivisionError

    async def scenario(store: Store) -> None:
        with pytest.raises(ZeroDivisionError):
            await store.create(pod("a"), broken)
        assert (await store.create(pod("a"), text("new"))).revision == 2

    exam(scenario)


def test_of_two_updates_at_once_one_wins_and_the_loser_sees_why(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        first = await store.create(pod("a"), text("new"))

        async def attempt(word: str) -> str:
            try:
                await store.update(pod("a"), text(word), expected=first.revision)
            except ConflictError:
                now = store.get(pod("a"))
                assert now is not None
                assert now.revision > first.revision
                return "lost"
            return word

        outcomes = await asyncio.gather(attempt("x"), attempt("y"), attempt("z"))
        assert sorted(outcomes) == ["lost", "lost", "x"]

    exam(scenario)


def test_a_name_is_free_as_soon_as_its_deletion_is_decided(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        first = await store.create(pod("a"), text("new"))
        _, again = await asyncio.gather(
            store.delete(pod("a"), text("last"), expected=first.revision),
            store.create(pod("a"), text("again")),
        )
        assert store.get(pod("a")) == again
        assert [change.type for change in await take(store, 3)] == ["ADDED", "DELETED", "ADDED"]

    exam(scenario)


LISTS: list[tuple[dict[str, object], list[str], int]] = [
    ({}, ["a/x", "a/y", "a-b/x", "b/x"], 0),
    ({"namespace": "a"}, ["a/x", "a/y"], 0),
    ({"namespace": "a-b"}, ["a-b/x"], 0),
    ({"namespace": "none"}, [], 0),
    ({"limit": 3}, ["a/x", "a/y", "a-b/x"], 1),
    ({"limit": 4}, ["a/x", "a/y", "a-b/x", "b/x"], 0),
    ({"limit": 2, "after": ("a", "y")}, ["a-b/x", "b/x"], 0),
    ({"limit": 1, "after": ("a", "xx")}, ["a/y"], 2),
    ({"namespace": "a", "after": ("a", "x")}, ["a/y"], 0),
    ({"after": ("b", "x")}, [], 0),
]


@pytest.mark.parametrize(("asked", "names", "remaining"), LISTS)
def test_lists_go_by_namespace_and_name_in_pages(
    exam: Exam, asked: dict[str, object], names: list[str], remaining: int
) -> None:
    async def scenario(store: Store) -> None:
        for namespace, name in [("b", "x"), ("a", "y"), ("a-b", "x"), ("a", "x"), ("a", "gone")]:
            await store.create(pod(name, namespace), text("new"))
        await store.delete(pod("gone", "a"), text("last"), expected=Revision(6))
        await store.create(Key("nodes", "", "n"), text("new"))
        listing = store.list("pods", **asked)  # type: ignore[arg-type]
        assert [f"{item.key.namespace}/{item.key.name}" for item in listing.items] == names
        assert listing.remaining == remaining
        assert listing.revision == store.revision
        assert (store.count("pods"), store.count("nodes"), store.count("none")) == (4, 1, 0)

    exam(scenario)


def test_a_watch_shows_each_change_once_in_order_with_what_was_before(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        await store.create(pod("a"), text("1"))
        watch = store.watch("pods", since=Revision(1))
        await store.create(Key("configmaps", "default", "a"), text("other"))
        await store.update(pod("a"), text("2"), expected=Revision(2))
        await store.delete(pod("a"), text("3"), expected=Revision(4))
        changes = [await anext(watch) for _ in range(3)]
        assert [seen(change) for change in changes] == [
            ("ADDED", "a", b"1@2"),
            ("MODIFIED", "a", b"2@4"),
            ("DELETED", "a", b"3@5"),
        ]
        assert [change.previous and change.previous.value for change in changes] == [None, b"1@2", b"2@4"]

    exam(scenario)


def test_a_watch_of_a_namespace_shows_only_that(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        await store.create(pod("a", "one"), text("x"))
        watch = store.watch("pods", "one", since=Revision(1))
        await store.create(pod("b", "two"), text("x"))
        await store.create(pod("c", "one"), text("x"))
        assert [(await anext(watch)).stored.key.name for _ in range(2)] == ["a", "c"]

    exam(scenario)


def test_a_watch_waits_and_is_woken_by_a_write_that_can_be_read_then(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        async def first_change() -> Stored | None:
            change = await anext(store.watch("pods", since=store.revision))
            return store.get(change.stored.key)

        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(first_change())
            await asyncio.sleep(0)
            await store.create(pod("a"), text("new"))
        assert waiting.result() == Stored(pod("a"), Revision(2), b"new@2")

    exam(scenario)


def test_a_closed_watch_ends_and_so_do_all_when_the_store_closes(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        closed, left = (store.watch("pods", since=Revision(1)) for _ in range(2))
        async with asyncio.TaskGroup() as group:
            for watch in (closed, left):
                group.create_task(_drain(watch))
            await asyncio.sleep(0)
            closed.close()
            await store.close()

    async def _drain(watch: object) -> None:
        async for _ in watch:  # type: ignore[attr-defined]
            pytest.fail("nothing happened")

    exam(scenario)


def test_a_watch_that_is_cancelled_while_it_waits_misses_nothing(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        watch = store.watch("pods", since=Revision(1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(watch)
        await store.create(pod("a"), text("new"))
        assert seen(await anext(watch)) == ("ADDED", "a", b"new@2")

    exam(scenario)


def test_a_watch_cannot_start_before_the_history_nor_after_its_end(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        revision = (await store.create(pod("a"), text("0"))).revision
        for number in range(HISTORY):
            revision = (await store.update(pod("a"), text(str(number)), expected=revision)).revision
        with pytest.raises(CompactedError, match="from 2 to 10"):
            store.watch("pods", since=Revision(1))
        with pytest.raises(CompactedError):
            store.watch("pods", since=Revision(revision + 1))
        oldest = await anext(store.watch("pods", since=Revision(2)))
        assert oldest.previous == Stored(pod("a"), Revision(2), b"0@2")

    exam(scenario, history=HISTORY)


def test_a_watcher_that_does_not_keep_up_is_ended_alone(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        slow, quick = (store.watch("pods", since=Revision(1)) for _ in range(2))
        for _ in range(2):
            half = QUEUE_LIMIT // 2 + 1
            await asyncio.gather(
                *(store.create(pod(f"p{store.revision}-{n}"), text("")) for n in range(half))
            )
            assert len([await anext(quick) for _ in range(half)]) == half
        for _ in range(2):
            with pytest.raises(CompactedError):
                await anext(slow)

    exam(scenario)


def test_a_watcher_who_begins_far_back_gets_all_of_it(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        number = QUEUE_LIMIT + 10
        await asyncio.gather(*(store.create(pod(f"p{n}"), text("")) for n in range(number)))
        changes = await take(store, number)
        assert [change.stored.revision for change in changes] == list(range(2, number + 2))

    exam(scenario)


def test_objects_and_history_are_there_again_after_a_restart(exam: Exam) -> None:
    async def before(store: Store) -> None:
        await store.create(pod("a"), text("1"))
        await store.create(pod("b"), text("1"))
        await store.update(pod("a"), text("2"), expected=Revision(2))
        await store.delete(pod("b"), text("2"), expected=Revision(3))

    async def after(store: Store) -> None:
        assert store.revision == 5
        assert store.list("pods").items == (Stored(pod("a"), Revision(4), b"2@4"),)
        changes = await take(store, 2, since=3)
        assert [(change.type, change.previous) for change in changes] == [
            (ChangeType.MODIFIED, Stored(pod("a"), Revision(2), b"1@2")),
            (ChangeType.DELETED, Stored(pod("b"), Revision(3), b"1@3")),
        ]

    exam(before)
    exam(after)


def test_what_is_older_than_the_history_is_forgotten_except_the_objects(exam: Exam) -> None:
    async def before(store: Store) -> None:
        await store.create(pod("kept"), text("old"))
        gone = await store.create(pod("gone"), text("old"))
        gone = await store.update(pod("gone"), text("newer"), expected=gone.revision)
        await store.delete(pod("gone"), text("last"), expected=gone.revision)
        busy = await store.create(pod("busy"), text("0"))
        for number in range(3 * HISTORY):
            busy = await store.update(pod("busy"), text(str(number)), expected=busy.revision)

    async def after(store: Store) -> None:
        assert [item.key.name for item in store.list("pods").items] == ["busy", "kept"]
        with pytest.raises(CompactedError):
            store.watch("pods", since=Revision(store.revision - HISTORY - 1))
        assert len(await take(store, HISTORY, since=store.revision - HISTORY)) == HISTORY
        await store.update(pod("kept"), text("new"), expected=Revision(2))

    exam(before, history=HISTORY)
    exam(after, history=HISTORY)
    exam(after_again, history=HISTORY)


async def after_again(store: Store) -> None:
    kept = store.get(pod("kept"))
    assert kept is not None
    assert kept.value.startswith(b"new@")


def test_a_smaller_history_than_before_is_cut_at_the_first_write(exam: Exam) -> None:
    async def before(store: Store) -> None:
        for number in range(3 * HISTORY):
            await store.create(pod(str(number)), text(""))

    async def after(store: Store) -> None:
        await store.create(pod("last"), text(""))
        with pytest.raises(CompactedError):
            store.watch("pods", since=Revision(store.revision - HISTORY - 1))
        assert store.count("pods") == 3 * HISTORY + 1

    exam(before)
    exam(after, history=HISTORY)


def test_a_cancelled_writer_leaves_a_whole_write_behind(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await store.create(pod("a"), text("new"))
        await store.create(pod("b"), text("new"))
        assert [item.key.name for item in store.list("pods").items] == ["a", "b"]

    exam(scenario)


def test_many_writers_at_once_are_all_there_in_the_order_of_their_revisions(exam: Exam) -> None:
    async def scenario(store: Store) -> None:
        made = await asyncio.gather(*(store.create(pod(f"p{n}"), text("")) for n in range(2500)))
        assert sorted(item.revision for item in made) == list(range(2, 2502))
        assert [change.stored for change in await take(store, 2500)] == sorted(made, key=lambda m: m.revision)

    exam(scenario)
