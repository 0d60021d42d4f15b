"""The bridge network in a kernel, seen from pods, from the host and from the machine next door."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
from tests.network_lab import HOST, OUTSIDE, Lab, open_lab

from pillion.network import BridgeNetwork, HostPortInUseError, NetworkError, bridge_name
from pillion.plan.containerspec import HostPort
from pillion.statedir import StateDir

pytestmark = pytest.mark.host

WEB = HostPort(host_port=8080, container_port=80)
STATSD = HostPort(host_port=8125, container_port=8125, protocol="UDP")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab() as lab:
        yield lab


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(PurePosixPath(tmp_path))


def run(state: StateDir, scenario: Callable[[BridgeNetwork], Awaitable[None]]) -> None:
    async def main() -> None:
        network = BridgeNetwork(state)
        await network.open()
        try:
            await scenario(network)
        finally:
            await network.retain(())
            await network.close()

    asyncio.run(main())


async def attach(
    network: BridgeNetwork, lab: Lab, uid: str, *ports: HostPort, attempt: int = 0
) -> tuple[int, str]:
    netns = lab.netns()
    (ip,) = await network.attach(uid, attempt, lab.path(netns), ports)
    return netns, ip


def leftovers(lab: Lab) -> tuple[set[str], str]:
    links = {link["ifname"] for link in json.loads(lab.run("ip", "-json", "link"))}
    return links, lab.run("nft", "list", "ruleset")


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_pods_reach_each_other_and_the_host_reaches_them(lab: Lab, state: StateDir) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        one, one_ip = await attach(network, lab, "one")
        two, two_ip = await attach(network, lab, "two")
        first, second = lab.serve(one, 80), lab.serve(two, 80)
        assert lab.reach(second, two_ip, 80, netns=one) == one_ip
        assert lab.reach(first, one_ip, 80, netns=two) == two_ip
        assert lab.reach(first, "127.0.0.1", 80, netns=one) == "127.0.0.1"
        lab.reach(first, one_ip, 80)
        lab.reach(second, two_ip, 80)

    run(state, scenario)


def test_a_pod_reaches_other_machines_under_the_address_of_the_host(lab: Lab, state: StateDir) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        pod, _ = await attach(network, lab, "pod")
        assert any("net.ipv4.ip_forward" in warning for warning in network.warnings())
        assert network.warnings() == ()
        server = lab.serve(lab.outside, 443)
        assert lab.reach(server, OUTSIDE, 443, netns=pod) == HOST
        assert "mtu 1400" in lab.run("ip", "link", "show", "eth0", netns=pod)

    run(state, scenario)


@pytest.mark.parametrize("filtered", ["0", "1"])
def test_a_host_port_leads_to_the_pod_from_everywhere(lab: Lab, state: StateDir, filtered: str) -> None:
    bridged_packets_meet_nat = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if bridged_packets_meet_nat.exists():
        bridged_packets_meet_nat.write_text(filtered)

    async def scenario(network: BridgeNetwork) -> None:
        pod, ip = await attach(network, lab, "pod", WEB)
        neighbour, _ = await attach(network, lab, "neighbour")
        server = lab.serve(pod, 80)
        lab.reach(server, "127.0.0.1", 8080)
        lab.reach(server, HOST, 8080)
        assert lab.reach(server, HOST, 8080, netns=lab.outside) == OUTSIDE, "the client's own address arrives"
        lab.reach(server, HOST, 8080, netns=neighbour)
        lab.reach(server, network.node_ip(), 8080, netns=pod)
        await network.detach("pod")
        assert lab.is_refused("127.0.0.1", 8080)
        assert lab.is_refused(HOST, 8080, netns=lab.outside)
        assert ip not in lab.run("nft", "list", "ruleset")

    run(state, scenario)


def test_a_host_port_on_loopback_is_not_open_to_other_machines(lab: Lab, state: StateDir) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        local = HostPort(host_port=8080, container_port=80, host_ip="127.0.0.1")
        pod, _ = await attach(network, lab, "pod", local)
        server = lab.serve(pod, 80)
        lab.reach(server, "127.0.0.1", 8080)
        assert lab.is_refused(HOST, 8080, netns=lab.outside)

    run(state, scenario)


def test_a_udp_sender_that_never_stops_reaches_the_next_pod(lab: Lab, state: StateDir) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        agent = lab.client()
        agent.sendto(b"nobody is there yet", ("127.0.0.1", STATSD.host_port))
        for attempt in (0, 1):
            pod, _ = await attach(network, lab, "pod", STATSD, attempt=attempt)
            server = lab.serve(pod, STATSD.container_port, socket.SOCK_DGRAM)
            agent.sendto(b"hits:1|c", ("127.0.0.1", STATSD.host_port))
            assert server.recv(100) == b"hits:1|c"

    run(state, scenario)


def test_a_host_port_of_another_program_is_left_alone_and_the_program_named(
    lab: Lab, state: StateDir
) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        before = leftovers(lab)
        with lab.serve(None, 8080) as program:
            with pytest.raises(HostPortInUseError) as caught:
                await attach(network, lab, "pod", WEB)
            assert str(caught.value).startswith(
                "cannot open hostport 8080: listen tcp4 0.0.0.0:8080: bind: address already in use (held by "
            )
            assert f"pid {os.getpid()}" in str(caught.value)
            lab.reach(program, "127.0.0.1", 8080)
        assert leftovers(lab)[0] == before[0] | {bridge_name(str(state.root))}
        await attach(network, lab, "pod", WEB)
        with pytest.raises(OSError, match="already in use"):
            lab.serve(None, 8080)

    run(state, scenario)


def test_ports_published_later_can_be_refused_without_harm_to_the_others(lab: Lab, state: StateDir) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        pod, _ = await attach(network, lab, "pod", WEB)
        server = lab.serve(pod, 80)
        lab.serve(None, 9000)
        more = (HostPort(host_port=8081, container_port=80), HostPort(host_port=9000, container_port=80))
        with pytest.raises(HostPortInUseError):
            await network.publish("pod", more)
        lab.reach(server, "127.0.0.1", 8080)
        assert lab.is_refused("127.0.0.1", 8081)
        await network.publish("pod", more[:1])
        lab.reach(server, "127.0.0.1", 8081)

    run(state, scenario)


def test_a_firewall_that_drops_forwarded_packets_is_told(lab: Lab, state: StateDir) -> None:
    lab.run(
        "nft",
        "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
    )

    async def scenario(network: BridgeNetwork) -> None:
        await attach(network, lab, "pod")
        assert any("nft chain filter FORWARD" in warning for warning in network.warnings())

    run(state, scenario)


def test_an_address_that_is_not_ours_is_refused_in_words(lab: Lab, state: StateDir) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        foreign = HostPort(host_port=8080, container_port=80, host_ip="198.51.100.7")
        with pytest.raises(NetworkError, match="bind: cannot assign requested address"):
            await attach(network, lab, "pod", foreign)

    run(state, scenario)


def test_pods_do_not_reach_what_listens_on_the_loopback_of_the_host(lab: Lab, state: StateDir) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        pod, ip = await attach(network, lab, "pod", WEB)
        gateway = ip.rsplit(".", 1)[0] + ".1"
        lab.serve(None, 6443, address="127.0.0.1")
        lab.run("ip", "address", "flush", "dev", "lo", netns=pod)
        lab.run("sysctl", "-q", "-w", "net.ipv4.conf.eth0.route_localnet=1", netns=pod)
        lab.run("ip", "route", "add", "127.0.0.1", "via", gateway, "src", ip, netns=pod)
        assert lab.is_refused("127.0.0.1", 6443, netns=pod)
        lab.run("nft", "flush", "chain", "ip", bridge_name(str(state.root)), "martians")
        assert not lab.is_refused("127.0.0.1", 6443, netns=pod), "without the rule it would be reached"

    run(state, scenario)


def test_a_new_process_takes_over_what_a_killed_one_left(lab: Lab, state: StateDir) -> None:
    killed = BridgeNetwork(state)

    async def before() -> tuple[socket.socket, str]:
        await killed.open()
        pod, ip = await attach(killed, lab, "pod", WEB)
        await attach(killed, lab, "forgotten")
        return lab.serve(pod, 80), ip

    untouched = leftovers(lab)
    server, ip = asyncio.run(before())
    for hold in killed._holds.values():
        hold.release()  # as the kernel does

    async def scenario(network: BridgeNetwork) -> None:
        lab.reach(server, "127.0.0.1", 8080)
        with pytest.raises(OSError, match="already in use"):
            lab.serve(None, 8080)
        await network.retain({"pod"})
        lab.reach(server, ip, 80)
        _, other = await attach(network, lab, "other")
        assert other not in (ip, str(killed._book and killed._book.leases[1].ip)), "addresses are reused late"

    run(state, scenario)
    assert leftovers(lab) == untouched
    killed._kernel.submit(killed._close_links)
    killed._kernel.shutdown()


def test_pods_survive_the_loss_of_bridge_and_rules(lab: Lab, state: StateDir) -> None:
    async def first() -> tuple[socket.socket, str]:
        network = BridgeNetwork(state)
        await network.open()
        pod, ip = await attach(network, lab, "pod", WEB)
        await network.close()
        return lab.serve(pod, 80), ip

    server, ip = asyncio.run(first())
    lab.run("ip", "link", "delete", bridge_name(str(state.root)))
    lab.run("nft", "flush", "ruleset")

    async def scenario(_: BridgeNetwork) -> None:
        lab.reach(server, ip, 80)
        lab.reach(server, "127.0.0.1", 8080)

    run(state, scenario)


def test_two_state_directories_live_side_by_side_and_the_host_is_as_before(lab: Lab, tmp_path: Path) -> None:
    before = leftovers(lab)
    networks = [BridgeNetwork(StateDir(PurePosixPath(tmp_path / name))) for name in ("a", "b")]

    async def scenario() -> None:
        addresses = set()
        for network in networks:
            await network.open()
            pod, ip = await attach(network, lab, "pod")
            addresses.add(ip)
            lab.reach(lab.serve(pod, 80), ip, 80)
        assert len(addresses) == 2
        for network in networks:
            await network.detach("pod")
            await network.detach("pod")
            await network.close()

    asyncio.run(scenario())
    assert leftovers(lab) == before


def test_a_host_without_pods_is_not_touched(lab: Lab, state: StateDir) -> None:
    before = leftovers(lab)

    async def scenario(network: BridgeNetwork) -> None:
        assert network.node_ip() == HOST
        await network.detach("never seen")
        assert leftovers(lab) == before

    run(state, scenario)
    assert not Path(state.network).exists()


def test_a_namespace_that_is_gone_is_an_error_that_leaves_nothing(lab: Lab, state: StateDir) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        with pytest.raises(NetworkError, match=r"cannot attach the pod to pln.*: no such file or directory"):
            await network.attach("pod", 0, "/proc/0/ns/net", ())

    before = leftovers(lab)
    run(state, scenario)
    assert leftovers(lab) == before


@pytest.mark.parametrize("steps", [1, 3, 10, 30, 100])
def test_a_first_attach_that_was_cancelled_leaves_no_link_and_no_socket(
    lab: Lab, state: StateDir, steps: int
) -> None:
    async def scenario(network: BridgeNetwork) -> None:
        path = lab.path(lab.netns())
        attaching = asyncio.ensure_future(network.attach("pod", 0, path, ()))
        for _ in range(steps):
            await asyncio.sleep(0)
        attaching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await attaching
        await attach(network, lab, "next")
        await network.detach("pod")

    before, descriptors = leftovers(lab), open_descriptors()
    run(state, scenario)
    assert leftovers(lab) == before
    assert open_descriptors() == descriptors + 2, "the lab holds the two namespaces"
