"""Where resources lie: as files that Envoy watches, or all in one for its check. Pure.

A file's version is made of its content, so that the same resources are the same bytes, and Envoy's
`…update_success` and `version_info` say which ones it has taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from pillion.proxy.xds.messages import typed
from pillion.proxy.xds.names import CLUSTERS_FILE, LISTENERS_FILE, routes_file, secret_file
from pillion.proxy.xds.snapshot import Resource, Snapshot

_CONFIG = "envoy.config."


def files(snapshot: Snapshot, folder: str) -> dict[str, bytes]:
    """What lies in `folder`, by name. In the order in which they must be written so that nothing is asked for before it
    is there: secrets, clusters, routes, listeners."""
    made = {secret_file(name): _file([secret], folder) for name, secret in snapshot.secrets.items()}
    made[CLUSTERS_FILE] = _file(_typed("cluster.v3.Cluster", snapshot.clusters), folder)
    for name, route in snapshot.routes.items():
        made[routes_file(name)] = _file(_typed("route.v3.RouteConfiguration", {name: route}), folder)
    made[LISTENERS_FILE] = _file(_typed("listener.v3.Listener", snapshot.listeners), folder)
    return made


def in_folder(resource: Resource, folder: str) -> Resource:
    """With the watched folder before the name of each file."""

    def place(value: Any) -> Any:
        match value:
            case {"path_config_source": {"path": str(name)}, **rest}:
                return {**rest, "path_config_source": {"path": f"{folder}/{name}"}}
            case dict():
                return {key: place(inner) for key, inner in value.items()}
            case list():
                return [place(inner) for inner in value]
            case _:
                return value

    placed: Resource = place(resource)
    return placed


def self_contained(resource: Resource, snapshot: Snapshot) -> Resource:
    """Without files: routes inside their listener, secrets by name only."""

    def fold(value: Any) -> Any:
        match value:
            case {"rds": {"route_config_name": name}, **rest}:
                return {
                    **{key: fold(inner) for key, inner in rest.items()},
                    "route_config": snapshot.routes[name],
                }
            case {"sds_config": _, "name": name}:
                return {"name": name}
            case dict():
                return {key: fold(inner) for key, inner in value.items()}
            case list():
                return [fold(inner) for inner in value]
            case _:
                return value

    folded: Resource = fold(resource)
    return folded


def encode(value: Resource) -> bytes:
    """Always the same bytes for the same value."""
    return msgspec.json.encode(value, order="deterministic")


def _typed(kind: str, resources: dict[str, Resource]) -> Iterable[Resource]:
    return [typed(_CONFIG + kind, **resource) for resource in resources.values()]


def _file(resources: Iterable[Resource], folder: str) -> bytes:
    placed = [in_folder(resource, folder) for resource in resources]
    version = hashlib.sha256(encode({"resources": placed})).hexdigest()[:16]
    return encode({"version_info": version, "resources": placed})
