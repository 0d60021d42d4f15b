"""Between an object as one API group shows it and as it is stored: Events are in two groups, stored as core/v1.

Source: pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from typing import Any

from pillion.apiserver.registry import Resource

Tree = dict[str, Any]

_EVENTS_GROUP = "events.k8s.io"
_SHOWN_AS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_STORED_AS = {shown: stored for stored, shown in _SHOWN_AS.items()}


def is_stored_as_shown(resource: Resource) -> bool:
    """The stored bytes are the answer."""
    return resource.group != _EVENTS_GROUP


def from_storage(resource: Resource, tree: Tree) -> Tree:
    if is_stored_as_shown(resource):
        return tree
    return {_SHOWN_AS.get(name, name): value for name, value in tree.items()} | {
        "apiVersion": resource.api_version
    }


def to_storage(resource: Resource, tree: Tree) -> Tree:
    if is_stored_as_shown(resource):
        return tree
    return {_STORED_AS.get(name, name): value for name, value in tree.items()} | {"apiVersion": "v1"}
