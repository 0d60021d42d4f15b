"""What every pod network promises, asked of the one in the kernel and of the fake alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import pytest
from tests.network_lab import Lab, open_lab

from pillion.network import BridgeNetwork, HostPortInUseError, Network, NetworkError
from pillion.plan.containerspec import HostPort
from pillion.statedir import StateDir
from pillion.testing.fakenetwork import FakeNetwork

WEB = HostPort(host_port=8080, container_port=80)
Attach = Callable[..., Awaitable[str]]
Scenario = Callable[[Network, Attach], Awaitable[None]]
Exam = Callable[[Scenario], None]


@pytest.fixture(params=["fake", pytest.param("bridge", marks=pytest.mark.host)])
def exam(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Exam]:
    with ExitStack() as stack:
        lab = stack.enter_context(open_lab()) if request.param == "bridge" else None

        def sit(scenario: Scenario) -> None:
            asyncio.run(_sit(scenario, lab, tmp_path))

        yield sit


async def _sit(scenario: Scenario, lab: Lab | None, state: Path) -> None:
    network: Network = BridgeNetwork(StateDir(PurePosixPath(state))) if lab else FakeNetwork()
    await network.open()

    async def attach(uid: str, *ports: HostPort, attempt: int = 0) -> str:
        netns = lab.path(lab.netns()) if lab else f"/netns/{uid}-{attempt}"
        (ip,) = await network.attach(uid, attempt, netns, ports)
        return ip

    try:
        await scenario(network, attach)
    finally:
        await network.retain(())
        await network.close()


def test_every_pod_has_an_address_of_its_own(exam: Exam) -> None:
    async def scenario(_: Network, attach: Attach) -> None:
        addresses = [IPv4Address(await attach(uid)) for uid in ("one", "two", "three")]
        assert len(set(addresses)) == 3
        assert all(address.is_private for address in addresses)

    exam(scenario)


def test_a_new_sandbox_of_a_pod_replaces_the_old_with_another_address(exam: Exam) -> None:
    async def scenario(_: Network, attach: Attach) -> None:
        assert await attach("pod", WEB) != await attach("pod", WEB, attempt=1)

    exam(scenario)


def test_detaching_twice_or_what_was_never_attached_is_no_error(exam: Exam) -> None:
    async def scenario(network: Network, attach: Attach) -> None:
        await attach("pod")
        await network.detach("pod")
        await network.detach("pod")
        await network.detach("stranger")

    exam(scenario)


def test_a_host_port_belongs_to_one_pod_at_a_time(exam: Exam) -> None:
    async def scenario(network: Network, attach: Attach) -> None:
        await attach("one", WEB)
        with pytest.raises(HostPortInUseError, match=r"address already in use \(held by pod one\)"):
            await attach("two", WEB)
        await network.detach("one")
        await attach("two", WEB)

    exam(scenario)


def test_a_refused_pod_holds_nothing(exam: Exam) -> None:
    async def scenario(network: Network, attach: Attach) -> None:
        other = HostPort(host_port=8081, container_port=80)
        await attach("one", WEB)
        with pytest.raises(HostPortInUseError):
            await attach("two", other, WEB)
        with pytest.raises(NetworkError, match="is not attached"):
            await network.publish("two", (other,))
        await attach("three", other)

    exam(scenario)


def test_retaining_some_pods_frees_what_the_others_held(exam: Exam) -> None:
    async def scenario(network: Network, attach: Attach) -> None:
        await attach("one", WEB)
        await attach("two")
        await network.retain({"two", "never attached"})
        await attach("three", WEB)
        with pytest.raises(NetworkError):
            await network.publish("one", (WEB,))

    exam(scenario)


def test_publishing_what_is_published_changes_nothing(exam: Exam) -> None:
    async def scenario(network: Network, attach: Attach) -> None:
        await attach("pod", WEB, WEB)
        await network.publish("pod", (WEB,))

    exam(scenario)


def test_pods_may_come_and_go_at_once(exam: Exam) -> None:
    async def scenario(network: Network, attach: Attach) -> None:
        async def live(number: int) -> str:
            ip = await attach(f"pod-{number}", HostPort(host_port=9000 + number, container_port=80))
            await network.detach(f"pod-{number}")
            return ip

        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(live(number)) for number in range(8)]
        assert len({life.result() for life in lives}) == 8

    exam(scenario)


def test_the_node_has_an_address(exam: Exam) -> None:
    async def scenario(network: Network, _: Attach) -> None:
        assert not IPv4Address(network.node_ip()).is_loopback

    exam(scenario)
