"""Resources as data: what there is, how it is called, and what may be done with it.

Holds no behaviour: a strategy is found by a resource's storage, a table by its kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec

READ = ("get", "list", "watch")
ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Service(Enum):
    """What pillion does with a kind."""

    STORED = "stored"
    """Objects live in the store."""
    EMPTY = "empty"
    """Listed as empty, because clients list it on their way; creation is refused: pillion does not run it."""
    COMPUTED = "computed"
    """Answered from what the server knows at that moment; nothing is stored."""


class Subresource(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    verbs: tuple[str, ...]
    kind: str
    group: str = ""
    version: str = ""
    """Group and version of `kind`, where they are not those of the resource."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    group: str = ""
    version: str = "v1"
    plural: str
    singular: str
    kind: str
    list_kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    service: Service = Service.STORED
    storage: str
    """The store's name for it; the same for a resource that is served in two groups."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`; bare for the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        return next((known for known in self.subresources if known.name == name), None)


class GroupVersion(msgspec.Struct, frozen=True):
    group: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


class Registry:
    """Resources by group, version and plural, in the order discovery shows them."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = {(r.group, r.version, r.plural): r for r in resources}
        self._by_kind = {(r.api_version, r.kind): r for r in self._resources.values()}
        versions: dict[str, list[str]] = {}
        for resource in self._resources.values():
            of_group = versions.setdefault(resource.group, [])
            if resource.version not in of_group:
                of_group.append(resource.version)
        self._versions = {group: tuple(known) for group, known in versions.items()}

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._resources.get((group, version, plural))

    def find_kind(self, api_version: str, kind: str) -> Resource | None:
        return self._by_kind.get((api_version, kind))

    def groups(self) -> tuple[str, ...]:
        """The core group is the empty text."""
        return tuple(self._versions)

    def versions(self, group: str) -> tuple[str, ...]:
        """Preferred first."""
        return self._versions.get(group, ())

    def of_version(self, group: str, version: str) -> list[Resource]:
        return [r for r in self if (r.group, r.version) == (group, version)]
