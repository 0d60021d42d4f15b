"""Strategic merge patches at random, applied by us and by `kubectl patch --local`, which has Kubernetes' library."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.unit.apiserver.patching.builders import Tree, patched

from pillion.apiserver.patching import PatchError, PatchType
from pillion.objects import core_v1, decode, encode

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]

NAMES, MORE_NAMES = "abcd", "abcde"
PATHS, MORE_PATHS = [f"/{name}" for name in NAMES], [f"/{name}" for name in MORE_NAMES]
FINALIZERS = [f"x/{name}" for name in MORE_NAMES]


class Maker:
    """Pods and patches of them, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def some(self, items: Any) -> list[Any]:
        chosen = list(items)
        self.random.shuffle(chosen)
        return chosen[: self.random.randint(0, len(chosen))]

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pod(self) -> Tree:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "p",
                "labels": dict.fromkeys(self.some(NAMES), "x"),
                "finalizers": self.some(FINALIZERS),
            },
            "spec": {
                "containers": [self.container(name) for name in self.some(NAMES)],
                "volumes": [{"name": name, "emptyDir": {}} for name in self.some(NAMES)],
                "tolerations": [{"key": name} for name in self.some(NAMES)],
            },
        }

    def container(self, name: str) -> Tree:
        return {
            "name": name,
            "image": "i",
            "args": self.some(NAMES),
            "env": [{"name": variable, "value": "1"} for variable in self.some(NAMES)],
            "ports": [{"containerPort": number} for number in self.some(range(1, 5))],
            "volumeMounts": [{"name": "v", "mountPath": path} for path in self.some(PATHS)],
        }

    def patch(self) -> Tree:
        metadata: Tree = {}
        if self.chance(0.5):
            metadata["labels"] = {name: self.random.choice(["z", None]) for name in self.some(NAMES)}
        added = self.some(FINALIZERS)
        self._put(metadata, "finalizers", added, "", FINALIZERS)
        if self.chance(0.4):
            gone = [name for name in self.some(FINALIZERS) if name not in added]
            metadata["$deleteFromPrimitiveList/finalizers"] = gone
        spec: Tree = {}
        self._put(spec, "containers", self._items(MORE_NAMES, "name", self._container), "name", MORE_NAMES)
        self._put(spec, "volumes", self._items(MORE_NAMES, "name", self._volume), "name", MORE_NAMES)
        if self.chance(0.3):
            spec["tolerations"] = [{"key": "new"}]
        return {"metadata": metadata, "spec": spec}

    def _items(self, universe: Any, key: str, make: Any) -> list[Tree]:
        items = [
            {key: name, "$patch": "delete"} if self.chance(0.2) else make(name)
            for name in self.some(universe)
        ]
        return [*items, {"$patch": "replace"}] if self.chance(0.05) else items

    def _put(self, patch: Tree, name: str, items: list[Any], key: str, universe: Any) -> None:
        """The list, and half of the time an order for it that kubectl could have written."""
        patch[name] = items
        if self.chance(0.5):
            order = [item[key] for item in items if "$patch" not in item] if key else list(items)
            for other in self.some(universe):
                if other not in order:
                    order.insert(self.random.randint(0, len(order)), other)
            patch[f"$setElementOrder/{name}"] = [{key: value} for value in order] if key else order

    def _container(self, name: str) -> Tree:
        container: Tree = {"name": name, "image": self.random.choice(["k", None])}
        self._put(
            container,
            "env",
            self._items(MORE_NAMES, "name", lambda variable: {"name": variable, "value": "9"}),
            "name",
            MORE_NAMES,
        )
        self._put(
            container,
            "volumeMounts",
            self._items(MORE_PATHS, "mountPath", lambda path: {"mountPath": path, "name": "z"}),
            "mountPath",
            MORE_PATHS,
        )
        return container

    def _volume(self, name: str) -> Tree:
        if self.chance(0.4):
            return {"name": name, "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}
        return {"name": name, "emptyDir": {"medium": "Memory"}, "configMap": None}


def normal(tree: Tree) -> Any:
    """As a Pod is written: without what is unknown, null or empty."""
    return _without_empty(encode(decode(core_v1.Pod, tree)[0]))


def _without_empty(tree: Any) -> Any:
    if isinstance(tree, dict):
        inner = {name: _without_empty(value) for name, value in tree.items()}
        return {name: value for name, value in inner.items() if value not in (None, {}, [])}
    return [_without_empty(item) for item in tree] if isinstance(tree, list) else tree


def by_kubectl(current: Tree, patch: Tree, file: Path) -> Any:
    """The Pod, or the first line of the error."""
    file.write_text(json.dumps(current))
    command = ["kubectl", "patch", "--local", "-f", str(file), "--type", "strategic", "-o", "json"]
    done = subprocess.run([*command, "-p", json.dumps(patch)], capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().removeprefix("error: ").splitlines()[0]
    return normal(json.loads(done.stdout))


def by_us(current: Tree, patch: Tree) -> Any:
    try:
        return normal(patched(PatchType.STRATEGIC, current, patch))
    except PatchError as refused:
        return refused.message.splitlines()[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_strategic_merge_patch_does_what_kubectl_s_library_does(seed: int, tmp_path: Path) -> None:
    maker = Maker(seed)
    for _ in range(25):
        current, patch = maker.pod(), maker.patch()
        assert by_us(current, patch) == by_kubectl(current, patch, tmp_path / "pod.json"), (current, patch)
