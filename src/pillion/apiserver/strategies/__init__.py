"""What is special about each kind on its way into the store. Knows objects; neither the store nor HTTP."""

from pillion.apiserver.strategies.generic import Strategy
from pillion.apiserver.strategies.namespaces import NamespaceStrategy
from pillion.apiserver.strategies.pods import PodStrategy
from pillion.apiserver.strategies.services import ServiceStrategy
from pillion.apiserver.strategies.stored import MadeByUpdate, RuntimeClassStrategy, ShownWhenDeleted

__all__ = ["Strategy", "strategy_of"]

_GENERIC = Strategy()
_BY_STORAGE: dict[str, Strategy] = {
    "pods": PodStrategy(),
    "namespaces": NamespaceStrategy(),
    "services": ServiceStrategy(),
    "serviceaccounts": ShownWhenDeleted(),
    "events": MadeByUpdate(),
    "leases.coordination.k8s.io": MadeByUpdate(),
    "runtimeclasses.node.k8s.io": RuntimeClassStrategy(),
}


def strategy_of(storage: str) -> Strategy:
    return _BY_STORAGE.get(storage, _GENERIC)
