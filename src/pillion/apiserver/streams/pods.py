"""Which container of which pod a conversation is for (pkg/registry/core/pod/strategy.go: validateContainer)."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver.statuses import bad_request

Tree = dict[str, Any]

_LISTS = ("initContainers", "containers", "ephemeralContainers")


class PodRef(msgspec.Struct, frozen=True, kw_only=True):
    """A pod as the node knows it, and as messages name it."""

    namespace: str
    name: str
    uid: str


def pod_ref(pod: Tree) -> PodRef:
    meta = pod["metadata"]
    return PodRef(namespace=meta["namespace"], name=meta["name"], uid=meta["uid"])


def is_scheduled(pod: Tree) -> bool:
    return bool(pod.get("spec", {}).get("nodeName"))


def require_node(pod: Tree) -> None:
    """Raises ApiError."""
    if not is_scheduled(pod):
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")


def choose_container(pod: Tree, asked: str) -> str:
    """The container that was asked for, or the only one. Raises ApiError."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    inits, mains, ephemerals = ([c["name"] for c in spec.get(field) or ()] for field in _LISTS)
    if asked:
        if asked not in (*inits, *mains, *ephemerals):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    match mains:
        case [only]:
            return str(only)
        case []:
            raise bad_request(f"a container name must be specified for pod {name}")
        case _:
            choices = " ".join((*inits, *mains, *ephemerals))
            raise bad_request(
                f"a container name must be specified for pod {name}, choose one of: [{choices}]"
            )
