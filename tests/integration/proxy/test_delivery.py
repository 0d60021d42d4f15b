"""Updates that real Envoy refuses: it serves what it served, and the next good one is taken."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import http.client
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.proxy_traffic import PATIENCE, free_port

from pillion.proxy.application.delivery import Delivery, ask_envoy
from pillion.proxy.application.folder import open_folder
from pillion.proxy.application.messages import pass_on
from pillion.proxy.configuration.values import Configuration, Inbound, Match, Ports, Route, Tls
from pillion.proxy.envoy.admin import Admin
from pillion.proxy.envoy.launch import Call, EnvoyProcess, command_line
from pillion.proxy.envoy.program import find_program
from pillion.proxy.envoy.validation import EnvoyRefusedError
from pillion.proxy.xds import Snapshot, snapshot


@pytest.fixture
def configuration() -> Configuration:
    inbound = Inbound(
        name="agent",
        port=free_port(),
        address="127.0.0.1",
        tls=Tls.NONE,
        routes=(Route(name="all", match=Match(), to=free_port()),),
    )
    return Configuration(file="proxy.yaml", inbound=(inbound,), ports=Ports(admin=free_port()))


@contextlib.asynccontextmanager
async def running(
    configuration: Configuration, first: Snapshot, folder: Path
) -> AsyncIterator[tuple[Delivery, EnvoyProcess]]:
    call = Call(program=find_program())
    with open_folder(folder) as working, contextlib.ExitStack() as stack:
        delivery = Delivery(call, working, Admin(configuration.ports.admin))
        stack.callback(delivery.close)
        delivery.write_first(configuration, first)
        envoy = EnvoyProcess(command_line(call, delivery.bootstrap), delivery.keys.descriptors, pass_on)
        stack.callback(envoy.close)
        async with asyncio.timeout(PATIENCE):
            await delivery.until_taken(envoy)
            yield delivery, envoy


def answering(given: Snapshot, status: int) -> Snapshot:
    """All requests get this status from Envoy itself."""
    routes = copy.deepcopy(given.routes)
    for route in routes.values():
        for host in route["virtual_hosts"]:
            host["routes"] = [{"match": {"prefix": "/"}, "direct_response": {"status": status}}]
    return msgspec.structs.replace(given, routes=routes)


def listening_nowhere(given: Snapshot) -> Snapshot:
    """On an address that is not this machine's (RFC 5737)."""
    listeners = copy.deepcopy(given.listeners)
    for listener in listeners.values():
        listener["address"]["socket_address"]["address"] = "192.0.2.1"
    return msgspec.structs.replace(given, listeners=listeners)


def status_of(configuration: Configuration) -> int:
    port = configuration.inbound[0].port
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as client:
        client.request("GET", "/")
        return client.getresponse().status


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda given: answering(given, 999), "value must be inside range"),
        (listening_nowhere, "192.0.2.1"),
    ],
    ids=["a route", "a listener"],
)
def test_what_envoy_refuses_is_taken_back(
    configuration: Configuration, break_it: object, said: str, tmp_path: Path
) -> None:
    assert callable(break_it)
    good = answering(snapshot(configuration, {}), 204)
    better = answering(good, 202)

    async def main() -> None:
        async with running(configuration, good, tmp_path) as (delivery, envoy):
            assert await asyncio.to_thread(status_of, configuration) == 204
            with pytest.raises(EnvoyRefusedError, match=said):
                await delivery.deliver(break_it(better), envoy)
            assert await asyncio.to_thread(status_of, configuration) == 204
            await delivery.deliver(better, envoy)
            assert await asyncio.to_thread(status_of, configuration) == 202

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []


def test_envoy_is_asked_before_a_configuration_is_used(configuration: Configuration) -> None:
    call, good = Call(program=find_program()), snapshot(configuration, {})
    asyncio.run(ask_envoy(call, configuration, good))
    with pytest.raises(EnvoyRefusedError, match="value must be inside range"):
        asyncio.run(ask_envoy(call, configuration, answering(good, 999)))
