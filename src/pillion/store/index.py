"""The objects as they are now, sorted for paging. Memory only."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from itertools import islice

from pillion.store.protocol import Change, ChangeType, Key, Listing, Revision, Stored

Name = tuple[str, str]
"""Namespace and name."""


class ObjectIndex:
    """One sorted list of names per resource beside the objects by name. Changes must come in revision order."""

    def __init__(self) -> None:
        self._resources: dict[str, _Resource] = {}

    def get(self, key: Key) -> Stored | None:
        resource = self._resources.get(key.resource)
        return resource.objects.get((key.namespace, key.name)) if resource else None

    def count(self, resource: str) -> int:
        found = self._resources.get(resource)
        return len(found.names) if found else 0

    def list(
        self,
        resource: str,
        namespace: str | None,
        *,
        limit: int | None,
        after: Name | None,
        revision: Revision,
    ) -> Listing:
        found = self._resources.get(resource)
        if found is None:
            return Listing(items=(), revision=revision, remaining=0)
        start, end = found.range(namespace)
        if after is not None:
            start = max(start, bisect_right(found.names, after))
        stop = end if limit is None else min(end, start + limit)
        items = tuple(found.objects[name] for name in islice(found.names, start, stop))
        return Listing(items=items, revision=revision, remaining=max(0, end - stop))

    def apply(self, change: Change) -> None:
        key = change.stored.key
        resource = self._resources.setdefault(key.resource, _Resource())
        name = (key.namespace, key.name)
        if change.type is ChangeType.DELETED:
            del resource.objects[name]
            del resource.names[bisect_left(resource.names, name)]
            return
        if name not in resource.objects:
            # Cheap at the end, where a store that is read in from disk sorted by name would add, and a move of
            # pointers elsewhere: 10 µs among 10,000.
            insort(resource.names, name)
        resource.objects[name] = change.stored


class _Resource:
    def __init__(self) -> None:
        self.objects: dict[Name, Stored] = {}
        self.names: list[Name] = []

    def range(self, namespace: str | None) -> tuple[int, int]:
        if namespace is None:
            return 0, len(self.names)
        # "\0" is in no name, so nothing lies between a namespace and itself with "\0" behind it.
        return (
            bisect_left(self.names, (namespace, "")),
            bisect_left(self.names, (namespace + "\0", "")),
        )
