"""SPIFFE IDs: who a workload is. Source: SPIFFE-ID.md of the SPIFFE standards (sections 2.1-2.4)."""

from __future__ import annotations

import re

import msgspec

_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_PATH = re.compile(r"(/[a-zA-Z0-9._-]+)*")
_MAX_LENGTH = 2048


class SpiffeId(msgspec.Struct, frozen=True):
    """`spiffe://TRUST-DOMAIN/PATH`."""

    trust_domain: str
    path: str = ""
    """Empty, or begins with `/`. Of a Pod: `/ns/NAMESPACE/sa/SERVICE-ACCOUNT`."""

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}{self.path}"


def of_service_account(trust_domain: str, namespace: str, account: str) -> SpiffeId:
    return SpiffeId(trust_domain, f"/ns/{namespace}/sa/{account}")


def parse_spiffe_id(text: str) -> SpiffeId:
    """Raises ValueError with what is wrong."""
    if not text.startswith("spiffe://"):
        raise ValueError(f"{text!r} is no SPIFFE ID: it must begin with spiffe://")
    if len(text.encode()) > _MAX_LENGTH:
        raise ValueError(f"a SPIFFE ID has at most {_MAX_LENGTH} bytes")
    domain, slash, rest = text.removeprefix("spiffe://").partition("/")
    if not _TRUST_DOMAIN.fullmatch(domain):
        raise ValueError(
            f"{text!r}: the trust domain {domain!r} must be lower-case letters, digits, '.', '-' and '_'"
        )
    path = slash + rest
    if not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        raise ValueError(f"{text!r}: the path must be of parts of letters, digits, '.', '-' and '_'")
    return SpiffeId(domain, path)
