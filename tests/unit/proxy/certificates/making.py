"""Certificates of every kind, good and bad, made by hand: not by the code under test."""

from __future__ import annotations

import datetime
import functools
import ipaddress
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pillion.units import Instant

NOW = Instant(1_800_000_000.0)
MOMENT = datetime.datetime.fromtimestamp(NOW, tz=datetime.UTC)
DAY = datetime.timedelta(days=1)
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
ID = "spiffe://cluster.local/ns/default/sa/agent"


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """One of each size: they take long."""
    return rsa.generate_private_key(65537, bits)


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def dsa_key() -> dsa.DSAPrivateKey:
    return dsa.generate_private_key(1024)


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return write_key(self.key)


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """A leaf that is good, unless something is changed."""

    name: str = "leaf"
    uris: tuple[str, ...] = (ID,)
    dns: tuple[str, ...] = ("agent.example.org",)
    ips: tuple[str, ...] = ()
    key: Any = field(default_factory=ec_key)
    begins: datetime.datetime = MOMENT - DAY
    ends: datetime.datetime = MOMENT + DAY
    ca: bool = False
    has_constraints: bool = True
    usages: tuple[x509.ObjectIdentifier, ...] | None = BOTH
    digital_signature: bool = True
    hash: hashes.HashAlgorithm | None = field(default_factory=hashes.SHA256)


def make(sketch: Sketch, issuer: Made | None = None) -> Made:
    """Self-signed without an issuer."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, sketch.name)])
    public = sketch.key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(sketch.begins)
        .not_valid_after(sketch.ends)
        .add_extension(_key_usage(sketch), critical=True)
    )
    if sketch.has_constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca=sketch.ca, path_length=None), critical=True)
    if sketch.usages is not None and not sketch.ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(sketch.usages)), critical=False)
    names: list[x509.GeneralName] = [
        *map(x509.UniformResourceIdentifier, sketch.uris),
        *map(x509.DNSName, sketch.dns),
        *(x509.IPAddress(ipaddress.ip_address(ip)) for ip in sketch.ips),
    ]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signer = issuer.key if issuer else sketch.key
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else sketch.hash
    return Made(builder.sign(signer, algorithm), sketch.key)


def make_authority(name: str, issuer: Made | None = None, **changes: Any) -> Made:
    values: dict[str, Any] = {"ends": MOMENT + 100 * DAY, "uris": (), "dns": (), "ca": True, "name": name}
    return make(Sketch(**(values | changes)), issuer)


def write_key(key: Any, password: bytes | None = None, format_: str = "PKCS8") -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    written: bytes = key.private_bytes(
        serialization.Encoding.PEM, getattr(serialization.PrivateFormat, format_), encryption
    )
    return written


def _key_usage(sketch: Sketch) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sketch.digital_signature,
        key_cert_sign=sketch.ca,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
