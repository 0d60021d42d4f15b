"""The certificates of an authority, as values: root, intermediate, cross certificate, leaf. No clock, no files.

Every one is an X.509 SVID (X509-SVID.md of the SPIFFE standards): authorities carry their trust domain's ID, leafs
exactly one ID with a path. There are no name constraints: the standard (4.2) warns that libraries without support for
URIs refuse the whole chain, SPIRE sets none either, and a root here vouches for one trust domain alone.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pillion.proxy.authority.keys import PublicKey, generate_key
from pillion.proxy.identity import SpiffeId

ROOT_LIFETIME = datetime.timedelta(days=3650)
INTERMEDIATE_LIFETIME = datetime.timedelta(days=365)
CLOCKS_DIFFER = datetime.timedelta(minutes=5)
"""Who verifies may have a clock that is behind ours: certificates begin so much before they are made."""

_ORGANIZATION = "pillion"


class Issuer(msgspec.Struct, frozen=True):
    """Who can sign: a certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def build_root(trust_domain: str, now: datetime.datetime) -> Issuer:
    key = generate_key()
    name = _authority_name("root")
    builder = begin(name, name, key.public_key(), now, now + ROOT_LIFETIME)
    return Issuer(_authority(builder, trust_domain, key.public_key(), None).sign(key, hashes.SHA256()), key)


def build_intermediate(root: Issuer, trust_domain: str, now: datetime.datetime) -> Issuer:
    """It signs leafs and nothing else (path length 0), and ends with its root at the latest."""
    key = generate_key()
    end = min(now + INTERMEDIATE_LIFETIME, root.certificate.not_valid_after_utc)
    builder = begin(_authority_name("intermediate"), root.certificate.subject, key.public_key(), now, end)
    builder = _authority(builder, trust_domain, key.public_key(), 0)
    return Issuer(builder.add_extension(issued_by(root), critical=False).sign(root.key, hashes.SHA256()), key)


def build_cross(
    old: Issuer,
    new: x509.Certificate,
    trust_domain: str,
    now: datetime.datetime,
    lifetime: datetime.timedelta,
) -> x509.Certificate:
    """The new root's name and key, signed by the old root: for whoever has not yet heard of the new one."""
    key = _elliptic(new)
    end = min(now + lifetime, old.certificate.not_valid_after_utc)
    builder = _authority(
        begin(new.subject, old.certificate.subject, key, now, end), trust_domain, key, None
    ).add_extension(issued_by(old), critical=False)
    return builder.sign(old.key, hashes.SHA256())


def build_leaf(
    intermediate: Issuer,
    key: PublicKey,
    spiffe_id: SpiffeId,
    names: Sequence[x509.DNSName | x509.IPAddress],
    now: datetime.datetime,
    end: datetime.datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION)])
    return (
        begin(subject, intermediate.certificate.subject, key, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(spiffe_id)), *names]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(issued_by(intermediate), critical=False)
        .sign(intermediate.key, hashes.SHA256())
    )


def begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: PublicKey,
    now: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    """What all certificates have; they begin a little in the past."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(end)
    )


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """An authority's (keyCertSign) or a leaf's (digitalSignature), and nothing else."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def issued_by(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def trust_domain_of(authority: x509.Certificate) -> str:
    """Of its SPIFFE ID. Raises ValueError when it has none."""
    try:
        names = authority.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("an authority's certificate has no SPIFFE ID") from None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or not uris[0].startswith("spiffe://"):
        raise ValueError("an authority's certificate has no SPIFFE ID")
    return uris[0].removeprefix("spiffe://")


def _authority(
    builder: x509.CertificateBuilder,
    trust_domain: str,
    key: ec.EllipticCurvePublicKey,
    path_length: int | None,
) -> x509.CertificateBuilder:
    own_id = x509.UniformResourceIdentifier(str(SpiffeId(trust_domain)))
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.SubjectAlternativeName([own_id]), critical=False)
    )


def _authority_name(role: str) -> x509.Name:
    """No two are alike: who looks for an issuer by its name finds the right one among old and new."""
    number = f"{x509.random_serial_number():x}"[:8]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, f"pillion {role} {number}"),
        ]
    )


def _elliptic(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("an authority's key is ECDSA")
    return key
