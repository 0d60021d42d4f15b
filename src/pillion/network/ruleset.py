"""The nftables rules of one bridge, as text for `nft -f`: functions of the leases.

nft applies a script as one transaction. Taking anything away costs a grace period of RCU (about 10 ms, waiting), so
a pod that comes only adds to the maps, and a pod that goes has them rewritten. Established connections live
in conntrack and notice neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from pillion.network.leases import ANY_ADDRESS, Lease, LeaseBook


def render_table(book: LeaseBook) -> str:
    """The whole table, named like the bridge, where there is none."""
    bridge, subnet = book.bridge, book.subnet
    return f"""table ip {bridge} {{
    map ports {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
    map address_ports {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
    chain host_ports {{
        dnat ip to ip daddr . meta l4proto . th dport map @address_ports
        fib daddr type local dnat ip to meta l4proto . th dport map @ports
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        jump host_ports
    }}
    chain output {{
        type nat hook output priority -100;
        jump host_ports
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        ip saddr {subnet} oifname != "{bridge}" ip daddr != 224.0.0.0/4 masquerade
        # A client that is a neighbour of the pod, or this host by 127.0.0.1, must get its answer through us.
        oifname "{bridge}" ct status dnat ip saddr {{ {subnet}, 127.0.0.0/8 }} masquerade
    }}
    chain martians {{
        # route_localnet would let pods reach what listens on the host's 127.0.0.1 only (CVE-2020-8558).
        type filter hook prerouting priority raw;
        iifname "{bridge}" ip daddr 127.0.0.0/8 drop
    }}
}}
{render_ports(bridge, book.leases)}"""


def render_removal(bridge: str) -> str:
    """Remove the table, whether it is there or not."""
    return f"table ip {bridge}\ndelete table ip {bridge}\n"


def render_rewrite(book: LeaseBook) -> str:
    """Leave exactly the host ports of the leases."""
    flush = f"flush map ip {book.bridge} ports\nflush map ip {book.bridge} address_ports\n"
    return flush + render_ports(book.bridge, book.leases)


def render_ports(bridge: str, leases: Iterable[Lease]) -> str:
    """Add the host ports of these leases. Those that are there already are no error. Empty when there is none."""
    lines = []
    for lease in leases:
        for port in lease.ports:
            entry = f"{port.protocol.lower()} . {port.host_port} : {lease.ip} . {port.container_port}"
            if port.host_ip == ANY_ADDRESS:
                lines.append(f"add element ip {bridge} ports {{ {entry} }}\n")
            else:
                lines.append(f"add element ip {bridge} address_ports {{ {port.host_ip} . {entry} }}\n")
    return "".join(lines)
