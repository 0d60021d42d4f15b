"""Whom a leaf is for: its subject alternative names, and those it must have. Pure.

Sources: RFC 6125 (6.4.3), X509-SVID.md of the SPIFFE standards (2, 3.1, 5.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from pillion.errors import Bug
from pillion.proxy.certificates.faults import Fault, Reason
from pillion.proxy.certificates.material import Leaf
from pillion.proxy.configuration.values import Certificate, Identity, StringMatch
from pillion.proxy.identity import parse_spiffe_id
from pillion.re2 import translate


def name_faults(certificate: Certificate, leaf: Leaf, hosts: Sequence[str]) -> Iterator[Fault]:
    """`hosts`: by which it is called."""

    def fault(reason: Reason, text: str, remedy: str) -> Fault:
        return Fault(reason=reason, path=certificate.chain, text=text, remedy=remedy)

    names = (*leaf.uris, *leaf.dns, *leaf.ips)
    if not names:
        yield fault(
            Reason.NO_NAME,
            "it has no subject alternative name; nobody looks at the subject's common name any more",
            "have it issued with a SPIFFE ID (URI) or DNS names",
        )
        return
    if certificate.identity is not None and not has_identity(leaf, certificate.identity):
        yield fault(
            Reason.WRONG_NAME,
            f"it is for {', '.join(names)}, and identity asks for {_said(certificate.identity)}",
            "mount the Secret of this workload, or correct identity",
        )
    ids = [uri for uri in leaf.uris if uri.startswith("spiffe://")]
    if ids and (problem := _svid_problem(leaf.uris, ids[0])):
        yield fault(
            Reason.WRONG_NAME,
            problem,
            "have it issued with one SPIFFE ID, such as spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT",
        )
    missing = [host for host in hosts if not covers(leaf, host)]
    if missing and not ids:
        yield fault(
            Reason.WRONG_NAME,
            f"routes are for {', '.join(missing)}, and it is for {', '.join((*leaf.dns, *leaf.ips))} only",
            "have it issued for these names too, or correct `hosts` of the routes",
        )


def has_identity(leaf: Leaf, identity: Identity) -> bool:
    """As Envoy would find it (default_validator.cc: matchSubjectAltName): one SAN of the kind fits."""
    if identity.uri is not None:
        return any(_fits(identity.uri, uri) for uri in leaf.uris)
    if identity.dns is not None:
        return any(_fits(identity.dns, name) for name in leaf.dns) or (
            identity.dns.exact is not None and covers(leaf, identity.dns.exact)
        )
    raise Bug("an identity that says nothing")


def covers(leaf: Leaf, host: str) -> bool:
    """RFC 6125, 6.4.3: `*` stands for one whole label, the first."""
    if host in leaf.dns or host in leaf.ips:
        return True
    return f"*.{host.partition('.')[2]}" in leaf.dns


def _fits(match: StringMatch, text: str) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "exact": lambda wanted: text == wanted,
        "prefix": text.startswith,
        "regex": lambda wanted: re.fullmatch(translate(wanted).pattern, text) is not None,
    }
    return any(test(wanted) for kind, test in tests.items() if (wanted := getattr(match, kind)) is not None)


def _said(identity: Identity) -> str:
    kind, match = ("the URI", identity.uri) if identity.uri is not None else ("the DNS name", identity.dns)
    if match is None:
        raise Bug("an identity that says nothing")
    if match.exact is not None:
        return f"{kind} {match.exact}"
    if match.prefix is not None:
        return f"{kind} {match.prefix}…"
    return f"{kind} like {match.regex}"


def _svid_problem(uris: Sequence[str], spiffe_id: str) -> str:
    if len(uris) > 1:
        return f"it has {len(uris)} URI names, and an X.509 SVID exactly one: everybody must refuse it"
    try:
        parsed = parse_spiffe_id(spiffe_id)
    except ValueError as error:
        return f"its SPIFFE ID cannot be used: {error}"
    return "" if parsed.path else f"its SPIFFE ID {spiffe_id} has no path: it is an authority's, nobody's own"
