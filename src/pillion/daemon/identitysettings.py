"""What identities pods get, as far as it can be chosen. Imports little: the command line reads it at its start."""

from __future__ import annotations

import msgspec

from pillion.errors import ManifestError
from pillion.proxy.identity import parse_spiffe_id

DEFAULT_TRUST_DOMAIN = "cluster.local"
"""As in Istio."""
MAX_LIFETIME = 86_400.0
"""Seconds: a day, what a podCertificate source that asks for no other lifetime gets (maxExpirationSeconds)."""


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True):
    trust_domain: str = DEFAULT_TRUST_DOMAIN
    """spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT"""
    lifetime: float = MAX_LIFETIME
    """Seconds that a certificate is good for at most. At half of that another one takes its place."""


def parse_trust_domain(text: str) -> str:
    """Raises ManifestError for one that no SPIFFE ID can have."""
    try:
        parsed = parse_spiffe_id(f"spiffe://{text}")
    except ValueError as error:
        raise ManifestError(f"cannot use the trust domain: {error}") from error
    if parsed.path:
        raise ManifestError(f"cannot use the trust domain {text!r}: it has a path; give the name alone")
    return parsed.trust_domain
