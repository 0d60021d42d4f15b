"""Addresses and host ports as values."""

from __future__ import annotations

from ipaddress import IPv4Network

import msgspec
import pytest

from pillion.network.leases import LeaseBook, bridge_name, open_book, overlap, veth_name
from pillion.network.protocol import AddressesExhaustedError, HostPortInUseError, NoFreeSubnetError
from pillion.plan.containerspec import HostPort

SMALL = LeaseBook(bridge="pln00000000", subnet="10.244.3.0/29", last_ip="10.244.3.1")
WEB = HostPort(host_port=8080, container_port=80)


def test_addresses_begin_after_the_gateway_and_are_reused_as_late_as_possible() -> None:
    book, given = SMALL, []
    for number in range(7):
        book, lease = book.with_lease("pod", number)
        given.append(lease.ip.rpartition(".")[2])
        book = book.without("pod")
    assert given == ["2", "3", "4", "5", "6", "2", "3"]


def test_an_address_in_use_is_skipped() -> None:
    book, _ = SMALL.with_lease("stays", 0)
    for number in range(4):
        book, _ = book.with_lease(f"pod-{number}", 0)
    book, lease = book.without("pod-2").with_lease("late", 0)
    assert lease.ip == "10.244.3.5"


def test_a_full_subnet_is_an_error_in_the_words_of_the_ipam_plugin() -> None:
    book = SMALL
    for number in range(5):
        book, _ = book.with_lease(f"pod-{number}", 0)
    with pytest.raises(
        AddressesExhaustedError, match=r"no IP addresses available in range set: 10\.244\.3\.2-10\.244\.3\.6"
    ):
        book.with_lease("one too many", 0)


@pytest.mark.parametrize(
    ("change", "clashes"),
    [
        ({}, True),
        ({"container_port": 81}, True),
        ({"host_port": 8081}, False),
        ({"protocol": "UDP"}, False),
        ({"host_ip": "127.0.0.1"}, True),
    ],
)
def test_ports_clash_on_port_protocol_and_any_common_address(
    change: dict[str, object], *, clashes: bool
) -> None:
    other = msgspec.structs.replace(WEB, **change)
    assert overlap(WEB, other) is overlap(other, WEB) is clashes


def test_the_same_port_on_two_addresses_does_not_clash() -> None:
    one, other = (msgspec.structs.replace(WEB, host_ip=ip) for ip in ("127.0.0.1", "192.0.2.1"))
    assert not overlap(one, other)


def test_a_pod_that_asks_twice_for_a_port_with_different_targets_is_refused() -> None:
    book, _ = SMALL.with_lease("pod", 0)
    with pytest.raises(HostPortInUseError):
        book.with_ports("pod", (WEB, msgspec.structs.replace(WEB, container_port=81)))


def test_a_subnet_avoids_what_the_host_routes_elsewhere() -> None:
    free = open_book("/var/lib/pillion", ())
    assert open_book("/var/lib/pillion", ()) == free
    assert open_book("/var/lib/pillion", [free.network]).subnet != free.subnet
    vpn = IPv4Network("10.0.0.0/8")
    assert not open_book("/var/lib/pillion", [vpn]).network.overlaps(vpn)
    with pytest.raises(NoFreeSubnetError):
        open_book("/var/lib/pillion", [IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")])


def test_interface_names_fit_into_fifteen_characters() -> None:
    bridge = bridge_name("/a/state/directory/with/a/rather/long/name")
    assert len(bridge) <= 15
    assert len(veth_name(bridge, "6f5d2c1e-0000-4000-8000-000000000000", 12)) <= 15


def test_a_book_survives_the_disk() -> None:
    book, _ = SMALL.with_lease("pod", 3)
    book = book.with_ports("pod", (WEB,))
    assert msgspec.json.decode(msgspec.json.encode(book), type=LeaseBook) == book
