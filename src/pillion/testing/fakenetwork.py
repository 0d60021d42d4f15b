"""A pod network without a kernel: the same leases, no packets."""

from __future__ import annotations

from collections.abc import Iterable

from pillion.network import HostPortInUseError, LeaseBook, NetworkError, open_book
from pillion.plan.containerspec import HostPort


class FakeNetwork:
    """Keeps its leases while the object lives. `taken`: ports that other programs hold; `failure`: fails attach."""

    def __init__(self, *, node_ip: str = "192.0.2.10", taken: Iterable[HostPort] = ()) -> None:
        self.book: LeaseBook = open_book("/fake", ())
        self.taken = frozenset(taken)
        self.failure: str | None = None
        self.netns: dict[str, str] = {}
        """Where the pods that are attached have their link."""
        self._node_ip = node_ip

    async def open(self) -> None:
        """Nothing to find."""

    async def close(self) -> None:
        """Nothing to let go."""

    async def retain(self, pod_uids: Iterable[str]) -> None:
        known = frozenset(pod_uids)
        for lease in self.book.leases:
            if lease.pod_uid not in known:
                await self.detach(lease.pod_uid)

    async def attach(
        self,
        pod_uid: str,
        attempt: int,
        netns: str,
        ports: tuple[HostPort, ...],
    ) -> tuple[str, ...]:
        if self.failure is not None:
            raise NetworkError(self.failure)
        await self.detach(pod_uid)
        self.book, lease = self.book.with_lease(pod_uid, attempt)
        try:
            await self.publish(pod_uid, ports)
        except NetworkError:
            await self.detach(pod_uid)
            raise
        self.netns[pod_uid] = netns
        return (lease.ip,)

    async def publish(self, pod_uid: str, ports: tuple[HostPort, ...]) -> None:
        if self.book.lease(pod_uid) is None:
            raise NetworkError(f"cannot open host ports: pod {pod_uid} is not attached")
        for port in ports:
            if port in self.taken:
                raise HostPortInUseError(port, None)
        self.book = self.book.with_ports(pod_uid, ports)

    async def detach(self, pod_uid: str) -> None:
        self.netns.pop(pod_uid, None)
        self.book = self.book.without(pod_uid)

    def node_ip(self) -> str:
        return self._node_ip

    def warnings(self) -> tuple[str, ...]:
        return ()
