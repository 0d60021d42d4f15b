"""The addresses of Services as pods meet them: one leads to the API server, at the others nobody answers.

In a cluster kube-proxy sees to both. The rules are for what comes from the bridge only: the traffic of the host itself,
and of the pods in its network, stays as it is, for there two servers could not be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

import msgspec

from pillion.network.leases import LeaseBook


class ServiceNetwork(msgspec.Struct, frozen=True, kw_only=True):
    addresses: IPv4Network
    """All that Services can have."""
    api_server: IPv4Address
    """That of the Service default/kubernetes."""
    port: int
    target_port: int
    """Where the API server listens on the bridge's own address."""
    listen: Callable[[IPv4Address, str], None]
    """Listen there (the address, the bridge's name), for what comes through the bridge. Idempotent.

    Raises HostError."""


def render_api_server(book: LeaseBook, services: ServiceNetwork) -> str:
    """Lead pods to the API server. Earlier than other programs' rules for the same address, kube-proxy's say."""
    return f"""table ip {book.bridge} {{
    chain api_server {{
        type nat hook prerouting priority dstnat - 10;
        iifname "{book.bridge}" ip daddr {services.api_server} tcp dport {services.port} \
dnat to {book.gateway.ip}:{services.target_port}
    }}
}}
"""


def render_refusal(book: LeaseBook, services: ServiceNetwork, routed: Iterable[IPv4Network]) -> str:
    """Refuse what pods send to Services, at once; without it, it would leave by the default route, to anybody.

    Where this host has a route of its own (`routed`: a VPN's, say), that is followed.
    kube-proxy does the same with addresses that no Service has (pkg/proxy/nftables/proxier.go: cluster-ips-check).
    """
    own = [str(net) for net in collapse_addresses(routed) if net.overlaps(services.addresses)]
    unless = f" ip daddr != {{ {', '.join(own)} }}" if own else ""
    return f"""table ip {book.bridge} {{
    chain services {{
        type filter hook forward priority filter;
        iifname "{book.bridge}" ip daddr {services.addresses}{unless} reject
    }}
}}
"""
