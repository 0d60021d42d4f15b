"""Links, addresses and routes: the few rtnetlink verbs a bridge network needs (linux/rtnetlink.h, if_link.h).

Every verb blocks for as long as the kernel needs (tens of microseconds, some milliseconds under load), so they are
called from the network's own thread. Failures are OSErrors with the kernel's errno.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import NamedTuple

from pillion.network.netlink import (
    CREATE,
    EXCL,
    REPLACE,
    Message,
    NetlinkSocket,
    attribute,
    decode_attributes,
    nested,
    number,
    text,
)

LOOPBACK_INDEX = 1
"""The kernel creates `lo` first in every network namespace (net/core/dev.c: LOOPBACK_IFINDEX)."""

_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _NEWROUTE, _GETROUTE = 16, 17, 18, 20, 24, 26
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 4, 10, 18, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_INFO_PEER, _BRPORT_MODE = 1, 4
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_IFF_UP = 0x1
_TABLE_MAIN, _PROTOCOL_BOOT, _TYPE_UNICAST = 254, 3, 1
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Link(NamedTuple):
    ifindex: int
    name: str
    mtu: int


class Route(NamedTuple):
    """`link` is the index of the interface it leaves by; 0 for one without (unreachable, blackhole, multipath)."""

    destination: IPv4Network
    link: int


def _link(*, index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, change)


class Rtnetlink:
    """One rtnetlink socket: the links, addresses and routes of one network namespace."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(socket.NETLINK_ROUTE)

    def close(self) -> None:
        self._socket.close()

    def create_bridge(self, name: str, *, mac: bytes, mtu: int) -> None:
        """Raises FileExistsError when the name is taken. A given MAC never changes as ports come and go."""
        kind = nested(_IFLA_LINKINFO, text(_INFO_KIND, "bridge"))
        body = (
            _link() + text(_IFLA_IFNAME, name) + attribute(_IFLA_ADDRESS, mac) + number(_IFLA_MTU, mtu) + kind
        )
        self._socket.request(Message(_NEWLINK, CREATE | EXCL, body))

    def create_veth(
        self, name: str, *, master: int, mtu: int, peer: str, peer_mac: bytes, peer_netns: int
    ) -> None:
        """A pair: `name` here, up, on the bridge `master`; `peer` in the namespace behind the descriptor `peer_netns`.

        The pair is one message, so there is never a half of it. Raises FileExistsError when either name is taken.
        """
        other = (
            _link()
            + text(_IFLA_IFNAME, peer)
            + attribute(_IFLA_ADDRESS, peer_mac)
            + number(_IFLA_MTU, mtu)
            + number(_IFLA_NET_NS_FD, peer_netns)
        )
        data = nested(_INFO_DATA, attribute(_VETH_INFO_PEER, other))
        body = (
            _link(flags=_IFF_UP, change=_IFF_UP)
            + text(_IFLA_IFNAME, name)
            + number(_IFLA_MTU, mtu)
            + number(_IFLA_MASTER, master)
            + nested(_IFLA_LINKINFO, text(_INFO_KIND, "veth"), data)
        )
        self._socket.request(Message(_NEWLINK, CREATE | EXCL, body))
        self._socket.request(_hairpin(name))

    def set_master(self, name: str, master: int) -> None:
        change = Message(_NEWLINK, 0, _link() + text(_IFLA_IFNAME, name) + number(_IFLA_MASTER, master))
        self._socket.request(change, _hairpin(name))

    def delete_link(self, name: str) -> None:
        """Idempotent. A veth takes its peer along, wherever that is."""
        try:
            self._socket.request(Message(_DELLINK, 0, _link() + text(_IFLA_IFNAME, name)))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def links(self) -> list[Link]:
        found = []
        for message in self._socket.dump(Message(_GETLINK, 0, _link())):
            _, _, index, _, _ = _LINK.unpack_from(message.body)
            attributes = decode_attributes(message.body[_LINK.size :])
            (mtu,) = struct.unpack("=I", attributes[_IFLA_MTU])
            found.append(Link(index, attributes[_IFLA_IFNAME].rstrip(b"\0").decode(), mtu))
        return found

    def routes(self) -> list[Route]:
        """Every IPv4 unicast route of every table, default routes included."""
        found = []
        for message in self._socket.dump(Message(_GETROUTE, 0, _ROUTE.pack(socket.AF_INET, *[0] * 8))):
            _, prefix, _, _, _, _, _, kind, _ = _ROUTE.unpack_from(message.body)
            if kind != _TYPE_UNICAST:
                continue
            attributes = decode_attributes(message.body[_ROUTE.size :])
            network = IPv4Network((attributes.get(_RTA_DST, bytes(4)), prefix))
            (link,) = struct.unpack("=I", attributes.get(_RTA_OIF, bytes(4)))
            found.append(Route(network, link))
        return found

    def set_address(self, index: int, address: IPv4Interface) -> None:
        """Give the link this address and bring it up. Idempotent."""
        self._socket.request(_address(index, address), _up(index))

    def set_up_pod(self, index: int, address: IPv4Interface, gateway: IPv4Address) -> None:
        """Loopback up, the address on link `index`, and everything else by way of the gateway."""
        default = _ROUTE.pack(socket.AF_INET, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_BOOT, 0, _TYPE_UNICAST, 0)
        body = default + attribute(_RTA_GATEWAY, gateway.packed) + number(_RTA_OIF, index)
        self._socket.request(
            _up(LOOPBACK_INDEX),
            _address(index, address),
            _up(index),
            Message(_NEWROUTE, CREATE | REPLACE, body),
        )


def _hairpin(name: str) -> Message:
    """Let frames leave by the port they came in.

    With br_netfilter a pod's connection to its own host port is translated and turned around inside the bridge.
    """
    mode = nested(_INFO_SLAVE_DATA, attribute(_BRPORT_MODE, b"\1"))
    info = nested(_IFLA_LINKINFO, text(_INFO_SLAVE_KIND, "bridge"), mode)
    return Message(_NEWLINK, 0, _link() + text(_IFLA_IFNAME, name) + info)


def _up(index: int) -> Message:
    return Message(_NEWLINK, 0, _link(index=index, flags=_IFF_UP, change=_IFF_UP))


def _address(index: int, address: IPv4Interface) -> Message:
    header = _ADDRESS.pack(socket.AF_INET, address.network.prefixlen, 0, 0, index)
    local = attribute(_IFA_LOCAL, address.packed) + attribute(_IFA_ADDRESS, address.packed)
    broadcast = attribute(_IFA_BROADCAST, address.network.broadcast_address.packed)
    return Message(_NEWADDR, CREATE | REPLACE, header + local + broadcast)


@contextmanager
def inside(netns: int) -> Iterator[None]:
    """Run the calling thread in the network namespace behind the descriptor. Sockets opened inside stay inside."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(netns)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _setns(descriptor: int) -> None:
    # os.setns exists from Python 3.12 on.
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
