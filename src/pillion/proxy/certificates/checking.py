"""Whether a key pair and a trust bundle do what they are meant for. Pure: the moment is passed in.

What other software would refuse in a handshake, minutes or days later and without a reason, is said here at once.
Sources: RFC 5280 (4.2.1, 6.1), X509-SVID.md of the SPIFFE standards (2, 4, 5), and what Envoy's
source/common/tls/context_impl.cc takes.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pillion.proxy.authority.keys import format_key, weakness
from pillion.proxy.certificates.contents import Contents
from pillion.proxy.certificates.description import (
    describe,
    extension,
    format_certificates,
    format_moment,
    issuer_name,
    short_name,
)
from pillion.proxy.certificates.faults import Fault, Reason
from pillion.proxy.certificates.material import Leaf, Material
from pillion.proxy.certificates.naming import name_faults
from pillion.proxy.certificates.pem import Unreadable, parse_certificates, parse_key
from pillion.proxy.certificates.purpose import Purpose
from pillion.proxy.certificates.trust import has_issued, trust_faults, trust_warnings
from pillion.proxy.certificates.trustdomains import trust_domain_warnings
from pillion.proxy.configuration.values import Certificate
from pillion.units import Instant

_BROKEN_HASHES = (hashes.MD5, hashes.SHA1)
_RENEW = "renew it"


def check(
    certificate: Certificate, contents: Contents, purpose: Purpose, now: Instant
) -> Material | tuple[Fault, ...]:
    """The material when it can be used, with warnings; else all that is wrong with it."""
    moment = datetime.datetime.fromtimestamp(now, tz=datetime.UTC)
    faults = list(contents.faults)
    unread = {fault.path for fault in faults}
    warnings: list[str] = []
    chain: list[x509.Certificate] = []
    bundle: list[x509.Certificate] = []
    leaf: Leaf | None = None
    key_pem = ""
    if purpose.is_shown and certificate.chain not in unread:
        match parse_certificates(contents.chain):
            case Unreadable() as unreadable:
                faults.append(_unreadable(certificate.chain, unreadable))
            case parsed:
                chain = parsed
                leaf = describe(chain[0])
                faults += _chain_faults(certificate.chain, chain, purpose, moment)
                faults += name_faults(certificate, leaf, purpose.hosts)
                warnings += _chain_warnings(certificate.chain, chain)
    if purpose.is_shown and certificate.key not in unread:
        match parse_key(contents.key):
            case Unreadable() as unreadable:
                faults.append(_unreadable(certificate.key, unreadable))
            case key:
                key_pem = format_key(key)
                faults += _key_faults(certificate, chain, key.public_key())
    if purpose.verifies and certificate.bundle and certificate.bundle not in unread:
        match parse_certificates(contents.bundle):
            case Unreadable() as unreadable:
                faults.append(_unreadable(certificate.bundle, unreadable))
            case parsed:
                bundle = parsed
                faults += trust_faults(certificate, bundle, chain, moment)
                warnings += trust_warnings(certificate, bundle, chain, moment)
                warnings += trust_domain_warnings(certificate.bundle, bundle, purpose)
    if faults:
        return tuple(faults)
    return Material(
        name=certificate.name,
        chain_pem=format_certificates(chain),
        key_pem=key_pem,
        bundle_pem=format_certificates(bundle),
        leaf=leaf,
        warnings=tuple(warnings),
    )


def _unreadable(path: str, unreadable: Unreadable) -> Fault:
    return Fault(reason=unreadable.reason, path=path, text=unreadable.text, remedy=unreadable.remedy)


def _chain_faults(
    path: str,
    chain: Sequence[x509.Certificate],
    purpose: Purpose,
    now: datetime.datetime,
) -> Iterator[Fault]:
    def fault(reason: Reason, text: str, remedy: str) -> Fault:
        return Fault(reason=reason, path=path, text=text, remedy=remedy)

    yield from _time_faults(path, chain, now)
    yield from _order_faults(path, chain)
    yield from _strength_faults(path, chain)
    constraints = extension(chain[0], x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        yield fault(
            Reason.NOT_A_LEAF,
            f"the first certificate ({short_name(chain[0])}) is an authority's, not a leaf",
            "put the leaf first; one that is self-signed needs basicConstraints=critical,CA:FALSE",
        )
    yield from _usage_faults(path, chain[0], purpose)


def _time_faults(path: str, chain: Sequence[x509.Certificate], now: datetime.datetime) -> Iterator[Fault]:
    for number, one in enumerate(chain, start=1):
        if _is_self_signed(one) and number > 1:
            continue  # a root that came along: whoever trusts it has its own copy
        which = "the certificate" if number == 1 else f"certificate {number} of the chain"
        if one.not_valid_after_utc <= now:
            yield Fault(
                reason=Reason.EXPIRED,
                path=path,
                text=f"{which} ({short_name(one)}) ended at {format_moment(one.not_valid_after_utc)}",
                remedy=_RENEW,
            )
        elif one.not_valid_before_utc > now:
            yield Fault(
                reason=Reason.NOT_YET_VALID,
                path=path,
                text=f"{which} ({short_name(one)}) begins only at {format_moment(one.not_valid_before_utc)}",
                remedy=f"is this machine's clock right? It says {format_moment(now)}",
            )


def _order_faults(path: str, chain: Sequence[x509.Certificate]) -> Iterator[Fault]:
    """RFC 8446, 4.4.2: each certificate should certify the one before it; many clients insist."""
    for number, (one, above) in enumerate(itertools.pairwise(chain), start=1):
        if has_issued(above, one):
            continue
        if any(has_issued(other, one) for other in chain if other is not one):
            yield Fault(
                reason=Reason.CHAIN_ORDER,
                path=path,
                text=f"certificate {number + 1} ({short_name(above)}) is not in its place: it did not issue "
                f"certificate {number} ({short_name(one)}), another one of the file did",
                remedy="order them: the leaf, who issued it, who issued that",
            )
        else:
            yield Fault(
                reason=Reason.BROKEN_CHAIN,
                path=path,
                text=f"certificate {number + 1} ({short_name(above)}) did not issue certificate {number} "
                f"({short_name(one)}, issued by {issuer_name(one)})",
                remedy="leave out what does not belong to the leaf, and add who issued it",
            )
        return  # what comes after a gap says nothing new


def _strength_faults(path: str, chain: Sequence[x509.Certificate]) -> Iterator[Fault]:
    for number, one in enumerate(chain, start=1):
        which = "the certificate" if number == 1 else f"certificate {number} of the chain"
        if weak := weakness(one.public_key()):
            yield Fault(
                reason=Reason.WEAK_KEY,
                path=path,
                text=f"{which} ({short_name(one)}) has a weak key: {weak}",
                remedy="have it issued anew for an ECDSA key (P-256)",
            )
        if not _is_self_signed(one) and (broken := _broken_hash(one)):
            yield Fault(
                reason=Reason.WEAK_SIGNATURE,
                path=path,
                text=f"{which} ({short_name(one)}) is signed with {broken}, which can be forged",
                remedy="have it issued anew with SHA-256",
            )


def _usage_faults(path: str, leaf: x509.Certificate, purpose: Purpose) -> Iterator[Fault]:
    extended = extension(leaf, x509.ExtendedKeyUsage)
    wanted: list[tuple[bool, ObjectIdentifier, str, str]] = [
        (purpose.serves, ExtendedKeyUsageOID.SERVER_AUTH, "serverAuth", "a listener serves with it"),
        (purpose.calls, ExtendedKeyUsageOID.CLIENT_AUTH, "clientAuth", "an outbound calls with it"),
    ]
    for is_wanted, usage, name, use in wanted:
        if (
            is_wanted
            and extended is not None
            and usage not in extended
            and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in extended
        ):
            yield Fault(
                reason=Reason.WRONG_USAGE,
                path=path,
                text=f"its extended key usage lacks {name}, and {use}",
                remedy=f"have it issued with {name} (cert-manager: usages), or use another certificate there",
            )
    usage_bits = extension(leaf, x509.KeyUsage)
    if usage_bits is not None and not usage_bits.digital_signature:
        yield Fault(
            reason=Reason.WRONG_USAGE,
            path=path,
            text="its key usage lacks digitalSignature, which each handshake needs",
            remedy="have it issued with digitalSignature",
        )


def _key_faults(
    certificate: Certificate, chain: Sequence[x509.Certificate], public_key: object
) -> Iterator[Fault]:
    if not chain or chain[0].public_key() == public_key:
        return
    owner = next((n for n, one in enumerate(chain, start=1) if one.public_key() == public_key), 0)
    whose = f"it belongs to certificate {owner}" if owner else "it belongs to none of the certificates"
    yield Fault(
        reason=Reason.WRONG_KEY,
        path=certificate.key,
        text=f"it is not the key of {certificate.chain} ({short_name(chain[0])}): {whose} there",
        remedy="put the leaf first" if owner else "take both files from the same issue; renew both together",
    )


def _chain_warnings(path: str, chain: Sequence[x509.Certificate]) -> Iterator[str]:
    if isinstance(chain[0].public_key(), ed25519.Ed25519PublicKey):
        yield f"{path}: its key is Ed25519: Envoy shows it, and no Envoy accepts it from others; use ECDSA (P-256)"


def _is_self_signed(one: x509.Certificate) -> bool:
    return one.subject == one.issuer and has_issued(one, one)


def _broken_hash(one: x509.Certificate) -> str:
    try:
        used = one.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "an unknown algorithm"
    return used.name.upper() if isinstance(used, _BROKEN_HASHES) else ""
