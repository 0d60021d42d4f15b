"""The authority at work: opened from its folder, it issues leafs. Keys of leafs stay where they were made."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pillion.errors import HostError, ManifestError
from pillion.proxy.authority import rotation
from pillion.proxy.authority.certification import build_leaf, trust_domain_of
from pillion.proxy.authority.hierarchy import Hierarchy
from pillion.proxy.authority.keys import PublicKey
from pillion.proxy.authority.requests import alternative_names, checked_id, checked_key, read_request
from pillion.proxy.authority.storage import changing, load_hierarchy, read_hierarchy, save_hierarchy
from pillion.proxy.identity import SpiffeId, parse_spiffe_id
from pillion.units import Instant

LEAF_LIFETIME = 86_400.0
"""Seconds: a day, as Kubernetes' PodCertificateRequests have by default (maxExpirationSeconds)."""
MAX_LEAF_LIFETIME = rotation.MAX_LEAF_LIFETIME.total_seconds()


class Authority:
    """What was in the folder when it was opened. Knows no time: who keeps it asks `is_due` and opens it anew."""

    def __init__(self, folder: Path, hierarchy: Hierarchy, trust_domain: str) -> None:
        self.folder = folder
        self.trust_domain = trust_domain
        self.hierarchy = hierarchy
        self.bundle_pem = _pem(hierarchy.roots)
        """The roots to trust."""

    def is_due(self, now: Instant) -> bool:
        """Something must be renewed: `open_authority` does it."""
        return rotation.is_due(self.hierarchy, _moment(now))

    def issue(
        self,
        subject: PublicKey | x509.CertificateSigningRequest,
        spiffe_id: SpiffeId,
        *,
        now: Instant,
        lifetime: float = LEAF_LIFETIME,
        dns: Sequence[str] = (),
        ips: Sequence[str] = (),
    ) -> str:
        """A leaf for the key in `subject` and what leads to a root, PEM. Nothing else is taken from a request.

        `lifetime` is in seconds; the leaf ends with the intermediate at the latest. Raises ManifestError for what may
        not be issued, HostError when the intermediate has ended and the root is kept elsewhere.
        """
        key = checked_key(
            subject.public_key() if isinstance(subject, x509.CertificateSigningRequest) else subject
        )
        names = alternative_names(dns, ips)
        if not 0 < lifetime <= MAX_LEAF_LIFETIME:
            raise ManifestError(
                f"cannot issue a certificate of {lifetime / 3600:g} hours: a leaf lives at most "
                f"{MAX_LEAF_LIFETIME / 3600:g}"
            )
        moment = _moment(now)
        intermediate = self.hierarchy.intermediate
        end = min(moment + datetime.timedelta(seconds=lifetime), intermediate.certificate.not_valid_after_utc)
        if end <= moment:
            raise HostError(
                f"cannot issue: the intermediate in {self.folder} has ended, and only the root can make a new one; "
                "bring root.pem back and run pillion authority rotate"
            )
        begins = intermediate.certificate.not_valid_before_utc
        if begins > moment:
            raise HostError(
                f"cannot issue: the intermediate in {self.folder} begins only at {begins:%Y-%m-%dT%H:%M:%SZ}, and "
                f"it is {moment:%Y-%m-%dT%H:%M:%SZ} here: nobody would accept what it signs; set the clock, or make "
                "another authority"
            )
        leaf = build_leaf(intermediate, key, checked_id(spiffe_id, self.trust_domain), names, moment, end)
        # A cross certificate that ends before the leaf would look like a fault of the leaf's.
        lasting = [one for one in self.hierarchy.cross if one.not_valid_after_utc >= leaf.not_valid_after_utc]
        return _pem([leaf, intermediate.certificate, *lasting])

    def sign(
        self,
        csr_pem: bytes,
        spiffe_id: SpiffeId,
        *,
        now: Instant,
        lifetime: float = LEAF_LIFETIME,
        dns: Sequence[str] = (),
        ips: Sequence[str] = (),
    ) -> str:
        """As `issue`, for a request of somebody who keeps the key to themselves. Raises ManifestError, HostError."""
        return self.issue(read_request(csr_pem), spiffe_id, now=now, lifetime=lifetime, dns=dns, ips=ips)


def open_authority(folder: Path, trust_domain: str, now: Instant) -> Authority:
    """Read it; make it when there is none, and renew what is due. Two processes may do so at one time.

    Raises HostError when the folder cannot be used, or holds another trust domain's; ManifestError for a trust domain
    that cannot be.
    """
    checked = _checked_trust_domain(trust_domain)
    authority = _of_trust_domain(folder, read_hierarchy(folder), checked)
    if authority is None or authority.is_due(now):
        with changing(folder):
            authority = _of_trust_domain(
                folder, load_hierarchy(folder), checked
            )  # somebody may have been quicker
            if authority is None:
                authority = _save(folder, rotation.create(checked, _moment(now)))
            elif authority.is_due(now):
                authority = _save(folder, rotation.renew(authority.hierarchy, checked, _moment(now)))
    return authority


def _of_trust_domain(folder: Path, hierarchy: Hierarchy | None, trust_domain: str) -> Authority | None:
    if hierarchy is None:
        return None
    authority = _authority(folder, hierarchy)
    if authority.trust_domain != trust_domain:
        raise HostError(
            f"cannot use the authority in {folder}: it is of the trust domain {authority.trust_domain}, not "
            f"{trust_domain}; choose another folder"
        )
    return authority


def find_authority(folder: Path) -> Authority:
    """Read it and change nothing. Raises HostError, also when there is none."""
    hierarchy = read_hierarchy(folder)
    if hierarchy is None:
        raise HostError(
            f"cannot find an authority in {folder}: make one with pillion authority init --folder {folder}"
        )
    return _authority(folder, hierarchy)


def rotate_authority(folder: Path, now: Instant, *, what: rotation.Rotation) -> Authority:
    """Raises HostError; ManifestError when the root is needed and kept elsewhere."""
    find_authority(folder)  # or nothing is made
    with changing(folder):
        known = load_hierarchy(folder)
        if known is None:
            raise HostError(f"cannot rotate the authority in {folder}: somebody has just removed it")
        trust_domain = _trust_domain(folder, known)
        return _save(folder, rotation.rotate(known, trust_domain, _moment(now), what))


def _save(folder: Path, hierarchy: Hierarchy) -> Authority:
    save_hierarchy(folder, hierarchy)
    return _authority(folder, hierarchy)


def _authority(folder: Path, hierarchy: Hierarchy) -> Authority:
    return Authority(folder, hierarchy, _trust_domain(folder, hierarchy))


def _trust_domain(folder: Path, hierarchy: Hierarchy) -> str:
    try:
        return trust_domain_of(hierarchy.intermediate.certificate)
    except ValueError as error:
        raise HostError(f"cannot use the authority in {folder}: {error}; choose another folder") from error


def _checked_trust_domain(trust_domain: str) -> str:
    try:
        parsed = parse_spiffe_id(f"spiffe://{trust_domain}")
    except ValueError as error:
        raise ManifestError(f"cannot use the trust domain: {error}") from error
    if parsed.path:
        raise ManifestError(f"cannot use the trust domain {trust_domain!r}: it has a path; leave it out")
    return trust_domain


def _moment(now: Instant) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now, tz=datetime.UTC)


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)
