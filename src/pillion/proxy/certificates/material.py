"""Certificates that have been read and found good. Pure."""

from __future__ import annotations

import msgspec

from pillion.units import Instant


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """What one certificate says."""

    subject: str
    issuer: str
    serial: str
    """Hexadecimal."""
    not_before: Instant
    not_after: Instant
    uris: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """One `certificates` entry, ready for Envoy: the key fits the chain, and all of it is of one moment."""

    name: str
    chain_pem: str = ""
    """Leaf first. Empty: only the bundle is used."""
    key_pem: str = ""
    bundle_pem: str = ""
    leaf: Leaf | None = None
    warnings: tuple[str, ...] = ()
    """What is allowed and probably not meant."""

    def __repr__(self) -> str:
        """Without the key: a value may end up in a log."""
        return f"Material(name={self.name!r}, leaf={self.leaf!r})"
