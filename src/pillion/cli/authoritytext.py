"""What `pillion authority` prints: the authority's certificates, a certificate that was issued, a Secret."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from cryptography import x509

from pillion.proxy.authority import Authority
from pillion.proxy.certificates.description import describe
from pillion.units import Instant, format_time, human_duration, parse_time


class _Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One certificate of the authority, as `-o json` has it."""

    role: str
    name: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    has_key: bool


class _Shown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    folder: str
    trust_domain: str
    certificates: list[_Line]


class _Issued(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    folder: str
    files: list[str]
    spiffe_id: str
    dns: tuple[str, ...]
    ips: tuple[str, ...]
    serial: str
    not_before: str
    not_after: str


def print_authority(authority: Authority, now: Instant, *, as_json: bool) -> None:
    lines = list(_lines(authority))
    if as_json:
        shown = _Shown(folder=str(authority.folder), trust_domain=authority.trust_domain, certificates=lines)
        click.echo(msgspec.json.encode(shown).decode())
        return
    click.echo(f"Authority of the trust domain {authority.trust_domain} in {authority.folder}\n")
    rows = [("ROLE", "NAME", "ISSUED BY", "ENDS", "IN", "KEY")]
    rows += [
        (
            one.role,
            one.name,
            one.issuer,
            one.not_after,
            time_left(parse_time(one.not_after), now),
            "here" if one.has_key else "-",
        )
        for one in lines
    ]
    columns = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, columns, strict=True)).rstrip())


def print_issued(folder: Path, files: Sequence[str], chain_pem: str, *, as_json: bool) -> None:
    leaf = describe(x509.load_pem_x509_certificates(chain_pem.encode())[0])
    if as_json:
        issued = _Issued(
            folder=str(folder),
            files=list(files),
            spiffe_id=leaf.uris[0],
            dns=leaf.dns,
            ips=leaf.ips,
            serial=leaf.serial,
            not_before=format_time(leaf.not_before),
            not_after=format_time(leaf.not_after),
        )
        click.echo(msgspec.json.encode(issued).decode())
        return
    names = ", ".join((*leaf.uris, *leaf.dns, *leaf.ips))
    click.echo(f"Issued {names}\nuntil {format_time(leaf.not_after)}: {', '.join(files)} in {folder}")


def print_secret(name: str, namespace: str, files: dict[str, str]) -> None:
    """As kubectl create secret tls makes it, and with cert-manager's ca.crt."""
    lines = [
        "apiVersion: v1",
        "kind: Secret",
        "type: kubernetes.io/tls",
        "metadata:",
        f"  name: {name}",
        f"  namespace: {namespace}",
        "data:",
    ]
    lines += [f"  {key}: {base64.b64encode(files[key].encode()).decode()}" for key in sorted(files)]
    click.echo("\n".join(lines))


def _roles(authority: Authority) -> Iterator[tuple[str, x509.Certificate, bool]]:
    hierarchy = authority.hierarchy
    present = hierarchy.issuing_root
    root_is_here = hierarchy.root is not None and hierarchy.root.certificate == present
    yield "root", present, root_is_here
    yield "intermediate", hierarchy.intermediate.certificate, True
    for one in hierarchy.roots:
        if one != present:
            yield "former root", one, False
    for one in hierarchy.cross:
        yield "cross", one, False


def _lines(authority: Authority) -> Iterator[_Line]:
    for role, certificate, has_key in _roles(authority):
        leaf = describe(certificate)
        yield _Line(
            role=role,
            name=short_subject(leaf.subject),
            issuer=short_subject(leaf.issuer),
            serial=leaf.serial,
            not_before=format_time(leaf.not_before),
            not_after=format_time(leaf.not_after),
            has_key=has_key,
        )


def short_subject(subject: str) -> str:
    """The common name of `CN=…,O=…`, or all of it."""
    common = next((part for part in subject.split(",") if part.startswith("CN=")), "")
    return common.removeprefix("CN=") or subject


def time_left(end: Instant, now: Instant) -> str:
    return human_duration(end - now) if end > now else "ended"
