"""BridgeNetwork: one Linux bridge per state directory, a veth pair per pod, NAT in nftables.

The order of every change is the same: first the lease is written, then the host is changed, and the other way
round when a pod goes. So whatever is on the host has a lease that leads to it, even after kill -9.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import msgspec

from pillion.errors import HostError
from pillion.network.hostports import PortHold
from pillion.network.leases import Lease, LeaseBook, bridge_name, open_book
from pillion.network.nat import Nat
from pillion.network.protocol import NetworkError
from pillion.network.services import ServiceNetwork, render_api_server, render_refusal
from pillion.network.sysctls import allow_loopback, is_forwarding, switch_forwarding_on
from pillion.plan.containerspec import HostPort
from pillion.statedir import StateDir

if TYPE_CHECKING:
    from pillion.network.links import BridgeLinks

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")

_SOMEWHERE_ELSE = ("198.51.100.1", 9)
"""An address that only the default route leads to (TEST-NET-2, RFC 5737). Nothing is ever sent there."""


class BridgeNetwork:
    def __init__(self, state: StateDir, services: ServiceNetwork | None = None) -> None:
        """Without `services`, their addresses are like any others."""
        self._root = str(state.root)
        self._services = services
        self._file = Path(state.network)
        self._bridge = bridge_name(self._root)
        self._book: LeaseBook | None = None
        self._links: BridgeLinks | None = None
        """Made, used and closed in the thread `_kernel`."""
        self._is_up = False
        """Whether bridge and rules are there."""
        self._nat = Nat()
        self._holds: dict[str, PortHold] = {}
        self._warnings: list[str] = []
        self._kernel = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._establishing = asyncio.Lock()
        self._rules = asyncio.Lock()

    async def open(self) -> None:
        self._book = self._load()
        # Loads pyroute2 while the node and the first sandbox are made; whoever needs it earlier queues behind this.
        self._kernel.submit(self._open_links)
        if (self._book is not None and self._book.leases) or _has_link(self._bridge):
            await self._establish()

    async def close(self) -> None:
        for hold in self._holds.values():
            hold.release()
        self._holds.clear()
        try:
            if self._is_up:
                await self._let_go(await self._establish())
        finally:
            await self._in_kernel("close the netlink socket", self._close_links)
            self._kernel.shutdown()

    async def retain(self, pod_uids: Iterable[str]) -> None:
        known = frozenset(pod_uids)
        for lease in self._book.leases if self._book else ():
            if lease.pod_uid not in known:
                await self.detach(lease.pod_uid)

    async def attach(
        self, pod_uid: str, attempt: int, netns: str, ports: tuple[HostPort, ...]
    ) -> tuple[str, ...]:
        links = await self._establish()
        await self.detach(pod_uid)
        book, lease = self._established.with_lease(pod_uid, attempt)
        self._save(book)
        try:
            await self._in_kernel(f"attach the pod to {self._bridge}", links.plug, book, lease, netns)
            if ports:
                await self.publish(pod_uid, ports)
        except NetworkError:
            await self.detach(pod_uid)
            raise
        return (lease.ip,)

    async def publish(self, pod_uid: str, ports: tuple[HostPort, ...]) -> None:
        await self._establish()
        before = self._lease(pod_uid)
        book = self._established.with_ports(pod_uid, ports)
        self._save(book)
        hold = self._holds.setdefault(pod_uid, PortHold())
        lease = self._lease(pod_uid)
        try:
            # Bound before the rules, so that no other program's traffic is ever taken; listening after them.
            await self._in_kernel("open host ports", hold.bind, lease.ports)
            await self._in_kernel("reach pods from 127.0.0.1", allow_loopback, self._bridge)
            async with self._rules:
                await self._nat.add_ports(self._bridge, lease)
            await self._in_kernel("open host ports", hold.listen)
            for port in lease.ports:
                if port.protocol == "UDP":
                    await self._forget_flows(_forget_flows_to_port, port.host_port)
        except NetworkError:
            await self._take_ports(pod_uid, keep=before.ports)
            raise

    async def detach(self, pod_uid: str) -> None:
        lease = self._book.lease(pod_uid) if self._book else None
        if lease is None:
            return
        links = await self._establish()
        if lease.ports:
            await self._take_ports(pod_uid, keep=())
            if any(port.protocol == "UDP" for port in lease.ports):
                await self._forget_flows(_forget_flows_to_pod, IPv4Address(lease.ip))
        await self._in_kernel(f"remove {lease.veth}", links.unplug, lease.veth)
        self._holds.pop(pod_uid, None)
        self._save(self._established.without(pod_uid))

    def node_ip(self) -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(_SOMEWHERE_ELSE)
            except OSError:
                # No way out at all: the bridge's address is one that pods can reach this host by.
                return str(self._book.gateway.ip) if self._book else "127.0.0.1"
            return str(probe.getsockname()[0])

    def warnings(self) -> tuple[str, ...]:
        warnings = tuple(self._warnings)
        self._warnings.clear()
        return warnings

    async def _take_ports(self, pod_uid: str, keep: tuple[HostPort, ...]) -> None:
        taken = [port for port in self._lease(pod_uid).ports if port not in keep]
        self._save(self._established.with_only_ports(pod_uid, keep))
        async with self._rules:
            await self._nat.rewrite_ports(self._established)
        if pod_uid in self._holds:
            self._holds[pod_uid].release_ports(taken)

    async def _forget_flows(self, forget: Callable[[_T], None], which: _T) -> None:
        """A kernel without conntrack's netlink interface cannot: old UDP flows then end when their senders do."""
        try:
            await self._in_kernel("forget old UDP flows", forget, which)
        except NetworkError as error:
            self._warnings.append(str(error))

    async def _establish(self) -> BridgeLinks:
        """Bring the bridge and the rules about, once; they are made at the first need."""
        async with self._establishing:
            if not self._is_up:
                await self._settle(await self._in_kernel("open a netlink socket", self._open_links))
                self._is_up = True
                await self._hold_again()
            assert self._links is not None
            return self._links

    async def _settle(self, links: BridgeLinks) -> None:
        routed = await self._in_kernel("list routes", links.routed_elsewhere, self._bridge)
        book = await self._choose_book(links, routed)
        await self._in_kernel(f"set up the bridge {self._bridge}", links.ensure_bridge, book)
        await self._nat.install(book, self._open_services(book, routed))
        if self._nat.refusal is not None:
            self._warnings.append(
                f"pods reach this machine and each other only: it cannot translate addresses: {self._nat.refusal}"
            )
        elif chain := self._nat.closed_forwarding:
            self._warnings.append(
                f"the firewall of this host drops forwarded packets (nft chain {chain}), so pods may not reach other"
                f" machines: allow forwarding from and to {self._bridge}"
            )
        if refusal := self._nat.service_refusal:
            self._warnings.append(f"pods do not reach the API server: {refusal}")
        elif self._services is not None and (chain := self._nat.closed_input):
            self._warnings.append(
                f"the firewall of this host drops packets to it (nft chain {chain}), so pods may not reach the API"
                f" server: allow TCP port {self._services.target_port} from {self._bridge}"
            )
        self._allow_forwarding()

    def _open_services(self, book: LeaseBook, routed: tuple[IPv4Network, ...]) -> str:
        """The rules for addresses of Services, the API server's among them if it can listen."""
        services = self._services
        if services is None:
            return ""
        refusal = render_refusal(book, services, routed)
        try:
            services.listen(book.gateway.ip, book.bridge)
        except HostError as error:
            self._warnings.append(f"pods do not reach the API server: {error}")
            return refusal
        return render_api_server(book, services) + refusal

    async def _choose_book(self, links: BridgeLinks, routed: tuple[IPv4Network, ...]) -> LeaseBook:
        """The leases as they are, or new ones in a subnet that is free when nothing hangs on the old."""
        book = self._book
        if book is None or (not book.leases and _is_routed(book.network, routed)):
            # A bridge without leases is left from a state directory that was deleted; its subnet may be another.
            await self._in_kernel(f"remove {self._bridge}", links.remove_bridge, self._bridge)
            book = open_book(self._root, routed)
            self._save(book)
        elif _is_routed(book.network, routed):
            self._warnings.append(f"this host now has another route to {book.subnet}, where its pods are")
        return book

    async def _hold_again(self) -> None:
        for lease in self._established.leases:
            if lease.ports:
                hold = self._holds.setdefault(lease.pod_uid, PortHold())
                try:
                    await self._in_kernel("reach pods from 127.0.0.1", allow_loopback, self._bridge)
                    await self._in_kernel("open host ports", hold.bind, lease.ports)
                    await self._in_kernel("open host ports", hold.listen)
                except NetworkError as error:
                    self._warnings.append(str(error))

    def _allow_forwarding(self) -> None:
        if is_forwarding():
            return
        try:
            switch_forwarding_on()
        except OSError as error:
            self._warnings.append(
                f"pods reach this machine only: cannot set net.ipv4.ip_forward: {error.strerror}"
            )
        else:
            self._warnings.append(
                "net.ipv4.ip_forward is now 1, so that pods reach other machines; it stays so"
            )

    async def _let_go(self, links: BridgeLinks) -> None:
        self._is_up = False
        if not self._established.leases:
            await self._nat.remove(self._bridge)
            await self._in_kernel(f"remove {self._bridge}", links.remove_bridge, self._bridge)

    def _open_links(self) -> BridgeLinks:
        """In the network's thread. A caller that was cancelled meanwhile leaves the socket to the next one."""
        if self._links is None:
            from pillion.network.links import BridgeLinks

            self._links = BridgeLinks()
        return self._links

    def _close_links(self) -> None:
        """In the network's thread."""
        links, self._links = self._links, None
        if links is not None:
            links.close()

    @property
    def _established(self) -> LeaseBook:
        assert self._book is not None
        return self._book

    def _lease(self, pod_uid: str) -> Lease:
        lease = self._established.lease(pod_uid)
        if lease is None:
            raise NetworkError(f"cannot open host ports: pod {pod_uid} is not attached")
        return lease

    def _load(self) -> LeaseBook | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=LeaseBook)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise NetworkError(f"cannot read {self._file}: {error}; delete it when no pod runs") from error

    def _save(self, book: LeaseBook) -> None:
        """Replaces the file, without fsync: a machine that crashed has lost its links too, there is nothing to find."""
        draft = self._file.with_name(f"{self._file.name}.new")
        self._book = book  # true in this process, even if the disk is full
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(msgspec.json.encode(book))
            draft.replace(self._file)
        except OSError as error:
            raise NetworkError(f"cannot write {self._file}: {error.strerror}") from error

    async def _in_kernel(
        self, verb: str, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """Call in the network's thread; OSErrors become `cannot VERB: CAUSE`."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._kernel, lambda: function(*args, **kwargs))
        except OSError as error:
            remedy = " (needs CAP_NET_ADMIN and CAP_SYS_ADMIN)" if error.errno == errno.EPERM else ""
            cause = os.strerror(error.errno).lower() if error.errno else str(error)
            raise NetworkError(f"cannot {verb}: {cause}{remedy}") from error


def _has_link(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _forget_flows_to_pod(ip: IPv4Address) -> None:
    from pillion.network.conntrack import forget_flows_to_pod

    forget_flows_to_pod(ip)


def _forget_flows_to_port(port: int) -> None:
    from pillion.network.conntrack import forget_flows_to_port

    forget_flows_to_port(port)


def _is_routed(network: IPv4Network, routed: Iterable[IPv4Network]) -> bool:
    return any(network.overlaps(other) for other in routed)
