"""Objects and patches for these tests."""

from __future__ import annotations

import json
from typing import Any

from pillion.apiserver.patching import PatchContext, PatchType, Target, apply_patch, track
from pillion.objects import core_v1
from pillion.units import Instant, parse_time

Tree = dict[str, Any]

NOW = parse_time("2026-01-02T03:04:05Z")
LATER = Instant(NOW + 60)
POD = Target(model=core_v1.Pod, api_version="v1", kind="Pod")
CONFIG_MAP = Target(model=core_v1.ConfigMap, api_version="v1", kind="ConfigMap")


def container(name: str, **fields: Any) -> Tree:
    return {"name": name, **fields}


def pod(*containers: Tree, metadata: Tree | None = None, **spec: Any) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", **(metadata or {})},
        "spec": {"containers": list(containers), **spec},
    }


def config_map(metadata: Tree | None = None, **data: str) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "default", **(metadata or {})},
        "data": data,
    }


def patched(kind: PatchType, current: Tree, patch: Any, target: Target = POD) -> Any:
    context = PatchContext(target=target, now=NOW)
    return apply_patch(kind, current, json.dumps(patch).encode(), context)


def applied(
    current: Tree | None, config: Tree, manager: str, *, force: bool = False, at: Instant = NOW
) -> Tree:
    model = core_v1.Pod if config.get("kind") == "Pod" else core_v1.ConfigMap
    target = Target(model=model, api_version="v1", kind=model.__name__)
    context = PatchContext(target=target, manager=manager, force=force, now=at)
    return apply_patch(PatchType.APPLY, current, json.dumps(config).encode(), context)


def written(live: Tree | None, new: Tree, manager: str, subresource: str = "", at: Instant = NOW) -> Tree:
    """A create or an update by a client that sends what it read."""
    return track(live, new, manager, "Update", subresource, "v1", at)


def owned(tree: Tree) -> dict[str, Any]:
    """Fields by manager and operation (and subresource)."""
    return {
        "/".join(part for part in (entry["manager"], entry["operation"], entry.get("subresource")) if part): (
            entry["fieldsV1"]
        )
        for entry in tree["metadata"].get("managedFields", [])
    }


def unowned(tree: Tree) -> Tree:
    """The object without its owners."""
    metadata = {name: part for name, part in tree["metadata"].items() if name != "managedFields"}
    return tree | {"metadata": metadata}
