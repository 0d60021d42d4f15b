"""One admission plugin after the other, each with the object as the one before left it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from pillion.apiserver.seams import AdmissionRequest

Tree = dict[str, Any]


class Plugin(Protocol):
    async def admit(self, request: AdmissionRequest) -> Tree | None:
        """The object to go on with; the one in the request when there is nothing to change, and never changed in place.

        Raises ApiError to refuse.
        """


class AdmissionChain:
    """An `Admission`. A refusal ends the row."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._plugins = tuple(plugins)

    async def admit(self, request: AdmissionRequest) -> Tree | None:
        for plugin in self._plugins:
            tree = await plugin.admit(request)
            if tree is not request.object:
                request = msgspec.structs.replace(request, object=tree)
        return request.object


def is_new_pod(request: AdmissionRequest) -> bool:
    return (
        request.resource.storage == "pods"
        and not request.subresource
        and request.old is None
        and request.object is not None
    )


def with_spec(tree: Tree, **changes: Any) -> Tree:
    """A copy of the object with some fields of its spec changed."""
    return {**tree, "spec": {**tree.get("spec", {}), **changes}}
