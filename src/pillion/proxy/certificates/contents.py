"""What the files of a `certificates` entry held at one moment. Pure."""

from __future__ import annotations

import msgspec

from pillion.proxy.certificates.faults import Fault


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """Empty what the purpose does not need, and what could not be read."""

    chain: bytes = b""
    key: bytes = b""
    bundle: bytes = b""
    faults: tuple[Fault, ...] = ()
    """Of what could not be read."""
