"""Certificates as others make them: with `cryptography` alone, so that nothing of pillion's judges itself.

Folders have the layout of kubernetes.io/tls Secrets, with cert-manager's ca.crt.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
HOUR = datetime.timedelta(hours=1)
TRUST_DOMAIN = "pillion.test"


def spiffe(account: str) -> str:
    return f"spiffe://{TRUST_DOMAIN}/ns/default/sa/{account}"


def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def as_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_as_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """A root, and the folders of those it has issued certificates to."""

    def __init__(self, name: str = "test root") -> None:
        self._key = elliptic_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (
            _builder(self._name, self._name, self._key, (-24, 24 * 365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(certifies=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = as_pem(self.certificate)

    def sign(
        self,
        account: str,
        *,
        key: Key | None = None,
        dns: Sequence[str] = (),
        addresses: Sequence[str] = (),
        hours: tuple[float, float] = (-1, 24),
        identified: bool = True,
    ) -> tuple[x509.Certificate, Key]:
        """`hours`: from when to when it is good, from now. Unless `identified` it has no SPIFFE ID."""
        key = key or elliptic_key()
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        if identified:
            names.append(x509.UniformResourceIdentifier(spiffe(account)))
        builder = (
            _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, account)]), self._name, key, hours)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(certifies=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256()), key

    def issue(
        self,
        folder: Path,
        account: str,
        *,
        key: Key | None = None,
        dns: Sequence[str] = (),
        addresses: Sequence[str] = (),
        hours: tuple[float, float] = (-1, 24),
        identified: bool = True,
        bundle: bytes | None = None,
    ) -> Path:
        """The folder, with tls.crt, tls.key and ca.crt in it. `bundle`: the authorities it trusts; else this one."""
        certificate, key = self.sign(
            account, key=key, dns=dns, addresses=addresses, hours=hours, identified=identified
        )
        put(folder, as_pem(certificate), key_as_pem(key), self.pem if bundle is None else bundle)
        return folder


def put(folder: Path, chain: bytes, key: bytes | None, bundle: bytes) -> None:
    """As the kubelet's AtomicWriter does: a new folder with all the files, then the one rename of `..data`.

    None: the Secret has no such key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    payload = folder / f"..{os.urandom(6).hex()}"
    payload.mkdir()
    for name, content in (("tls.crt", chain), ("tls.key", key), ("ca.crt", bundle)):
        if content is None:
            continue
        (payload / name).write_bytes(content)
        (payload / name).chmod(0o600)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(payload.name)
    (folder / "..data_tmp").rename(folder / "..data")
    for old in folder.glob("..[0-9a-f]*"):
        if old.is_dir() and not old.is_symlink() and old != payload:
            for file in old.iterdir():
                file.unlink()
            old.rmdir()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, hours: tuple[float, float]
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + hours[0] * HOUR)
        .not_valid_after(now + hours[1] * HOUR)
    )


def _usage(*, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certifies,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=certifies,
        encipher_only=False,
        decipher_only=False,
    )
