"""PEM text: certificates and a key in it, or what is there instead. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pillion.proxy.authority.keys import PrivateKey
from pillion.proxy.certificates.description import oddities_allowed
from pillion.proxy.certificates.faults import Reason

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[^\n]*\n.*?\n-----END \1-----[^\n]*", re.DOTALL)
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATES = {"CERTIFICATE", "X509 CERTIFICATE"}
_KEYS = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}
_DAMAGED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for a certificate that it cannot make sense of."""
_DER = b"\x30"
"""A SEQUENCE: what certificates, keys and PKCS #12 files begin with."""
_PKCS12_VERSION = b"\x02\x01\x03"


class Unreadable(NamedTuple):
    """Why a file is not what it should be."""

    reason: Reason
    text: str
    remedy: str


def parse_certificates(data: bytes) -> list[x509.Certificate] | Unreadable:
    """At least one. Keys beside them are passed over: a credential bundle holds both."""
    blocks = _blocks(data)
    found = [block for label, block in blocks if label in _CERTIFICATES]
    if not found:
        return _nothing(data, [label for label, _ in blocks], "a certificate", "openssl x509 -inform der")
    certificates = []
    for number, block in enumerate(found, start=1):
        try:
            certificates.append(_certificate(block))
        except _DAMAGED as error:
            return Unreadable(
                Reason.NOT_PEM,
                f"certificate {number} cannot be decoded ({_first_line(error)})",
                "replace it with the certificate as its authority issued it",
            )
    return certificates


def parse_key(data: bytes) -> PrivateKey | Unreadable:
    """Certificates beside it are passed over."""
    blocks = _blocks(data)
    for label, block in blocks:
        if label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block:
            return Unreadable(
                Reason.ENCRYPTED_KEY,
                "the key is encrypted, and nobody is there to type its passphrase",
                "write it without: openssl pkey -in KEY -out tls.key",
            )
    found = [block for label, block in blocks if label in _KEYS]
    if not found:
        return _nothing(data, [label for label, _ in blocks], "a private key", "openssl pkey -inform der")
    if len(found) > 1:
        return Unreadable(Reason.NOT_PEM, f"it holds {len(found)} private keys", "keep only the leaf's")
    try:
        key = serialization.load_pem_private_key(found[0] + b"\n", password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return Unreadable(
            Reason.NOT_PEM,
            f"the key cannot be decoded ({_first_line(error)})",
            "replace it with the key that was made for the certificate",
        )
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        return Unreadable(
            Reason.UNSUPPORTED_KEY,
            "the key is of a kind that TLS with Envoy does not know",
            "use an ECDSA key (P-256) or RSA of at least 2048 bits",
        )
    return key


def _certificate(block: bytes) -> x509.Certificate:
    """Raises one of `_DAMAGED`, also for what only shows when asked for: nobody later need expect it."""
    with oddities_allowed():
        certificate = x509.load_pem_x509_certificate(block + b"\n")
        certificate.extensions, certificate.subject, certificate.issuer, certificate.public_key()
    return certificate


def _blocks(data: bytes) -> list[tuple[str, bytes]]:
    text = data.replace(b"\r\n", b"\n")
    return [(match[1].decode(), match[0]) for match in _BLOCK.finditer(text)]


def _nothing(data: bytes, labels: list[str], wanted: str, convert: str) -> Unreadable:
    if not data.strip():
        return Unreadable(Reason.EMPTY, "the file is empty", f"it must hold {wanted} in PEM")
    if labels:
        return Unreadable(
            Reason.NOT_PEM,
            f"it holds {', '.join(dict.fromkeys(label.lower() for label in labels))} and not {wanted}",
            _CONVERT_OPENSSH if labels == ["OPENSSH PRIVATE KEY"] else "are the files mixed up?",
        )
    if data.startswith(_DER):
        if _PKCS12_VERSION in data[:8]:
            return Unreadable(
                Reason.NOT_PEM, "it is PKCS #12 and not PEM", "convert it with openssl pkcs12 -nodes"
            )
        return Unreadable(Reason.NOT_PEM, "it is DER and not PEM", f"convert it with {convert}")
    if _BEGIN.search(data):
        return Unreadable(
            Reason.NOT_PEM, "its PEM is cut off", "replace it with the whole file, BEGIN to END, line by line"
        )
    return Unreadable(
        Reason.NOT_PEM,
        f"it is not PEM: no line says -----BEGIN {'PRIVATE KEY' if 'key' in wanted else 'CERTIFICATE'}-----",
        "a Secret's `data` is base64 of the PEM text, `stringData` the text itself",
    )


_CONVERT_OPENSSH = "convert a copy with ssh-keygen -p -m PKCS8, or better: make a key of its own for TLS"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
