"""The text given to nft."""

from __future__ import annotations

from pillion.network.leases import LeaseBook
from pillion.network.ruleset import render_ports, render_rewrite, render_table
from pillion.plan.containerspec import HostPort

EMPTY = LeaseBook(bridge="pln00000000", subnet="10.244.3.0/24", last_ip="10.244.3.1")
BOOK = EMPTY.with_lease("pod", 0)[0].with_ports(
    "pod",
    (
        HostPort(host_port=8080, container_port=80),
        HostPort(host_port=8125, container_port=8126, protocol="UDP", host_ip="127.0.0.1"),
    ),
)


def test_ports_on_every_address_and_on_one_go_into_maps_of_their_own() -> None:
    assert render_ports(BOOK.bridge, BOOK.leases).splitlines() == [
        "add element ip pln00000000 ports { tcp . 8080 : 10.244.3.2 . 80 }",
        "add element ip pln00000000 address_ports { 127.0.0.1 . udp . 8125 : 10.244.3.2 . 8126 }",
    ]


def test_a_table_begins_with_the_ports_that_are_leased() -> None:
    assert render_table(BOOK).endswith(render_ports(BOOK.bridge, BOOK.leases))


def test_without_pods_only_the_emptying_of_the_maps_is_left() -> None:
    assert render_rewrite(EMPTY) == "flush map ip pln00000000 ports\nflush map ip pln00000000 address_ports\n"
