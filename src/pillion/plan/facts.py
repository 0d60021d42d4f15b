"""Facts of the moment that a Pod does not hold: the node it runs on, the addresses it got, the Services around it."""

import msgspec

KUBERNETES_DOMAIN = "cluster.local"


class Allocatable(msgspec.Struct, frozen=True, kw_only=True):
    """What the node can give to pods: the limit of a container that has none (downward API)."""

    cpu_millis: int = 1000
    memory_bytes: int = 1 << 30
    ephemeral_storage_bytes: int = 1 << 30


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    hostname: str
    """The kernel's: what a container with hostNetwork sees."""
    host_ips: tuple[str, ...] = ()
    memory_bytes: int = 1 << 30
    """Capacity, the yardstick of oom_score_adj."""
    allocatable: Allocatable = Allocatable()
    cluster_domain: str = KUBERNETES_DOMAIN
    cluster_dns: tuple[str, ...] = ()
    """Name servers of the cluster; empty when there are none."""
    resolv_conf: str = ""
    """The text of the host's resolv.conf."""
    enforces_apparmor: bool = False
    hosts: str = ""
    """The text of the host's /etc/hosts, for pods in the host's network."""


class PodFacts(msgspec.Struct, frozen=True, kw_only=True):
    ips: tuple[str, ...] = ()
    """The pod's addresses, the primary one first; the host's with hostNetwork."""
    service_env: tuple[tuple[str, str], ...] = ()
    """The variables of the Services the pod sees: `services.service_variables`."""
