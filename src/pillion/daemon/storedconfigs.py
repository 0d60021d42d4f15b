"""ConfigMaps, Secrets and Services as the node sees them: the store's, decoded once per revision."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

import msgspec

from pillion.objects import DictMixin, core_v1, decode
from pillion.store import Key, Revision, Store, Stored

_M = TypeVar("_M", bound=DictMixin)

CACHED = 512
"""Objects kept decoded: those that pods ask for again and again."""


class StoredConfigs:
    """The node's `Configs`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._decoded: OrderedDict[Key, tuple[Revision, DictMixin]] = OrderedDict()

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None:
        return self._find(core_v1.ConfigMap, Key("configmaps", namespace, name))

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
        return self._find(core_v1.Secret, Key("secrets", namespace, name))

    def services(self) -> list[core_v1.Service]:
        """All of them: `plan.services` chooses."""
        return [self._decode(core_v1.Service, stored) for stored in self._store.list("services").items]

    def _find(self, model: type[_M], key: Key) -> _M | None:
        stored = self._store.get(key)
        return None if stored is None else self._decode(model, stored)

    def _decode(self, model: type[_M], stored: Stored) -> _M:
        known = self._decoded.get(stored.key)
        if known is not None and known[0] == stored.revision and isinstance(known[1], model):
            self._decoded.move_to_end(stored.key)
            return known[1]
        decoded, _ = decode(model, msgspec.json.decode(stored.value))
        self._decoded[stored.key] = (stored.revision, decoded)
        if len(self._decoded) > CACHED:
            self._decoded.popitem(last=False)
        return decoded
