"""The rules in the kernel, by way of the `nft` program: the ways out of the pod network, and the host ports into it."""

from __future__ import annotations

import msgspec

from pillion.errors import HostError
from pillion.network.leases import Lease, LeaseBook
from pillion.network.protocol import NetworkError
from pillion.network.ruleset import render_ports, render_removal, render_rewrite, render_table
from pillion.process import run

_NFT_SECONDS = 10.0
"""nft takes milliseconds; ten seconds means that the host is in trouble, not that it is slow."""


class _Chain(msgspec.Struct):
    table: str = ""
    name: str = ""
    hook: str = ""
    policy: str = ""

    def drops(self, hook: str) -> bool:
        return self.hook == hook and self.policy == "drop"


class _Object(msgspec.Struct):
    chain: _Chain | None = None


class _Listing(msgspec.Struct):
    nftables: list[_Object]


class Nat:
    """The table of one bridge. What is asked of it one after the other is done in that order."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        """Why this host has no NAT for us; None when it has."""

        self.closed_forwarding: str | None = None
        """The chain of another program's firewall (Docker's, ufw's) that drops forwarded packets by default, if any."""

        self.closed_input: str | None = None
        """The same for packets to this host itself."""

        self.service_refusal: str | None = None
        """Why this host does not take the rules for addresses of Services; None when it does."""

    async def install(self, book: LeaseBook, service_rules: str = "") -> None:
        """Replace the whole table. A host that refuses is remembered in `refusal`: it is no error by itself.

        Nor is one that refuses the rules for Services only (a kernel without `reject`): it gets the others.
        """
        self.service_refusal = None
        try:
            chains = await _chains()
            self.closed_forwarding = _closed(chains, "forward")
            self.closed_input = _closed(chains, "input")
            # To remove what is not there would cost a new pod the grace period as well.
            is_there = any(chain.table == book.bridge for chain in chains)
            table = (render_removal(book.bridge) if is_there else "") + render_table(book)
            try:
                await _nft(table + service_rules)
            except HostError as error:
                await _nft(table)
                self.service_refusal = str(error)
        except HostError as error:
            self.refusal = str(error)
        else:
            self.refusal = None

    async def add_ports(self, bridge: str, lease: Lease) -> None:
        if self.refusal is not None:
            ports = ", ".join(str(port.host_port) for port in lease.ports)
            raise NetworkError(
                f"cannot open hostport {ports}: this host cannot translate addresses: {self.refusal}"
            )
        await _apply(render_ports(bridge, (lease,)))

    async def rewrite_ports(self, book: LeaseBook) -> None:
        if self.refusal is None:
            await _apply(render_rewrite(book))

    async def remove(self, bridge: str) -> None:
        if self.refusal is None:
            await _apply(render_removal(bridge))


async def _chains() -> list[_Chain]:
    listing = await run(("nft", "-j", "list", "chains"), timeout=_NFT_SECONDS)
    objects = msgspec.json.decode(listing.stdout, type=_Listing).nftables
    return [entry.chain for entry in objects if entry.chain is not None]


def _closed(chains: list[_Chain], hook: str) -> str | None:
    return next((f"{chain.table} {chain.name}" for chain in chains if chain.drops(hook)), None)


async def _apply(script: str) -> None:
    try:
        await _nft(script)
    except HostError as error:
        raise NetworkError(f"cannot change the rules for host ports: {error}") from error


async def _nft(script: str) -> None:
    await run(("nft", "-f", "-"), input=script.encode(), timeout=_NFT_SECONDS)
