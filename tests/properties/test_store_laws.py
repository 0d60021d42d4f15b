"""Laws of the store, against the simplest model of it: a dictionary and a list."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pillion.errors import HostError
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
    Stored,
    Watch,
)
from pillion.store.journaledstore import JournaledStore
from pillion.testing.memorystore import MemoryJournal, MemoryStore

T = TypeVar("T")
HISTORY = 6
KEYS = st.builds(
    Key, st.sampled_from(["pods", "nodes"]), st.sampled_from(["", "a", "a-b"]), st.sampled_from(["x", "y"])
)


class StoreLaws(RuleBasedStateMachine):
    """Every write is done at once with others, as clients do; sooner or later the process ends and starts again."""

    watches = Bundle("watches")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.objects: dict[Key, Stored] = {}
        self.changes: list[Change] = []
        self.seen: dict[Watch, int] = {}

    def wait(self, doing: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(10):
                return await doing

        return self.runner.run(bounded())

    def make(self) -> JournaledStore:
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        self.store = self.make()
        self.wait(self.store.open())

    def teardown(self) -> None:
        self.wait(self.store.close())
        self.runner.close()

    @property
    def revision(self) -> int:
        return 1 + len(self.changes)

    @rule(key=KEYS, size=st.integers(0, 3))
    def create(self, key: Key, size: int) -> None:
        if key in self.objects:
            with pytest.raises(AlreadyExistsError):
                self.wait(self.store.create(key, value_of(size)))
        else:
            self.took(ChangeType.ADDED, self.wait(self.store.create(key, value_of(size))))

    @rule(key=KEYS, stale=st.integers(0, 2), kind=st.sampled_from([ChangeType.MODIFIED, ChangeType.DELETED]))
    def change(self, key: Key, stale: int, kind: ChangeType) -> None:
        present = self.objects.get(key)
        expected = Revision((present.revision if present else 2) - stale)
        write = self.store.update if kind is ChangeType.MODIFIED else self.store.delete
        doing = write(key, value_of(1), expected=expected)
        if present is None or stale:
            with pytest.raises(NotFoundError if present is None else ConflictError):
                self.wait(doing)
        else:
            self.took(kind, self.wait(doing))

    @rule(keys=st.lists(KEYS, min_size=2, max_size=6))
    def create_at_once(self, keys: list[Key]) -> None:
        async def together() -> list[Stored | BaseException]:
            return await asyncio.gather(
                *(self.store.create(key, value_of(1)) for key in keys), return_exceptions=True
            )

        for key, outcome in zip(keys, self.wait(together()), strict=True):
            if key in self.objects:
                assert isinstance(outcome, AlreadyExistsError)
            else:
                assert isinstance(outcome, Stored)
                self.took(ChangeType.ADDED, outcome)

    def took(self, kind: ChangeType, stored: Stored) -> None:
        previous = self.objects.pop(stored.key, None)
        assert stored.revision == self.revision + 1
        assert stored.value.endswith(b"@%d" % stored.revision)
        self.changes.append(Change(type=kind, stored=stored, previous=previous))
        if kind is not ChangeType.DELETED:
            self.objects[stored.key] = stored

    @rule(target=watches, back=st.integers(0, HISTORY))
    def watch(self, back: int) -> Watch:
        since = max(1, self.revision - back)
        watch = self.store.watch("pods", since=Revision(since))
        self.seen[watch] = since
        return watch

    @rule(watch=watches)
    def read(self, watch: Watch) -> None:
        since = self.seen.get(watch)
        if since is None:  # ended by a restart
            return
        expected = [c for c in self.changes[since - 1 :] if c.stored.key.resource == "pods"]
        assert [self.wait(anext(watch)) for _ in expected] == expected
        self.seen[watch] = self.revision

    @rule(watch=consumes(watches))
    def stop_watching(self, watch: Watch) -> None:
        watch.close()
        with pytest.raises(StopAsyncIteration):
            self.wait(anext(watch))
        self.seen.pop(watch, None)

    @precondition(lambda self: self.revision > HISTORY + 1)
    @rule()
    def watch_too_far_back(self) -> None:
        with pytest.raises(CompactedError):
            self.store.watch("pods", since=Revision(self.revision - HISTORY - 1))

    @rule()
    def restart(self) -> None:
        self.wait(self.store.close())
        with pytest.raises(HostError):
            self.wait(self.store.create(Key("pods", "", "z"), value_of(1)))
        for watch in self.seen:
            with pytest.raises(StopAsyncIteration):
                self.wait(anext(watch))
        self.seen.clear()
        self.open()

    @invariant()
    def holds_what_was_written(self) -> None:
        if not hasattr(self, "store"):
            return
        assert self.store.revision == self.revision
        for resource in ("pods", "nodes"):
            expected = sorted((s for s in self.objects.values() if s.key.resource == resource), key=key_of)
            assert list(self.store.list(resource).items) == expected
            assert self.store.count(resource) == len(expected)
            paged: list[Stored] = []
            while True:
                after = key_of(paged[-1]) if paged else None
                page = self.store.list(resource, limit=2, after=after)
                paged += page.items
                assert page.remaining == len(expected) - len(paged)
                if not page.remaining:
                    break
            assert paged == expected


def key_of(stored: Stored) -> tuple[str, str]:
    return stored.key.namespace, stored.key.name


def value_of(size: int) -> Any:
    return lambda revision: b"x" * size + b"@%d" % revision


class MemoryLaws(StoreLaws):
    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal()

    def make(self) -> JournaledStore:
        return MemoryStore(self.journal, history=HISTORY)


class SqliteLaws(StoreLaws):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    def make(self) -> JournaledStore:
        return SqliteStore(Path(self.folder.name) / "store.db", history=HISTORY)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


@pytest.mark.parametrize("laws", [MemoryLaws, SqliteLaws])
def test_a_store_is_a_dictionary_with_a_memory(laws: type[StoreLaws]) -> None:
    run_state_machine_as_test(laws, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))
