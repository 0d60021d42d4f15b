"""`pillion authority show FILE`: what a PEM file holds, and what a reader of a handshake's error wants to know."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pillion.cli.authoritytext import time_left
from pillion.errors import ManifestError, PillionError
from pillion.proxy.authority import find_authority
from pillion.proxy.authority.keys import weakness
from pillion.proxy.certificates.description import describe, extension
from pillion.proxy.certificates.pem import Unreadable, parse_certificates, parse_key
from pillion.proxy.certificates.trust import has_issued
from pillion.units import Instant, format_time, parse_time


class Explained(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One certificate, as `-o json` has it."""

    file: str
    number: int
    """In the file, from 1."""
    role: str
    """leaf, authority or root."""
    subject: str
    issuer: str
    uris: tuple[str, ...]
    dns: tuple[str, ...]
    ips: tuple[str, ...]
    usages: tuple[str, ...]
    key: str
    serial: str
    sha256: str
    not_before: str
    not_after: str
    notes: tuple[str, ...]


def explain(files: Sequence[tuple[str, bytes]], folder: Path, now: Instant, *, as_json: bool) -> None:
    """Raises ManifestError when there is nothing to explain in a file."""
    roots: list[x509.Certificate] = []
    with contextlib.suppress(PillionError):  # there need not be an authority here
        roots = list(find_authority(folder).hierarchy.roots)
    found: list[x509.Certificate] = []
    explained: list[Explained] = []
    keys: list[tuple[str, object]] = []
    for file, content in files:
        certificates = parse_certificates(content)
        key = parse_key(content)
        if isinstance(certificates, list):
            explained += _certificates(file, certificates, roots, now)
            found += certificates
        if not isinstance(key, Unreadable):
            keys.append((file, key.public_key()))
        if isinstance(certificates, Unreadable) and isinstance(key, Unreadable):
            raise ManifestError(f"cannot explain {file}: {certificates.text}; {certificates.remedy}")
    if as_json:
        click.echo(msgspec.json.encode(explained).decode())
        return
    for one in explained:
        _print(one, now)
    for file, public_key in keys:
        owners = [one for one, c in zip(explained, found, strict=True) if c.public_key() == public_key]
        whose = ", ".join(f"certificate {one.number} of {one.file}" for one in owners)
        click.echo(f"{file}: a private key, {_key(public_key)}; of {whose or 'none of these certificates'}")


def _certificates(
    file: str, certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: Instant
) -> Iterator[Explained]:
    for number, one in enumerate(certificates, start=1):
        leaf = describe(one)
        constraints = extension(one, x509.BasicConstraints)
        is_authority = constraints is not None and constraints.ca
        yield Explained(
            file=file,
            number=number,
            role="leaf" if not is_authority else "root" if one.subject == one.issuer else "authority",
            subject=leaf.subject,
            issuer=leaf.issuer,
            uris=leaf.uris,
            dns=leaf.dns,
            ips=leaf.ips,
            usages=tuple(_usages(one)),
            key=_key(one.public_key()),
            serial=leaf.serial,
            sha256=one.fingerprint(hashes.SHA256()).hex(),
            not_before=format_time(leaf.not_before),
            not_after=format_time(leaf.not_after),
            notes=tuple(_notes(one, certificates, roots, now)),
        )


def _notes(
    one: x509.Certificate, beside: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: Instant
) -> Iterator[str]:
    leaf = describe(one)
    if leaf.not_after <= now:
        yield "it has ended"
    elif leaf.not_before > now:
        yield f"it begins only in {time_left(leaf.not_before, now)}"
    if weak := weakness(one.public_key()):
        yield weak
    if one in roots:
        yield "a root of this machine's authority"
    elif any(has_issued(root, one) for root in roots):
        yield "issued by a root of this machine's authority"
    elif any(has_issued(other, one) for other in beside if other is not one):
        yield "issued by another one here"


def _usages(one: x509.Certificate) -> Iterator[str]:
    extended = extension(one, x509.ExtendedKeyUsage)
    if extended is not None:
        yield from (usage._name for usage in extended)  # noqa: SLF001 - the only place with the names


def _key(key: object) -> str:
    match key:
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {key.curve.name}"
        case rsa.RSAPublicKey():
            return f"RSA of {key.key_size} bits"
        case _:
            return type(key).__name__.removesuffix("PublicKey")


def _print(one: Explained, now: Instant) -> None:
    end = time_left(parse_time(one.not_after), now)
    click.echo(f"{one.file}: certificate {one.number}, {one.role}: {one.subject or '(no subject)'}")
    rows = [
        ("names", ", ".join((*one.uris, *one.dns, *one.ips)) or "none"),
        ("issuer", one.issuer),
        ("valid", f"{one.not_before} to {one.not_after} ({end if end == 'ended' else end + ' left'})"),
        ("usages", ", ".join(one.usages) or "not limited"),
        ("key", one.key),
        ("serial", one.serial),
        ("sha256", one.sha256),
        *(("note", note) for note in one.notes),
    ]
    for title, text in rows:
        click.echo(f"  {title:<7} {text}")
