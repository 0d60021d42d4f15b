"""What can be wrong with certificates that are given, in words for whoever mounts them. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pillion.errors import ManifestError


class Reason(StrEnum):
    """The label of a rejected certificate in metrics."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    NOT_PEM = "not_pem"
    ENCRYPTED_KEY = "encrypted_key"
    UNSUPPORTED_KEY = "unsupported_key"
    WRONG_KEY = "wrong_key"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    CHAIN_ORDER = "chain_order"
    BROKEN_CHAIN = "broken_chain"
    UNKNOWN_AUTHORITY = "unknown_authority"
    NOT_A_LEAF = "not_a_leaf"
    WRONG_USAGE = "wrong_usage"
    NO_NAME = "no_name"
    WRONG_NAME = "wrong_name"
    WEAK_KEY = "weak_key"
    WEAK_SIGNATURE = "weak_signature"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for which a `certificates` entry cannot be used."""

    reason: Reason
    path: str
    text: str
    """What is wrong with the file at `path`."""
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}; {self.remedy}"


class CertificateError(ManifestError):
    """A `certificates` entry cannot be used: one line for each fault, with the entry's place in the configuration."""

    def __init__(self, place: str, name: str, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(f"{place}: certificates.{name}: {fault}" for fault in faults))
        self.name = name
        self.faults = faults
