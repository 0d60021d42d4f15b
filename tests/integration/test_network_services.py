"""Addresses of Services in a kernel, seen from pods, from the host and from the machine next door."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath

import pytest
from tests.network_lab import HOST, OUTSIDE, Lab, open_lab

from pillion.daemon.httpserver import listen_to_pods
from pillion.errors import HostError
from pillion.network import BridgeNetwork, ServiceNetwork, bridge_name
from pillion.statedir import StateDir

pytestmark = pytest.mark.host

API, OTHER = "10.96.0.1", "10.100.2.3"
PORT = 6443
AT_ONCE = 2.0
"""Seconds; the first repetition of an unanswered packet would come after one, giving up after two minutes."""

Scenario = Callable[[BridgeNetwork], Awaitable[None]]


class Api:
    """Stands for the API server: a listener on the bridge's address."""

    def __init__(self) -> None:
        self.listener: socket.socket | None = None

    def listen(self, address: IPv4Address, bridge: str) -> None:
        if self.listener is None:
            self.listener = listen_to_pods(address, bridge, PORT)
            self.listener.settimeout(5)

    @property
    def network(self) -> ServiceNetwork:
        return ServiceNetwork(
            addresses=IPv4Network("10.96.0.0/12"),
            api_server=IPv4Address(API),
            port=443,
            target_port=PORT,
            listen=self.listen,
        )

    def close(self) -> None:
        if self.listener is not None:
            self.listener.close()
            self.listener = None


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab() as lab:
        yield lab


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(PurePosixPath(tmp_path))


@pytest.fixture
def api() -> Iterator[Api]:
    with closing(Api()) as api:
        yield api


def run(state: StateDir, api: Api, scenario: Scenario) -> None:
    async def main() -> None:
        network = BridgeNetwork(state, api.network)
        await network.open()
        try:
            await scenario(network)
        finally:
            await network.retain(())
            await network.close()

    asyncio.run(main())


async def attach(network: BridgeNetwork, lab: Lab, uid: str) -> tuple[int, str]:
    netns = lab.netns()
    (ip,) = await network.attach(uid, 0, lab.path(netns), ())
    return netns, ip


def refused_at_once(lab: Lab, netns: int, address: str, port: int) -> bool:
    with lab._socket(netns, socket.SOCK_STREAM) as client:
        before = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            client.connect((address, port))
        return time.monotonic() - before < AT_ONCE


def reach(lab: Lab, api: Api, netns: int, address: str = API, port: int = 443) -> str:
    assert api.listener is not None
    return lab.reach(api.listener, address, port, netns=netns)


def test_pods_reach_the_api_server_and_it_sees_which_pod_calls(lab: Lab, state: StateDir, api: Api) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        for uid in ("one", "two"):
            pod, ip = await attach(network, lab, uid)
            assert reach(lab, api, pod) == ip
        assert network.warnings()[1:] == (), "but for ip_forward, nothing is wrong"

    run(state, api, scenario)
    assert lab.run("nft", "list", "ruleset") == ""


@pytest.mark.parametrize(
    ("address", "port"), [(API, 80), ("10.96.0.10", 53), (OTHER, 443), ("10.111.255.254", 1)]
)
def test_what_no_service_answers_is_refused_at_once_and_stays_on_the_machine(
    lab: Lab, state: StateDir, api: Api, address: str, port: int
) -> None:
    lab.run("ip", "address", "add", f"{address}/32", "dev", "lo", netns=lab.outside)
    stranger = lab.serve(lab.outside, port)

    async def scenario(network: BridgeNetwork) -> None:
        pod, _ = await attach(network, lab, "pod")
        assert refused_at_once(lab, pod, address, port)
        lab.reach(stranger, address, port)
        lab.reach(stranger, OUTSIDE, port, netns=pod)

    run(state, api, scenario)


@pytest.mark.parametrize("route", [f"{OTHER}/32", "10.100.0.0/16", "10.0.0.0/8"])
def test_a_route_of_the_host_goes_before(lab: Lab, state: StateDir, api: Api, route: str) -> None:
    """As a VPN has it. The API server's address is ours all the same."""
    lab.run("ip", "route", "add", route, "via", OUTSIDE)
    lab.run("ip", "address", "add", f"{OTHER}/32", "dev", "lo", netns=lab.outside)
    there = lab.serve(lab.outside, 443)

    async def scenario(network: BridgeNetwork) -> None:
        pod, _ = await attach(network, lab, "pod")
        assert lab.reach(there, OTHER, 443, netns=pod) == HOST
        reach(lab, api, pod)

    run(state, api, scenario)


