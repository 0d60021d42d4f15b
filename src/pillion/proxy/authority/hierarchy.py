"""The certificates an authority consists of, and which of them count now. Pure."""

from __future__ import annotations

import msgspec
from cryptography import x509

from pillion.proxy.authority.certification import Issuer


class Hierarchy(msgspec.Struct, frozen=True, kw_only=True):
    """Root above intermediate above leafs."""

    roots: tuple[x509.Certificate, ...]
    """To be trusted: the present one, and during a rotation those before."""
    root: Issuer | None
    """The present one's. None: it is kept elsewhere."""
    intermediate: Issuer
    cross: tuple[x509.Certificate, ...] = ()
    """What leads from the present root to those before, one after the other."""

    @property
    def issuing_root(self) -> x509.Certificate:
        """The root whose name the intermediate bears."""
        wanted = self.intermediate.certificate.issuer
        return next((root for root in self.roots if root.subject == wanted), self.roots[0])
