"""The seam to the pod network: what the node asks of it, whoever answers (a bridge of Linux, or the fake in `testing`).

A pod with hostNetwork needs none of it but `node_ip`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pillion.errors import HostError
from pillion.plan.containerspec import HostPort


class NetworkError(HostError):
    """The pod network could not be set up as asked. The text is fit for the event FailedCreatePodSandBox."""


class AddressesExhaustedError(NetworkError):
    def __init__(self, addresses: str) -> None:
        super().__init__(
            f"failed to allocate for range 0: no IP addresses available in range set: {addresses}"
        )


class NoFreeSubnetError(NetworkError):
    def __init__(self, pools: str) -> None:
        super().__init__(f"cannot choose a pod subnet: routes of this host overlap every /24 of {pools}")


class HostPortInUseError(NetworkError):
    """In the words of the kubelet's hostport code and of Go's net package, and who holds the port if /proc tells."""

    def __init__(self, port: HostPort, holder: str | None) -> None:
        address = f"{port.protocol.lower()}4 {port.host_ip}:{port.host_port}"
        by = f" (held by {holder})" if holder else ""
        super().__init__(
            f"cannot open hostport {port.host_port}: listen {address}: bind: address already in use{by}"
        )
        self.port = port
        self.holder = holder


class Network(Protocol):
    async def open(self) -> None:
        """Read the leases an earlier process left and take its bridge and host ports over.

        Raises NetworkError. A host without pods on the network is not touched.
        """

    async def close(self) -> None:
        """Let go. Pods keep their network and host ports; when there is none left, nothing is left on the host."""

    async def retain(self, pod_uids: Iterable[str]) -> None:
        """Detach every pod that is not among these: what an earlier process did not get to."""

    async def attach(
        self, pod_uid: str, attempt: int, netns: str, ports: tuple[HostPort, ...]
    ) -> tuple[str, ...]:
        """Give the sandbox `lo`, `eth0` with an address, a default route and its host ports. Returns the pod IPs.

        An earlier sandbox of the pod is detached first. Raises NetworkError (HostPortInUseError,
        AddressesExhaustedError); leaves nothing behind then. After a cancellation `detach` cleans up.
        """

    async def publish(self, pod_uid: str, ports: tuple[HostPort, ...]) -> None:
        """More host ports for an attached pod. Raises NetworkError; the pod keeps those it had."""

    async def detach(self, pod_uid: str) -> None:
        """Take link, address and host ports away from the pod. Idempotent."""

    def node_ip(self) -> str:
        """The node's address: `status.hostIP`. Asked anew each time; a laptop moves."""

    def warnings(self) -> tuple[str, ...]:
        """What this host does not allow or had to be told, in sentences for people. Each is returned once."""
