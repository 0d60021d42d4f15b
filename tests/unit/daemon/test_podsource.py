"""What the node is told of the pods in the store, and when it is told to end them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pillion.daemon.podsource import ORPHAN_GRACE, PodSource
from pillion.lifecycle import Stage

Tree = dict[str, Any]


def a_pod(**changes: Any) -> Tree:
    tree: Tree = {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "generation": 1},
        "spec": {"nodeName": "here", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Pending"},
    }
    return {part: fields | changes.get(part, {}) for part, fields in tree.items()}


DELETED = {"deletionTimestamp": "2026-01-02T03:04:05Z", "deletionGracePeriodSeconds": 7}


class Worker:
    def __init__(self, told: list[tuple[Any, ...]]) -> None:
        self.record = SimpleNamespace(stage=Stage.SYNCING)
        self._told = told

    def update(self, pod: Any) -> None:
        self._told.append(("update", pod.metadata.generation))

    def delete(self, grace: int) -> None:
        self._told.append(("delete", grace))


class Lab:
    """A node, a writer and tokens that only remember what they are told."""

    def __init__(self, saved: tuple[str, ...] = ()) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.workers: dict[str, Worker] = {}
        self.objects: list[Tree] = []
        self.events: list[tuple[Tree, bool]] = []
        self.source = PodSource(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            "here",
            SimpleNamespace(
                look_again=lambda uid: self.told.append(("look again", uid)), forget=lambda _: None
            ),  # type: ignore[arg-type]
            (SimpleNamespace(forget=lambda _: None),),
            {uid: SimpleNamespace(pod=SimpleNamespace(uid=uid)) for uid in saved},  # type: ignore[misc]
        )
        self.source.on_gone(lambda: self.told.append(("gone",)))

    # The API

    def list(self, _resource: str) -> list[Tree]:
        return self.objects

    async def follow(self, _resource: str) -> Any:
        for tree, is_gone in self.events:
            yield SimpleNamespace(tree=lambda tree=tree: tree, is_gone=is_gone)

    # The node

    def add(self, pod: Any) -> None:
        self.told.append(("add", pod.metadata.name))
        self.workers[pod.metadata.uid] = Worker(self.told)

    def adopt(self, saved: Any) -> Worker:
        uid = saved.pod.uid if hasattr(saved.pod, "uid") else saved.pod.metadata.uid
        self.told.append(("adopt", uid))
        self.workers[uid] = Worker(self.told)
        return self.workers[uid]

    def forget(self, uid: str) -> None:
        self.told.append(("forget", uid))
        del self.workers[uid]

    def see(self, *events: tuple[Tree, bool]) -> list[tuple[Any, ...]]:
        self.events = [msgspec.json.decode(msgspec.json.encode(event)) for event in events]
        before = len(self.told)
        asyncio.run(self.source.follow())
        return self.told[before:]


GATE = {"conditions": [{"type": "example.com/ready", "status": "True"}]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"status": {"phase": "Running"}}, []),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, []),
        ({"status": GATE}, [("update", 1)]),
        ({"metadata": {"resourceVersion": "9", "managedFields": []}}, []),
        ({"metadata": {"labels": {"a": "b"}}}, [("update", 1)]),
        ({"metadata": {"annotations": {"a": "b"}}}, [("update", 1)]),
        ({"metadata": {"generation": 2}}, [("update", 2)]),
        ({"metadata": DELETED}, [("delete", 7), ("look again", "u")]),
        ({"metadata": DELETED | {"deletionGracePeriodSeconds": 0}}, [("delete", 0), ("look again", "u")]),
    ],
)
def test_the_node_hears_of_what_matters_to_it(change: Tree, told: list[tuple[Any, ...]]) -> None:
    lab = Lab()
    assert lab.see((a_pod(), False)) == [("add", "p")]
    assert lab.see((a_pod(**change), False)) == told


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(spec={"nodeName": "elsewhere"}),
        a_pod(spec={"nodeName": None}),
        a_pod(status={"phase": "Succeeded"}),
        a_pod(status={"phase": "Failed"}),
    ],
)
def test_pods_that_are_not_its_own_or_over_are_not_begun(pod: Tree) -> None:
    assert Lab().see((pod, False)) == []


def test_a_pod_whose_object_is_gone_ends_and_is_then_forgotten() -> None:
    lab = Lab()
    lab.see((a_pod(), False))
    assert lab.see((a_pod(), True)) == [("delete", ORPHAN_GRACE)]
    lab.source.finished("u")
    assert lab.told[-2:] == [("forget", "u"), ("gone",)]


def test_a_pod_that_is_over_is_forgotten_with_its_object() -> None:
    lab = Lab()
    lab.see((a_pod(), False))
    lab.workers["u"].record.stage = Stage.FINISHED
    lab.source.finished("u")
    assert "u" in lab.workers, "its object still tells of it"
    assert lab.see((a_pod(), True)) == [("forget", "u"), ("gone",)]


def test_what_an_earlier_process_left_goes_on_or_ends() -> None:
    lab = Lab(saved=("u", "orphan"))
    lab.objects = [a_pod(), a_pod(metadata={"uid": "new"})]
    lab.source.adopt()
    assert lab.told[0] == ("adopt", "u")
    assert lab.told[-2:] == [("adopt", "orphan"), ("delete", ORPHAN_GRACE)]
    lab.source.finished("orphan")
    assert set(lab.workers) == {"u"}
