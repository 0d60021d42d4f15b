"""Whether a trust bundle vouches for those who are expected, and for them alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptography import x509

from pillion.proxy.certificates.description import describe
from pillion.proxy.certificates.purpose import Purpose


def trust_domain_warnings(path: str, bundle: Sequence[x509.Certificate], purpose: Purpose) -> Iterator[str]:
    """SPIFFE's authorities say which trust domain is theirs (X509-SVID.md, 3.2); others may issue for any."""
    domains = [
        uri.removeprefix("spiffe://").partition("/")[0]
        for one in bundle
        for uri in describe(one).uris
        if uri.startswith("spiffe://")
    ]
    if len(domains) < len(bundle):
        return
    different = dict.fromkeys(domains)
    if len(different) > 1:
        yield (
            f"{path}: its authorities are of the trust domains {', '.join(different)}, and Envoy takes each one's word "
            "for identities of the others: have a bundle, and a listener, for each, unless they trust each other so far"
        )
    for peer in purpose.peers:
        if peer not in domains:
            yield (
                f"{path}: its authorities are of the trust domain {', '.join(different)}, and identities "
                f"of {peer} are expected: correct those, or add {peer}'s authorities"
            )
