"""Ports that are taken are told apart, each with its place."""

from __future__ import annotations

import socket

import pytest

from pillion.proxy.application.ports import Place, PortsTakenError, all_places, check_free
from pillion.proxy.configuration.values import Configuration, Inbound, Outbound, Tls


def test_every_port_of_a_configuration_is_looked_at() -> None:
    configuration = Configuration(
        file="f",
        inbound=(Inbound(name="agent", port=8443, tls=Tls.NONE, routes=()),),
        outbound=(Outbound(name="other", port=9001, to=("other", 1)),),
        lines={"inbound[0].port": 7, "outbound[0].port": 9, "ports.metrics": 12},
    )
    assert [(place.key, place.bound, place.line) for place in all_places(configuration)] == [
        ("inbound[0].port", ("0.0.0.0", 8443), 7),
        ("outbound[0].port", ("127.0.0.1", 9001), 9),
        ("ports.admin", ("127.0.0.1", 15000), 0),
        ("ports.metrics", ("127.0.0.1", 15020), 12),
        ("ports.health", ("0.0.0.0", 15021), 0),
    ]


def test_all_ports_that_are_taken_are_said_at_once() -> None:
    with socket.socket() as one, socket.socket() as two:
        taken = []
        for listening in (one, two):
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            taken.append(listening.getsockname()[1])
        wanted = [Place(address="0.0.0.0", port=port, key=f"port{port}", line=4) for port in taken]
        with pytest.raises(PortsTakenError) as raised:
            check_free("proxy.yaml", wanted)
        assert [line.partition(" is in use")[0] for line in str(raised.value).splitlines()] == [
            f"proxy.yaml:4: port{port}: port {port}" for port in taken
        ]
        check_free("proxy.yaml", wanted, frozenset(place.bound for place in wanted))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(PortsTakenError, match=r"f: a: 192.0.2.1 is no address of this machine"):
        check_free("f", [Place(address="192.0.2.1", port=0, key="a")])
