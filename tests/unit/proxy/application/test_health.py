"""Readiness is of the listeners; what is behind them is told apart."""

from __future__ import annotations

import msgspec
import pytest

from pillion.proxy.application.health import (
    Serving,
    local_ports,
    local_upstream,
    remote_upstreams,
    unreadiness,
)
from pillion.proxy.configuration.values import Configuration, Inbound, Match, Outbound, Route, Tls
from pillion.proxy.envoy.admin import HostStatus

GOOD = Serving(has_started=True, is_draining=False, is_live=True, active=2, wanted=2)
OTHER = Outbound(name="other", port=9001, to=("other.test", 8443))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"is_draining": True}, "draining"),
        ({"has_started": False}, "starting"),
        ({"is_live": False}, "Envoy is not live"),
        ({"active": 1}, "1 of 2 listeners are active"),
        ({"active": 3}, ""),
    ],
)
def test_it_is_ready_when_all_listeners_serve(change: dict[str, bool | int], reason: str) -> None:
    assert unreadiness(msgspec.structs.replace(GOOD, **change)) == reason


def test_each_local_port_is_asked_once() -> None:
    routes = tuple(Route(name=name, match=Match(), to=to) for name, to in (("a", 1), ("b", 2), ("c", 1)))
    inbound = Inbound(name="agent", port=8443, tls=Tls.NONE, routes=routes)
    assert local_ports(Configuration(file="f", inbound=(inbound,))) == [("agent/a", 1), ("agent/b", 2)]


def test_a_local_port_that_nobody_listens_on_has_a_hint() -> None:
    found = local_upstream("agent/a", 8000, "connection refused")
    assert (found.healthy, found.reason) == (
        False,
        "connection refused: does the agent listen on this port?",
    )


@pytest.mark.parametrize(
    ("hosts", "reason"),
    [
        ({}, "its name does not resolve"),
        ({"outbound-other": (HostStatus(address="1.1.1.1:1", is_healthy=True),)}, ""),
        (
            {
                "outbound-other": (
                    HostStatus(address="1.1.1.1:1", is_healthy=False),
                    HostStatus(address="1.1.1.2:1", is_healthy=True),
                )
            },
            "",
        ),
        (
            {"outbound-other": (HostStatus(address="1.1.1.1:1", is_healthy=False),)},
            "ejected after errors: 1.1.1.1:1",
        ),
    ],
)
def test_an_outbound_is_healthy_while_one_host_is(
    hosts: dict[str, tuple[HostStatus, ...]], reason: str
) -> None:
    [found] = remote_upstreams([OTHER], hosts)
    assert (found.healthy, found.reason, found.address) == (not reason, reason, "other.test:8443")
