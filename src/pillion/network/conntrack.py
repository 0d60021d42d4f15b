"""Forgetting UDP flows whose translation has changed.

NAT rules see only the first packet of a flow, and a UDP flow lasts as long as somebody keeps sending. An agent that
sends to a statsd sidecar's host port would go on sending to the address of the pod before.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address

from pyroute2.conntrack import Conntrack, ConntrackEntry
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

from pillion.network.kernelerrors import kernel_errors


def forget_flows_to_pod(ip: IPv4Address) -> None:
    """Forget every UDP flow that is translated to the pod. Raises OSError."""
    _forget(lambda flow: _is_translated(flow) and flow.tuple_reply.saddr == str(ip))


def forget_flows_to_port(port: int) -> None:
    """Forget every UDP flow to the port that is not translated: sent while nobody was there. Raises OSError."""
    _forget(lambda flow: not _is_translated(flow) and flow.tuple_orig.dport == port)


def _is_translated(flow: ConntrackEntry) -> bool:
    """Whether another than the one it was sent to answers it."""
    return bool(flow.tuple_reply.saddr != flow.tuple_orig.daddr)


@kernel_errors()
def _forget(is_stale: Callable[[ConntrackEntry], bool]) -> None:
    udp = NFCTAttrTuple(proto=socket.IPPROTO_UDP)
    with Conntrack() as conntrack:
        # The whole dump first: pyroute2 ends the socket's event loop with every conversation.
        for flow in [flow for flow in conntrack.dump_entries(tuple_orig=udp) if is_stale(flow)]:
            with suppress(FileNotFoundError), kernel_errors():  # it expired meanwhile
                conntrack.delete(flow)
