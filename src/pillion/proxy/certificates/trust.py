"""Whom a trust bundle vouches for, and whether a chain leads to it. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from pillion.proxy.authority.keys import weakness
from pillion.proxy.certificates.description import (
    extension,
    format_moment,
    issuer_name,
    short_name,
)
from pillion.proxy.certificates.faults import Fault, Reason
from pillion.proxy.configuration.values import Certificate


def trust_faults(
    certificate: Certificate,
    bundle: Sequence[x509.Certificate],
    chain: Sequence[x509.Certificate],
    now: datetime.datetime,
) -> Iterator[Fault]:
    """`chain`: empty when it is not shown, or cannot be."""
    ends = [one.not_valid_after_utc for one in bundle]
    if max(ends) <= now:
        yield Fault(
            reason=Reason.EXPIRED,
            path=certificate.bundle,
            text=f"every authority in it has ended, the last at {format_moment(max(ends))}: nobody could be trusted",
            remedy="replace it with the authorities' present certificates",
        )
    if certificate.bundle_is_issuers and chain and not leads_to(bundle, chain):
        yield Fault(
            reason=Reason.UNKNOWN_AUTHORITY,
            path=certificate.chain,
            text=f"no authority in {certificate.bundle}, which is its issuer's, has issued it (its chain ends with "
            f"{issuer_name(chain[-1])})",
            remedy="renew both together, with every intermediate in the chain; or name the bundle for others by "
            "`bundle:`",
        )


def trust_warnings(
    certificate: Certificate,
    bundle: Sequence[x509.Certificate],
    chain: Sequence[x509.Certificate],
    now: datetime.datetime,
) -> Iterator[str]:
    path = certificate.bundle
    for one in bundle:
        constraints = extension(one, x509.BasicConstraints)
        if one.not_valid_after_utc <= now:
            yield f"{path}: {short_name(one)} ended at {format_moment(one.not_valid_after_utc)}; leave it out"
        if constraints is None or not constraints.ca:
            yield f"{path}: {short_name(one)} is no authority: it can vouch for itself at most"
        if weak := weakness(one.public_key()):
            yield f"{path}: {short_name(one)} has a weak key: {weak}"
    if chain and not certificate.bundle_is_issuers and not leads_to(bundle, chain):
        yield (
            f"{certificate.chain}: no authority in {path} has issued it (its chain ends with "
            f"{issuer_name(chain[-1])}): fine if those who see it trust another; else they refuse it"
        )


def leads_to(bundle: Sequence[x509.Certificate], chain: Sequence[x509.Certificate]) -> bool:
    """One of the chain is in the bundle, or was issued by one that is.

    Asked of each: an authority may have several certificates, and after a rotation of the root it is the cross
    certificate that leads to the former one. Whether what is in the bundle has ended is another question.
    """
    return any(above == one or has_issued(above, one) for one in chain for above in bundle)


def has_issued(above: x509.Certificate, one: x509.Certificate) -> bool:
    """By name and signature."""
    try:
        one.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
