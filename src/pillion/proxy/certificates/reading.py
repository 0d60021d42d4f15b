"""From a `certificates` entry to its material, or to all that is wrong with it."""

from __future__ import annotations

from pillion.proxy.certificates.faults import CertificateError
from pillion.proxy.certificates.files import read_contents
from pillion.proxy.certificates.material import Material
from pillion.proxy.certificates.purpose import Purpose, purposes
from pillion.proxy.configuration.values import Certificate, Configuration
from pillion.units import Instant

ANYTHING = Purpose(serves=True, calls=True, verifies=True)


def read(
    certificate: Certificate, now: Instant, *, purpose: Purpose = ANYTHING, file: str = "proxy.yaml"
) -> Material:
    """Read the files, all of one moment, and check them. `file` is the configuration's, for the errors.

    Raises CertificateError. Loads `cryptography`, 13 MB of memory: the sidecar has a forked child do it.
    """
    from pillion.proxy.certificates.checking import check

    found = check(certificate, read_contents(certificate, purpose), purpose, now)
    if isinstance(found, Material):
        return found
    raise CertificateError(place(file, certificate), certificate.name, found)


def read_all(configuration: Configuration, now: Instant) -> dict[str, Material | CertificateError]:
    """Each entry by its name: what came out, or why nothing did."""
    found: dict[str, Material | CertificateError] = {}
    for certificate, purpose in purposes(configuration):
        try:
            found[certificate.name] = read(certificate, now, purpose=purpose, file=configuration.file)
        except CertificateError as error:
            found[certificate.name] = error
    return found


def place(file: str, certificate: Certificate) -> str:
    return f"{file}:{certificate.line}" if certificate.line else file
