"""The outside things a node works with, together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pillion.clock import Clock
from pillion.containers.images import ImageStore
from pillion.containers.runtime import Runtime
from pillion.network import Network
from pillion.node.hooks import HookRunner
from pillion.node.probers import Prober
from pillion.objects.models import core_v1
from pillion.plan.facts import NodeFacts
from pillion.plan.references import Configs
from pillion.statedir import StateDir
from pillion.volumes import Volumes


@dataclass(frozen=True, kw_only=True)
class Drivers:
    state: StateDir
    clock: Clock
    runtime: Runtime
    network: Network
    volumes: Volumes
    images: ImageStore
    configs: Configs
    """ConfigMaps and Secrets, as they are at the moment of the question."""
    node: NodeFacts
    services: Callable[[], Iterable[core_v1.Service]] = tuple
    """The Services of the cluster, of which each pod's containers get the variables of some."""
    host_warnings: tuple[str, ...] = ()
    """What works less well on this machine than on a Kubernetes node; sentences for people."""
    prober: Prober = field(init=False)
    hooks: HookRunner = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prober", Prober(self.runtime))
        object.__setattr__(self, "hooks", HookRunner(self.runtime))
