"""Which pod has which address and host ports: the network's memory, as a value. No IO; `bridge` keeps it on disk.

Addresses are reused as late as possible: the next one is looked for after the last one given out, so that a connection
or a cache that outlived its pod meets nobody for as long as possible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Self

import msgspec

from pillion.network.protocol import AddressesExhaustedError, HostPortInUseError, NoFreeSubnetError
from pillion.plan.containerspec import HostPort

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what a hostPort without hostIP means
POOLS = (IPv4Network("10.244.0.0/16"), IPv4Network("172.30.0.0/16"), IPv4Network("192.168.192.0/18"))
"""Where subnets come from, best first. The first is the pod network most clusters and kubeadm's documents use."""
_SUBNET_PREFIX = 24
"""253 pods; the kubelet's default limit is 110 (maxPods)."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """What one sandbox of a pod holds. There is at most one per pod: a new sandbox replaces the old one's."""

    pod_uid: str
    attempt: int
    ip: str
    veth: str
    """Name of the host's end of its link."""
    ports: tuple[HostPort, ...] = ()

    def address(self, book: LeaseBook) -> IPv4Interface:
        return IPv4Interface((self.ip, book.network.prefixlen))


class LeaseBook(msgspec.Struct, frozen=True, kw_only=True):
    bridge: str
    subnet: str
    last_ip: str
    """The address given out last."""
    leases: tuple[Lease, ...] = ()

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(self.subnet)

    @property
    def gateway(self) -> IPv4Interface:
        """The bridge's own address: the first of the subnet."""
        return IPv4Interface((self.network[1], self.network.prefixlen))

    def lease(self, pod_uid: str) -> Lease | None:
        return next((lease for lease in self.leases if lease.pod_uid == pod_uid), None)

    def with_lease(self, pod_uid: str, attempt: int) -> tuple[Self, Lease]:
        """Give the pod's sandbox an address. The pod must not hold one. Raises AddressesExhaustedError."""
        ip = str(self._next_ip())
        lease = Lease(pod_uid=pod_uid, attempt=attempt, ip=ip, veth=veth_name(self.bridge, pod_uid, attempt))
        return msgspec.structs.replace(self, last_ip=ip, leases=(*self.leases, lease)), lease

    def without(self, pod_uid: str) -> Self:
        kept = tuple(lease for lease in self.leases if lease.pod_uid != pod_uid)
        return msgspec.structs.replace(self, leases=kept)

    def with_ports(self, pod_uid: str, ports: Iterable[HostPort]) -> Self:
        """Add host ports to the pod's lease; those it has already are kept once. Raises HostPortInUseError."""
        held = [(lease.pod_uid, port) for lease in self.leases for port in lease.ports]
        for port in ports:
            if (pod_uid, port) in held:
                continue
            holder = next((uid for uid, other in held if overlap(other, port)), None)
            if holder is not None:
                raise HostPortInUseError(port, f"pod {holder}")
            held.append((pod_uid, port))
        return self.with_only_ports(pod_uid, tuple(port for uid, port in held if uid == pod_uid))

    def with_only_ports(self, pod_uid: str, ports: tuple[HostPort, ...]) -> Self:
        """The pod keeps exactly these of its host ports."""
        leases = tuple(
            msgspec.structs.replace(lease, ports=ports) if lease.pod_uid == pod_uid else lease
            for lease in self.leases
        )
        return msgspec.structs.replace(self, leases=leases)

    def _next_ip(self) -> IPv4Address:
        network = self.network
        first, count = 2, network.num_addresses - 3  # not the network, the gateway, the broadcast address
        taken = {lease.ip for lease in self.leases}
        start = int(IPv4Address(self.last_ip)) - int(network.network_address) + 1
        for offset in range(count):
            ip = network[first + (start - first + offset) % count]
            if str(ip) not in taken:
                return ip
        raise AddressesExhaustedError(f"{network[first]}-{network[-2]}")


def overlap(one: HostPort, other: HostPort) -> bool:
    """Whether two host ports cannot be open at once: same protocol, port and address, or one on every address."""
    same_address = one.host_ip == other.host_ip or ANY_ADDRESS in (one.host_ip, other.host_ip)
    return same_address and one.protocol == other.protocol and one.host_port == other.host_port


def open_book(root: str, taken: Iterable[IPv4Network]) -> LeaseBook:
    """An empty book for the state directory at `root`, with a subnet that overlaps none of `taken`.

    Where the search begins depends on the directory, so that several directories rarely want the same subnet and one
    directory gets the same subnet again. Raises NoFreeSubnetError.
    """
    taken = tuple(taken)
    digest = hashlib.sha256(root.encode()).digest()
    for pool in POOLS:
        subnets = tuple(pool.subnets(new_prefix=_SUBNET_PREFIX))
        start = int.from_bytes(digest[:4]) % len(subnets)
        for subnet in subnets[start:] + subnets[:start]:
            if not any(subnet.overlaps(other) for other in taken):
                return LeaseBook(bridge=bridge_name(root), subnet=str(subnet), last_ip=str(subnet[1]))
    raise NoFreeSubnetError(", ".join(map(str, POOLS)))


def bridge_name(root: str) -> str:
    return f"pln{hashlib.sha256(root.encode()).hexdigest()[:8]}"


def veth_name(bridge: str, pod_uid: str, attempt: int) -> str:
    """Known before the link exists, so that one whose creator was killed can be found. At most 15 characters."""
    return f"plv{hashlib.sha256(f'{bridge}/{pod_uid}/{attempt}'.encode()).hexdigest()[:11]}"


def mac_of(ip: IPv4Address) -> str:
    """A MAC that follows the address (CNI's prefix for it): a neighbour entry that outlives a pod stays right."""
    return f"0a:58:{ip.packed.hex(':')}"
