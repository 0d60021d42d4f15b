"""Forgetting UDP flows whose translation has changed (linux/netfilter/nfnetlink_conntrack.h).

NAT rules see only the first packet of a flow, and a UDP flow lasts as long as somebody keeps sending. An agent that
sends to a statsd sidecar's host port would go on sending to the address of the pod before.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from pillion.network.netlink import NESTED, Message, NetlinkSocket, attribute, decode_attributes

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102
_TUPLE_ORIGINAL, _TUPLE_REPLY, _ZONE = 1, 2, 18
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_IP_SOURCE, _IP_DESTINATION = 1, 2
_PROTOCOL_NUMBER, _PROTOCOL_DESTINATION_PORT = 1, 3
_FAMILY = struct.Struct("=BBH")
_ANY_FLOW = _FAMILY.pack(socket.AF_INET, 0, 0)


class _Flow(NamedTuple):
    destination: IPv4Address
    port: int
    answered_by: IPv4Address
    """Who answers: differs from `destination` when the flow is translated."""
    key: bytes
    """The attributes that name the flow, as the kernel sent them."""


def forget_flows_to_pod(ip: IPv4Address) -> None:
    """Forget every UDP flow that is translated to the pod. Raises OSError."""
    _forget(lambda flow: flow.answered_by == ip and flow.destination != ip)


def forget_flows_to_port(port: int) -> None:
    """Forget every UDP flow to the port that is not translated: sent while nobody was there. Raises OSError."""
    _forget(lambda flow: flow.port == port and flow.answered_by == flow.destination)


def _forget(is_stale: Callable[[_Flow], bool]) -> None:
    netlink = NetlinkSocket(_NETLINK_NETFILTER)
    try:
        stale = [flow for flow in _udp_flows(netlink) if is_stale(flow)]
        for flow in stale:
            try:
                netlink.request(Message(_DELETE, 0, _ANY_FLOW + flow.key))
            except FileNotFoundError:
                continue  # it expired meanwhile
    finally:
        netlink.close()


def _udp_flows(netlink: NetlinkSocket) -> Iterator[_Flow]:
    for message in netlink.dump(Message(_GET, 0, _ANY_FLOW)):
        attributes = decode_attributes(message.body[_FAMILY.size :])
        original = decode_attributes(attributes[_TUPLE_ORIGINAL])
        protocol = decode_attributes(original[_TUPLE_PROTOCOL])
        if protocol[_PROTOCOL_NUMBER][0] != socket.IPPROTO_UDP:
            continue
        answer = decode_attributes(decode_attributes(attributes[_TUPLE_REPLY])[_TUPLE_IP])
        key = attribute(_TUPLE_ORIGINAL | NESTED, attributes[_TUPLE_ORIGINAL])
        if _ZONE in attributes:
            key += attribute(_ZONE, attributes[_ZONE])
        yield _Flow(
            destination=IPv4Address(decode_attributes(original[_TUPLE_IP])[_IP_DESTINATION]),
            port=int.from_bytes(protocol[_PROTOCOL_DESTINATION_PORT]),
            answered_by=IPv4Address(answer[_IP_SOURCE]),
            key=key,
        )
