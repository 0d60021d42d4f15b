"""The bridge and its ports in the kernel: everything of the network that blocks, run in one thread of its own.

One thread, in order of arrival: a `detach` that follows a cancelled `attach` finds what that one still did.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path

from pillion.network.leases import Lease, LeaseBook, mac_of
from pillion.network.rtnetlink import Link, Rtnetlink, inside

POD_INTERFACE = "eth0"
_ETHERNET_MTU = 1500
_SYS = Path("/proc/sys/net/ipv4")


class BridgeLinks:
    """Raises OSError throughout. Every method is for the one thread."""

    def __init__(self) -> None:
        self._netlink = Rtnetlink()
        self._bridge = 0
        self._mtu = _ETHERNET_MTU

    def close(self) -> None:
        self._netlink.close()

    def routed_elsewhere(self, bridge: str) -> tuple[IPv4Network, ...]:
        """What this host already reaches by another way than the bridge, default routes aside."""
        own = _index(self._netlink.links(), bridge)
        return tuple(
            route.destination
            for route in self._netlink.routes()
            if route.destination.prefixlen > 0 and route.link != own
        )

    def ensure_bridge(self, book: LeaseBook) -> None:
        """Create or adopt the bridge, and plug every link of a lease into it that is there."""
        links = self._netlink.links()
        self._mtu = self._uplink_mtu(links)
        if _index(links, book.bridge) is None:
            self._netlink.create_bridge(book.bridge, mac=mac_of(book.gateway.ip), mtu=self._mtu)
        self._bridge = socket.if_nametoindex(book.bridge)
        self._netlink.set_address(self._bridge, book.gateway)
        veths = {lease.veth for lease in book.leases}
        for link in links:
            if link.name in veths:
                self._netlink.set_master(link.name, self._bridge)

    def plug(self, book: LeaseBook, lease: Lease, netns: str) -> None:
        """`lo` and `eth0` in the network namespace, up, with the lease's address."""
        address = lease.address(book)
        descriptor = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._netlink.create_veth(
                lease.veth,
                master=self._bridge,
                mtu=self._mtu,
                peer=POD_INTERFACE,
                peer_mac=mac_of(address.ip),
                peer_netns=descriptor,
            )
            with inside(descriptor):
                pod = Rtnetlink()
                index = socket.if_nametoindex(POD_INTERFACE)
        finally:
            os.close(descriptor)
        try:
            pod.set_up_pod(index, address, book.gateway.ip)
        finally:
            pod.close()

    def unplug(self, veth: str) -> None:
        """Idempotent."""
        self._netlink.delete_link(veth)

    def remove_bridge(self, name: str) -> None:
        """Idempotent. Routes and sysctls of the bridge go with it."""
        self._netlink.delete_link(name)

    def allow_loopback(self, bridge: str) -> None:
        """Let connections to the host's 127.0.0.1 be answered from behind the bridge."""
        _SYS.joinpath("conf", bridge, "route_localnet").write_text("1")

    def _uplink_mtu(self, links: Iterable[Link]) -> int:
        """The MTU of the way out, so that pods need no path MTU discovery to learn it. Ethernet's without a way out."""
        ways_out = {route.link for route in self._netlink.routes() if route.destination.prefixlen == 0}
        return min((link.mtu for link in links if link.ifindex in ways_out), default=_ETHERNET_MTU)


def _index(links: Iterable[Link], name: str) -> int | None:
    return next((link.ifindex for link in links if link.name == name), None)


def has_link(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def is_forwarding() -> bool:
    return _SYS.joinpath("ip_forward").read_text().strip() == "1"


def switch_forwarding_on() -> None:
    """Raises OSError where /proc/sys is read-only."""
    _SYS.joinpath("ip_forward").write_text("1")
