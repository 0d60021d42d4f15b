"""The rules for addresses of Services."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from pillion.network.leases import LeaseBook
from pillion.network.services import ServiceNetwork, render_api_server, render_refusal

BOOK = LeaseBook(bridge="pln00000000", subnet="10.244.3.0/24", last_ip="10.244.3.1")
SERVICES = ServiceNetwork(
    addresses=IPv4Network("10.96.0.0/12"),
    api_server=IPv4Address("10.96.0.1"),
    port=443,
    target_port=6443,
    listen=lambda _address, _bridge: None,
)


def rule(script: str) -> str:
    [line] = [line.strip() for line in script.splitlines() if "iifname" in line]
    return line


def test_the_address_of_the_api_server_leads_to_the_bridge() -> None:
    assert rule(render_api_server(BOOK, SERVICES)) == (
        'iifname "pln00000000" ip daddr 10.96.0.1 tcp dport 443 dnat to 10.244.3.1:6443'
    )


@pytest.mark.parametrize(
    ("routed", "unless"),
    [
        ((), ""),
        (("192.0.2.0/24", "10.244.7.0/24"), ""),
        (("10.100.0.0/16", "192.0.2.0/24"), " ip daddr != { 10.100.0.0/16 }"),
        (("10.100.2.0/24", "10.99.0.0/16"), " ip daddr != { 10.99.0.0/16, 10.100.2.0/24 }"),
        (("10.100.2.0/24", "10.100.0.0/16", "10.100.2.0/24"), " ip daddr != { 10.100.0.0/16 }"),
        (("10.100.2.0/24", "10.0.0.0/8"), " ip daddr != { 10.0.0.0/8 }"),
    ],
)
def test_other_addresses_are_refused_but_where_the_host_has_a_route_of_its_own(
    routed: tuple[str, ...], unless: str
) -> None:
    script = render_refusal(BOOK, SERVICES, map(IPv4Network, routed))
    assert rule(script) == f'iifname "pln00000000" ip daddr 10.96.0.0/12{unless} reject'
