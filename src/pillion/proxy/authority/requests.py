"""What somebody wants a certificate for: read, and refused when no one would accept it. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pillion.errors import ManifestError
from pillion.proxy.authority.keys import PublicKey, weakness
from pillion.proxy.identity import SpiffeId

_DNS = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_DNS_LENGTH = 253


def read_request(pem: bytes) -> x509.CertificateSigningRequest:
    """A certificate signing request whose sender has the key. Raises ManifestError."""
    try:
        request = x509.load_pem_x509_csr(pem)
        is_senders = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ManifestError(
            "cannot read the certificate signing request: it is not PEM that begins with "
            "-----BEGIN CERTIFICATE REQUEST-----; make one with openssl req -new -key KEY -subj /"
        ) from error
    if not is_senders:
        raise ManifestError(
            "cannot sign the request: its signature is not by its own key; make it anew with the key it is for"
        )
    return request


def checked_key(key: object) -> PublicKey:
    """A public key that may be certified. Raises ManifestError."""
    if isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
        weak = weakness(key)
        if not weak:
            return key
    else:
        weak = "it is neither RSA nor ECDSA nor Ed25519"
    raise ManifestError(f"cannot issue for this key: {weak}; make an ECDSA key (P-256)")


def checked_id(spiffe_id: SpiffeId, trust_domain: str) -> SpiffeId:
    """The SPIFFE ID of a workload of this trust domain (X509-SVID.md, 3.1). Raises ManifestError."""
    if spiffe_id.trust_domain != trust_domain:
        raise ManifestError(
            f"cannot issue for {spiffe_id}: this authority is of the trust domain {trust_domain}; correct the ID, or "
            "use that trust domain's authority"
        )
    if not spiffe_id.path:
        raise ManifestError(
            f"cannot issue for {spiffe_id}: an ID without a path is the authority's own; add one, such as "
            "/ns/NAMESPACE/sa/ACCOUNT"
        )
    return spiffe_id


def alternative_names(dns: Sequence[str], ips: Sequence[str]) -> list[x509.DNSName | x509.IPAddress]:
    """Each once. Raises ManifestError."""
    names: list[x509.DNSName | x509.IPAddress] = []
    for name in dict.fromkeys(name.lower().rstrip(".") for name in dns):
        if len(name) > _DNS_LENGTH or not _DNS.fullmatch(name):
            raise ManifestError(
                f"cannot issue for {name!r}: it is no DNS name; `*` may stand for the whole first label only"
            )
        names.append(x509.DNSName(name))
    for ip in dict.fromkeys(ips):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(ip)))
        except ValueError as error:
            raise ManifestError(f"cannot issue for {ip!r}: it is no IP address") from error
    return names
