"""The bridge and its ports in the kernel, by pyroute2.

This module is imported and used in one thread of its own: importing pyroute2 takes a tenth of a second, and a netlink
request blocks for as long as the kernel works on it. One thread, in order of arrival: a `detach` that follows a
cancelled `attach` finds what that one still did.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface, IPv4Network
from typing import Any, NamedTuple

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink import NLM_F_DUMP_INTR

from pillion.network.kernelerrors import kernel_errors
from pillion.network.leases import Lease, LeaseBook, mac_of
from pillion.network.netns import inside

POD_INTERFACE = "eth0"
LOOPBACK_INDEX = 1
"""The kernel creates `lo` first in every network namespace (net/core/dev.c: LOOPBACK_IFINDEX)."""
_ETHERNET_MTU = 1500
_UNICAST = 1
"""linux/rtnetlink.h: RTN_UNICAST; the others (local, broadcast, unreachable) lead nowhere else."""


class _Route(NamedTuple):
    """`link` is the index of the interface it leaves by; 0 for one without (multipath)."""

    destination: IPv4Network
    link: int


class BridgeLinks:
    """Raises OSError throughout. Made, used and closed in the one thread: pyroute2 keeps an event loop for it."""

    def __init__(self) -> None:
        self._netlink = _open_netlink()
        self._bridge = 0
        self._mtu = _ETHERNET_MTU

    def close(self) -> None:
        self._netlink.close()

    @kernel_errors()
    def routed_elsewhere(self, bridge: str) -> tuple[IPv4Network, ...]:
        """What this host already reaches by another way than the bridge, default routes aside."""
        own = _index(bridge)
        return tuple(
            route.destination
            for route in self._routes()
            if route.destination.prefixlen > 0 and route.link != own
        )

    @kernel_errors()
    def ensure_bridge(self, book: LeaseBook) -> None:
        """Create or adopt the bridge, and plug every link of a lease into it that is there."""
        self._mtu = self._uplink_mtu()
        if _index(book.bridge) is None:
            # A given MAC, unlike the kernel's own, does not change as ports come and go.
            mac = mac_of(book.gateway.ip)
            self._netlink.link("add", ifname=book.bridge, kind="bridge", address=mac, mtu=self._mtu)
        self._bridge = socket.if_nametoindex(book.bridge)
        _give_address(self._netlink, self._bridge, book.gateway)
        for lease in book.leases:
            if (veth := _index(lease.veth)) is not None:
                self._netlink.link("set", index=veth, master=self._bridge)
                self._turn_hairpin_on(veth)

    @kernel_errors()
    def plug(self, book: LeaseBook, lease: Lease, netns: str) -> None:
        """`lo` and `eth0` in the network namespace, up, with the lease's address."""
        address = lease.address(book)
        descriptor = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Both ends in one message, the pod's already in its namespace: there is never a half of the pair.
            peer = {"ifname": POD_INTERFACE, "address": mac_of(address.ip), "mtu": self._mtu}
            self._netlink.link(
                "add",
                ifname=lease.veth,
                kind="veth",
                master=self._bridge,
                mtu=self._mtu,
                state="up",
                peer=peer | {"net_ns_fd": descriptor},
            )
            self._turn_hairpin_on(socket.if_nametoindex(lease.veth))
            with inside(descriptor):
                index = socket.if_nametoindex(POD_INTERFACE)
                pod = _open_netlink()
        finally:
            os.close(descriptor)
        with pod:
            pod.link("set", index=LOOPBACK_INDEX, state="up")
            _give_address(pod, index, address)
            pod.route("replace", dst="default", gateway=str(book.gateway.ip), oif=index)

    def unplug(self, veth: str) -> None:
        """Idempotent. A veth takes its peer along, wherever that is."""
        self._delete(veth)

    def remove_bridge(self, name: str) -> None:
        """Idempotent. Routes and sysctls of the bridge go with it."""
        self._delete(name)

    def _delete(self, name: str) -> None:
        try:
            with kernel_errors():
                self._netlink.link("del", ifname=name)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def _turn_hairpin_on(self, veth: int) -> None:
        """Let frames leave by the port they came in.

        With br_netfilter a pod's connection to its own host port is translated and turned around inside the bridge.
        """
        self._netlink.brport("set", index=veth, mode=1)

    def _uplink_mtu(self) -> int:
        """The MTU of the way out, so that pods need no path MTU discovery to learn it. Ethernet's without a way out."""
        ways_out = {route.link for route in self._routes() if route.destination.prefixlen == 0}
        links = _dump(self._netlink.link)
        return min(
            (int(link.get("mtu")) for link in links if link["index"] in ways_out), default=_ETHERNET_MTU
        )

    def _routes(self) -> list[_Route]:
        """Every IPv4 unicast route of every table, default routes included."""
        return [
            _Route(IPv4Network((route.get("dst") or "0.0.0.0", route["dst_len"])), route.get("oif") or 0)  # noqa: S104
            for route in _dump(self._netlink.route, family=socket.AF_INET)
            if route["type"] == _UNICAST
        ]


def _open_netlink() -> IPRoute:
    """A socket in the network namespace the thread is in, for life.

    Without the groups that pyroute2 joins by default: nobody would read the news, and a full buffer loses answers.
    """
    return IPRoute(groups=0)


def _give_address(netlink: IPRoute, index: int, address: IPv4Interface) -> None:
    """Idempotent; the link is up afterwards."""
    network = address.network
    netlink.addr(
        "replace",
        index=index,
        address=str(address.ip),
        prefixlen=network.prefixlen,
        broadcast=str(network.broadcast_address),
    )
    netlink.link("set", index=index, state="up")


def _dump(ask: Callable[..., Iterable[Any]], **question: object) -> tuple[Any, ...]:
    """All answers. One that was disturbed by a change is asked for again, which pyroute2 0.9 leaves to its callers."""
    while True:
        answers = tuple(ask("dump", **question))
        if not any(answer["header"]["flags"] & NLM_F_DUMP_INTR for answer in answers):
            return answers


def _index(name: str) -> int | None:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None
