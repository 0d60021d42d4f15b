"""Certificates in words and values. Pure."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from pillion.proxy.certificates.material import Leaf
from pillion.units import Instant, format_time

ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)


@contextmanager
def oddities_allowed() -> Iterator[None]:
    """What is odd and allowed (a serial number of 0, a country of three letters) is no line for our stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # cryptography's own are of this kind
        yield


def describe(certificate: x509.Certificate) -> Leaf:
    with oddities_allowed():
        return _describe(certificate)


def _describe(certificate: x509.Certificate) -> Leaf:
    names = extension(certificate, x509.SubjectAlternativeName)
    return Leaf(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=Instant(certificate.not_valid_before_utc.timestamp()),
        not_after=Instant(certificate.not_valid_after_utc.timestamp()),
        uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)) if names else (),
        dns=tuple(name.lower() for name in names.get_values_for_type(x509.DNSName)) if names else (),
        ips=tuple(str(ip) for ip in names.get_values_for_type(x509.IPAddress)) if names else (),
    )


def extension(certificate: x509.Certificate, kind: type[ExtensionT]) -> ExtensionT | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def short_name(certificate: x509.Certificate) -> str:
    """What people call it: its SPIFFE ID, its first name, or its subject."""
    leaf = describe(certificate)
    return next(iter((*leaf.uris, *leaf.dns, *leaf.ips)), "") or _name(certificate.subject)


def issuer_name(certificate: x509.Certificate) -> str:
    return _name(certificate.issuer)


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "no name"


def format_certificates(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


def format_moment(moment: datetime.datetime) -> str:
    return format_time(Instant(moment.timestamp()))
