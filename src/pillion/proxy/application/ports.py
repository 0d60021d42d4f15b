"""Whether the ports of a configuration are free: asked before Envoy is."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator

import msgspec

from pillion.errors import HostError
from pillion.proxy.configuration.values import Configuration


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An address to be listened on, and who says so."""

    address: str
    port: int
    key: str = ""
    line: int = 0
    """0: the key is not written, its default holds."""

    @property
    def bound(self) -> tuple[str, int]:
        return self.address, self.port


class PortsTakenError(HostError):
    """One line `FILE:LINE: key: …` for each."""


def places(configuration: Configuration) -> Iterator[Place]:
    """Envoy's listeners and its admin port."""
    for number, inbound in enumerate(configuration.inbound):
        yield _place(configuration, f"inbound[{number}].port", inbound.port, inbound.address)
    for number, outbound in enumerate(configuration.outbound):
        yield _place(configuration, f"outbound[{number}].port", outbound.port)
    yield _place(configuration, "ports.admin", configuration.ports.admin)


def all_places(configuration: Configuration) -> Iterator[Place]:
    """With our own two."""
    yield from places(configuration)
    yield _place(configuration, "ports.metrics", configuration.ports.metrics)
    yield _place(configuration, "ports.health", configuration.ports.health, "0.0.0.0")  # noqa: S104


def _place(configuration: Configuration, key: str, port: int, address: str = "127.0.0.1") -> Place:
    return Place(address=address, port=port, key=key, line=configuration.lines.get(key, 0))


def check_free(file: str, wanted: Iterable[Place], held: frozenset[tuple[str, int]] = frozenset()) -> None:
    """Raises PortsTakenError. `held` are those that our own Envoy listens on."""
    faults = [
        f"{f'{file}:{place.line}' if place.line else file}: {place.key}: {cause}"
        for place in wanted
        if place.bound not in held and (cause := _taken(place))
    ]
    if faults:
        raise PortsTakenError("\n".join(faults))


def _taken(place: Place) -> str:
    """Why it cannot be listened on; empty: it can.

    Without SO_REUSEPORT, which Envoy sets: with it, two Envoys of one user would share a port and each get half of the
    connections.
    """
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(place.bound)
            attempt.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return (
                    f"port {place.port} is in use by another program; all containers of a Pod share their ports: "
                    "choose another port, or end that program"
                )
            if error.errno == errno.EACCES:
                return (
                    f"port {place.port} needs more rights than this user has; choose a port from 1024 on, or add the "
                    "capability NET_BIND_SERVICE"
                )
            if error.errno == errno.EADDRNOTAVAIL:
                return f"{place.address} is no address of this machine; 0.0.0.0 stands for all of them"
            return f"cannot listen on {place.address}:{place.port}: {error.strerror}"
    return ""
