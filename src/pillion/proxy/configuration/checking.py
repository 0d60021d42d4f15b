"""What is wrong with `proxy.yaml` as a whole: names and ports that clash, certificates, who may call whom."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pillion.proxy.configuration.failure import nearest
from pillion.proxy.configuration.names import is_address
from pillion.proxy.configuration.reachability import check_routes
from pillion.proxy.configuration.reading import At, Reading
from pillion.proxy.configuration.values import (
    Certificate,
    Configuration,
    Inbound,
    Outbound,
    Tls,
)

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - to compare with
_LOCAL = "127.0.0.1"


def check(configuration: Configuration, reading: Reading) -> None:
    """Faults and warnings go to the reading. What could not be read is not judged again."""
    has_listeners = any(reading.has(configuration, key) for key in ("inbound", "outbound"))
    if not has_listeners:
        reading.fault(
            reading.where(configuration), "there is nothing to do", "write inbound, outbound or both"
        )
    _check_names(configuration, reading)
    _check_ports(configuration, reading)
    _check_certificates(configuration, reading)
    for inbound in configuration.inbound:
        _check_targets(inbound, configuration, reading)
        _check_callers(inbound, reading)
        check_routes(inbound.routes, reading)
    for outbound in configuration.outbound:
        if reading.is_sound(outbound, "tls", "to", "expect", "serverName"):
            _check_trust(outbound, reading)
        _check_way(outbound, configuration, reading)


def _check_names(configuration: Configuration, reading: Reading) -> None:
    _check_unique(configuration.certificates, reading)
    _check_unique((*configuration.inbound, *configuration.outbound), reading)
    for inbound in configuration.inbound:
        _check_unique(inbound.routes, reading)


def _check_unique(sections: Iterable[object], reading: Reading) -> None:
    seen: dict[str, At] = {}
    for section in sections:
        name: str = getattr(section, "name")  # noqa: B009 - each kind of section has one
        at = reading.where(section, "name")
        if not reading.is_sound(section, "name"):
            continue
        if name in seen:
            text = f"{name!r} is the name of {_owner(seen[name])} too (line {seen[name].line})"
            reading.fault(at, text, "give each its own")
        seen.setdefault(name, at)


def _owner(at: At) -> str:
    return at.path.removesuffix(".name")


class _Port(NamedTuple):
    number: int
    address: str
    at: At


def _check_ports(configuration: Configuration, reading: Reading) -> None:
    seen: list[_Port] = []
    # What is not written first: it cannot be pointed at.
    for port in sorted(_ports(configuration, reading), key=lambda port: port.at.line > 0):
        for other in seen:
            if other.number == port.number and _overlap(other.address, port.address):
                where = f" too (line {other.at.line})" if other.at.line else ", unless it is set"
                reading.fault(port.at, f"{port.number} is {other.at.path}{where}", "choose another one")
                break
        seen.append(port)


def _ports(configuration: Configuration, reading: Reading) -> Iterator[_Port]:
    """Ours first: they are the ones to stay."""
    ports = configuration.ports
    for key, address in (("admin", _LOCAL), ("metrics", _LOCAL), ("health", _ANY_ADDRESS)):
        at = reading.where(ports, key) if reading.has(ports, key) else At(f"ports.{key}", 0)
        if reading.is_sound(configuration, "ports") and reading.is_sound(ports, key):
            yield _Port(getattr(ports, key), address, at)
    for inbound in configuration.inbound:
        if reading.is_sound(inbound, "port", "address"):
            yield _Port(inbound.port, inbound.address, reading.where(inbound, "port"))
    for outbound in configuration.outbound:
        if reading.is_sound(outbound, "port"):
            yield _Port(outbound.port, _LOCAL, reading.where(outbound, "port"))


def _overlap(one: str, other: str) -> bool:
    """`::` is IPv6 alone: Envoy sets IPV6_V6ONLY unless it is told otherwise (address_impl.cc)."""
    addresses = ipaddress.ip_address(one), ipaddress.ip_address(other)
    is_one_family = addresses[0].version == addresses[1].version
    return is_one_family and (one == other or any(address.is_unspecified for address in addresses))


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _check_certificates(configuration: Configuration, reading: Reading) -> None:
    by_name = {
        certificate.name: certificate
        for certificate in configuration.certificates
        if reading.is_sound(certificate, "name")
    }
    can_be_judged = by_name or not reading.has(configuration, "certificates")
    users: tuple[Inbound | Outbound, ...] = (*configuration.inbound, *configuration.outbound)
    for user in users:
        if can_be_judged and reading.is_sound(user, "certificate"):
            _check_use(user, by_name, reading)
    used = {user.certificate for user in users}
    for certificate in by_name.values():
        if certificate.name not in used:
            text = f"{certificate.name!r} is not used"
            reading.warn(reading.where(certificate), text, "remove it or name it")


def _check_use(user: Inbound | Outbound, by_name: dict[str, Certificate], reading: Reading) -> None:
    at = reading.where(user, "certificate")
    certificate = by_name.get(user.certificate)
    if user.certificate and certificate is None:
        known = f"known: {', '.join(by_name)}" if by_name else "there are none: add it to certificates"
        remedy = nearest(user.certificate, by_name) or known
        reading.fault(at, f"there is no certificate {user.certificate!r}", remedy)
    elif not reading.is_sound(user, "tls"):
        return
    elif user.tls is Tls.NONE:
        if user.certificate:
            reading.fault(at, "has no effect with tls: none", "set tls or remove it")
    elif certificate is None:
        names = ", ".join(by_name)
        remedy = (
            f"write certificate: NAME, one of {names}" if names else "add one to certificates and name it"
        )
        reading.fault(at, f"is missing with tls: {user.tls}", remedy)
    elif reading.is_sound(certificate):
        _check_content(user, certificate, at, reading)


def _check_content(user: Inbound | Outbound, certificate: Certificate, at: At, reading: Reading) -> None:
    is_shown = user.tls is Tls.MUTUAL or isinstance(user, Inbound)
    if is_shown and not certificate.chain:
        text = f"{certificate.name!r} has a bundle only, and tls: {user.tls} shows a certificate"
        reading.fault(at, text, "give it chain and key")
    is_verified = user.tls is not Tls.SIMPLE or isinstance(user, Outbound)
    if is_verified and not certificate.bundle:
        text = f"{certificate.name!r} has no bundle, and tls: {user.tls} checks the other side's certificate"
        remedy = "give it bundle: the authorities, PEM"
        if isinstance(user, Outbound):
            remedy += " (public ones: /etc/ssl/certs/ca-certificates.crt)"
        reading.fault(at, text, remedy)


# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _check_callers(inbound: Inbound, reading: Reading) -> None:
    """`allow` needs callers who show a certificate."""
    if not reading.is_sound(inbound, "tls"):
        return
    asking = [inbound] if inbound.allow else []
    for section in (*asking, *(route for route in inbound.routes if route.allow)):
        at = reading.where(section, "allow")
        if inbound.tls in (Tls.NONE, Tls.SIMPLE):
            text = f"nobody has an identity with tls: {inbound.tls}"
            reading.fault(at, text, "set tls: mutual, or remove allow")
        elif inbound.tls is Tls.PERMISSIVE and section is inbound:
            text = (
                "is asked of those only who show a certificate: with tls: permissive anyone may call without"
            )
            reading.warn(at, text, "set tls: mutual when all callers have moved")


def _check_trust(outbound: Outbound, reading: Reading) -> None:
    if outbound.tls is Tls.NONE:
        for key in ("expect", "serverName"):
            if reading.has(outbound, key):
                reading.fault(
                    reading.where(outbound, key), "has no effect with tls: none", "set tls or remove it"
                )
    elif outbound.expect or outbound.server_name:
        return
    elif outbound.tls is Tls.MUTUAL:
        text = "is missing: with tls: mutual anyone whom the bundle vouches for could answer"
        reading.fault(
            reading.where(outbound, "expect"), text, "name who the other side must be, or write serverName"
        )
    elif is_address(outbound.to[0]):
        text = f"is missing: {outbound.to[0]} is no name to check the certificate by"
        reading.fault(reading.where(outbound, "serverName"), text, "write serverName, or expect")


# ── ways that come back ──────────────────────────────────────────────────────────────────────────────────────────────
def _check_targets(inbound: Inbound, configuration: Configuration, reading: Reading) -> None:
    for route in inbound.routes:
        at = reading.where(route, "to")
        if not reading.is_sound(route, "to"):
            continue
        if route.to == inbound.port:
            reading.fault(
                at,
                f"{route.to} is this listener's own port: requests would come back",
                "write the agent's port",
            )
        elif (own := _own_listener(route.to, configuration)) is not None:
            reading.fault(
                at,
                f"{route.to} is the port of {own}: requests would come back to the proxy",
                "write the agent's port",
            )
        elif route.to == configuration.ports.admin and reading.is_sound(configuration.ports):
            reading.fault(
                at,
                f"{route.to} is Envoy's admin port: who calls it can stop the proxy",
                "write the agent's port",
            )


def _own_listener(port: int, configuration: Configuration) -> str | None:
    for inbound in configuration.inbound:
        if inbound.port == port:
            return f"inbound {inbound.name}"
    for outbound in configuration.outbound:
        if outbound.port == port:
            return f"outbound {outbound.name}"
    return None


def _check_way(outbound: Outbound, configuration: Configuration, reading: Reading) -> None:
    host, port = outbound.to
    if not reading.is_sound(outbound, "to") or not _is_here(host):
        return
    at, ports = reading.where(outbound, "to"), configuration.ports
    if (own := _own_listener(port, configuration)) is not None:
        reading.fault(
            at, f"{port} is the port of {own}: requests would come back", "write where they shall go"
        )
    elif not reading.is_sound(ports):
        return
    elif port == ports.admin:
        text = f"{port} is Envoy's admin port: what the agent passes on could stop the proxy"
        reading.fault(at, text, "write where they shall go")
    elif port in (ports.metrics, ports.health):
        name = "metrics" if port == ports.metrics else "health"
        reading.fault(at, f"{port} is ports.{name}, of the proxy itself", "write where they shall go")


def _is_here(host: str) -> bool:
    if not is_address(host):
        return host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)
