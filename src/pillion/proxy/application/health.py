"""What the health port says: of the listeners, and apart from them of what is behind. Verdicts are pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pillion.proxy.configuration.values import Configuration, Outbound
from pillion.proxy.envoy.admin import HostStatus
from pillion.proxy.xds.names import outbound_name


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of Envoy at this moment."""

    has_started: bool
    """It has taken its first configuration."""
    is_draining: bool
    is_live: bool
    active: int
    """Listeners."""
    wanted: int


def unreadiness(seen: Serving) -> str:
    """Why nobody should be sent here; nothing: it serves."""
    if seen.is_draining:
        return "draining"
    if not seen.has_started:
        return "starting"
    if not seen.is_live:
        return "Envoy is not live"
    if seen.active < seen.wanted:
        return f"{seen.active} of {seen.wanted} listeners are active"
    return ""


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """Somewhere that requests go."""

    name: str
    address: str
    healthy: bool
    reason: str = ""


def local_ports(configuration: Configuration) -> list[tuple[str, int]]:
    """Ports of this Pod that routes lead to, each once, with the first route that does."""
    found: dict[int, str] = {}
    for inbound in configuration.inbound:
        for route in inbound.routes:
            found.setdefault(route.to, f"{inbound.name}/{route.name}")
    return [(name, port) for port, name in found.items()]


def local_upstream(name: str, port: int, refusal: str) -> Upstream:
    """`refusal`: why nobody answers there; nothing: somebody does."""
    reason = f"{refusal}: does the agent listen on this port?" if refusal else ""
    return Upstream(name=name, address=f"127.0.0.1:{port}", healthy=not refusal, reason=reason)


def remote_upstreams(
    outbound: Sequence[Outbound], hosts: Mapping[str, Sequence[HostStatus]]
) -> list[Upstream]:
    """As Envoy sees them. It asks nobody: a host is healthy until requests to it fail."""
    found = []
    for one in outbound:
        host, port = one.to
        known = hosts.get(outbound_name(one), ())
        bad = [status.address for status in known if not status.is_healthy]
        reason = ""
        if not known:
            reason = "its name does not resolve"
        elif len(bad) == len(known):
            reason = f"ejected after errors: {', '.join(bad)}"
        found.append(Upstream(name=one.name, address=f"{host}:{port}", healthy=not reason, reason=reason))
    return found
