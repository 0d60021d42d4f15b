"""The authority of one state directory: its own CA, the API server's certificate, the keys that sign tokens.

    DIR/pki/ca.crt, ca.key                 ten years
    DIR/pki/apiserver.crt, apiserver.key   a year, made anew a month before its end or when it lacks a name
    DIR/pki/sa.pub, sa.key                 sign and verify service-account tokens
    DIR/pki/admin.token                    who has it may do everything

The names are those of kubeadm. Keys are P-256, readable by their owner alone. A key that is lost takes what it signed
with it: everything below it is made anew.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pillion.errors import HostError
from pillion.privatefile import write_file
from pillion.proxy.authority.certification import Issuer, begin, issued_by, key_usage
from pillion.proxy.authority.keys import format_key, generate_key
from pillion.units import Instant

CA_LIFETIME = datetime.timedelta(days=3650)
"""kubeadm's, for its CA."""
LEAF_LIFETIME = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)

_Key = ec.EllipticCurvePrivateKey


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the folder, up to date."""

    ca_pem: str
    certificate: Path
    """The API server's."""
    key: Path
    token_key_pem: bytes
    """Private: signs service-account tokens."""
    admin_token: str


def open_authority(folder: Path, now: Instant, addresses: Sequence[str]) -> Authority:
    """Read what is there, make what is missing or soon over. Raises HostError when the folder cannot be written.

    `addresses` are the IP addresses by which clients reach the server, besides loopback.
    """
    moment = datetime.datetime.fromtimestamp(now, tz=datetime.UTC)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ca_key, ca = _open_ca(folder, moment)
        _open_leaf(folder, moment, ca_key, ca, addresses)
        token_key = _open_token_key(folder)
        admin_token = _open_admin_token(folder / "admin.token")
    except (OSError, ValueError) as error:
        raise HostError(
            f"cannot use the certificates in {folder}: {error}; remove the folder and new ones are made"
        ) from error
    return Authority(
        ca_pem=ca.public_bytes(serialization.Encoding.PEM).decode(),
        certificate=folder / "apiserver.crt",
        key=folder / "apiserver.key",
        token_key_pem=format_key(token_key).encode(),
        admin_token=admin_token,
    )


def _open_ca(folder: Path, now: datetime.datetime) -> tuple[_Key, x509.Certificate]:
    known = _read_pair(folder, "ca")
    if known is not None and known[1].not_valid_after_utc - now > RENEW_BEFORE:
        return known
    key = generate_key()
    name = _name("pillion")
    certificate = (
        begin(name, name, key.public_key(), now, now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, "ca", key, certificate)
    return key, certificate


def _open_leaf(
    folder: Path, now: datetime.datetime, ca_key: _Key, ca: x509.Certificate, addresses: Sequence[str]
) -> None:
    wanted = _alternative_names(addresses)
    known = _read_pair(folder, "apiserver")
    if known is not None and _is_good(known[1], now, ca, wanted):
        return
    key = generate_key()
    certificate = (
        begin(_name("kube-apiserver"), ca.subject, key.public_key(), now, now + LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issued_by(Issuer(ca, ca_key)), critical=False)
        .add_extension(x509.SubjectAlternativeName(wanted), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_pair(folder, "apiserver", key, certificate)


def _is_good(
    leaf: x509.Certificate, now: datetime.datetime, ca: x509.Certificate, wanted: list[x509.GeneralName]
) -> bool:
    try:
        leaf.verify_directly_issued_by(ca)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False  # not ours, or not a server's: a new one is made
    return leaf.not_valid_after_utc - now > RENEW_BEFORE and set(wanted) <= set(names)


def _alternative_names(addresses: Sequence[str]) -> list[x509.GeneralName]:
    """kubeadm: certs/pkiutil, GetAPIServerAltNames."""
    names = ("localhost", *(f"kubernetes{rest}" for rest in ("", ".default", ".default.svc")),
             "kubernetes.default.svc.cluster.local")  # fmt: skip
    ips = dict.fromkeys(("127.0.0.1", "::1", *addresses))
    return [*map(x509.DNSName, names), *(x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips)]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _open_token_key(folder: Path) -> _Key:
    path = folder / "sa.key"
    if path.exists():
        return _read_key(path)
    key = generate_key()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_file(folder / "sa.pub", public, mode=0o644)
    write_file(path, format_key(key).encode())
    return key


def _open_admin_token(path: Path) -> str:
    if path.exists() and (known := path.read_text().strip()):
        return known
    token = secrets.token_urlsafe(32)
    write_file(path, token.encode())
    return token


def _read_pair(folder: Path, name: str) -> tuple[_Key, x509.Certificate] | None:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if not certificate.exists() or not key.exists():
        return None
    pair = _read_key(key), x509.load_pem_x509_certificate(certificate.read_bytes())
    return pair if pair[0].public_key() == pair[1].public_key() else None


def _read_key(path: Path) -> _Key:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path.name} is not an elliptic curve key")
    return key


def _write_pair(folder: Path, name: str, key: _Key, certificate: x509.Certificate) -> None:
    write_file(folder / f"{name}.key", format_key(key).encode())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    write_file(folder / f"{name}.crt", pem, mode=0o644)