def test_only_pods_reach_the_api_server(lab: Lab, state: StateDir, api: Api) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        _, ip = await attach(network, lab, "pod")
        gateway = ip.rpartition(".")[0] + ".1"
        for address in (API, gateway):
            lab.run("ip", "route", "add", f"{address}/32", "via", HOST, netns=lab.outside)
        assert lab.is_refused(API, 443, netns=lab.outside)
        assert lab.is_refused(gateway, PORT, netns=lab.outside)
        assert lab.is_refused(HOST, PORT, netns=lab.outside)
        assert lab.is_refused(API, 443), "the host's own traffic is not touched"

    run(state, api, scenario)


def test_rules_of_another_program_for_the_same_address_come_later(
    lab: Lab, state: StateDir, api: Api
) -> None:
    """A machine that is a node of a real cluster, too, whichever of both was there first."""

    def begin(table: str) -> None:
        chain = "{ type nat hook prerouting priority dstnat; }"
        rule = f"ip daddr {API} tcp dport 443 dnat to {OUTSIDE}:443"
        lab.run(
            "nft",
            f"add table ip {table}; add chain ip {table} services {chain}; add rule ip {table} services {rule}",
        )

    async def scenario(network: BridgeNetwork) -> None:
        begin("before")
        pod, _ = await attach(network, lab, "pod")
        begin("after")
        reach(lab, api, pod)

    run(state, api, scenario)


def test_pods_of_a_server_that_is_gone_are_refused_and_reach_the_next_one(
    lab: Lab, state: StateDir, api: Api
) -> None:
    async def first() -> int:
        network = BridgeNetwork(state, api.network)
        await network.open()
        pod, _ = await attach(network, lab, "pod")
        api.close()
        await network.close()
        return pod

    pod = asyncio.run(first())
    assert refused_at_once(lab, pod, API, 443)

    async def scenario(_: BridgeNetwork) -> None:
        reach(lab, api, pod)

    run(state, api, scenario)


def test_two_servers_have_each_their_own_pods(lab: Lab, tmp_path: Path) -> None:
    apis = [Api(), Api()]
    networks = [
        BridgeNetwork(StateDir(PurePosixPath(tmp_path / name)), api.network)
        for name, api in zip("ab", apis, strict=True)
    ]

    async def scenario() -> None:
        pods = []
        for network in networks:
            await network.open()
            pods.append((await attach(network, lab, "pod"))[0])
        for pod, api in zip(pods, apis, strict=True):
            reach(lab, api, pod)
        for api, network in zip(apis, networks, strict=True):
            api.close()
            await network.detach("pod")
            await network.close()
            if network is networks[0]:
                reach(lab, apis[1], pods[1])

    asyncio.run(scenario())
    assert lab.run("nft", "list", "ruleset") == ""


def test_an_api_server_that_cannot_listen_is_told_and_its_address_refused(
    lab: Lab, state: StateDir, api: Api
) -> None:
    lab.serve(None, PORT)

    async def scenario(network: BridgeNetwork) -> None:
        pod, ip = await attach(network, lab, "pod")
        gateway = ip.rpartition(".")[0] + ".1"
        why = f"cannot listen on {gateway}:{PORT}: Address already in use"
        assert f"pods do not reach the API server: {why}" in network.warnings()
        assert refused_at_once(lab, pod, API, 443), "it does not lead to the other program"

    run(state, api, scenario)


def test_a_firewall_that_drops_packets_to_the_host_is_told(lab: Lab, state: StateDir, api: Api) -> None:
    lab.run(
        "nft",
        "add table ip filter; add chain ip filter INPUT { type filter hook input priority 0; policy drop; }",
    )

    async def scenario(network: BridgeNetwork) -> None:
        await attach(network, lab, "pod")
        [warning] = [one for one in network.warnings() if "nft chain filter INPUT" in one]
        assert warning.endswith(f"allow TCP port {PORT} from {bridge_name(str(state.root))}")

    run(state, api, scenario)


def test_a_network_without_services_has_no_rules_for_them(lab: Lab, state: StateDir) -> None:
    """`pillion run`."""

    async def main() -> None:
        network = BridgeNetwork(state)
        await network.open()
        await attach(network, lab, "pod")
        assert "10.96" not in lab.run("nft", "list", "table", "ip", bridge_name(str(state.root)))
        await network.retain(())
        await network.close()

    asyncio.run(main())


def test_listening_where_there_is_no_bridge_is_an_error_in_words() -> None:
    with pytest.raises(HostError, match=r"cannot listen on 192\.0\.2\.1:6443: No such device"):
        listen_to_pods(IPv4Address("192.0.2.1"), "pln-none", PORT)
