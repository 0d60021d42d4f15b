"""Keys: which are strong enough, how they are made and written."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

MIN_RSA_BITS = 2048
"""NIST SP 800-57 part 1: 112 bits of security. Envoy refuses less (source/common/tls/context_impl.cc)."""
CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""P-256, P-384, P-521: the only ones that Envoy takes, and those of Kubernetes' PodCertificateRequest."""

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def generate_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def format_key(key: PrivateKey) -> str:
    """PKCS #8, PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def weakness(key: CertificatePublicKeyTypes) -> str:
    """Why nobody should trust a key of this kind; empty when it is fine."""
    match key:
        case rsa.RSAPublicKey() if key.key_size < MIN_RSA_BITS:
            return f"an RSA key of {key.key_size} bits is too short: at least {MIN_RSA_BITS}"
        case ec.EllipticCurvePublicKey() if key.curve.name not in CURVES:
            return f"the curve {key.curve.name} is not P-256, P-384 or P-521"
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey() | ed25519.Ed25519PublicKey():
            return ""
        case _:
            return "it is neither RSA nor ECDSA nor Ed25519"
