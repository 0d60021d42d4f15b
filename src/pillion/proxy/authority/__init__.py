"""Certificates that are issued: a root, an intermediate below it, and leafs of hours with SPIFFE IDs.

    authority = open_authority(folder, "cluster.local", now)
    chain_pem = authority.issue(key.public_key(), of_service_account("cluster.local", "default", "agent"), now=now)

- `keys`, `certification`, `hierarchy`, `requests`, `rotation`: no clock, no files.
- `storage`: the folder.
- `issuing`: what others call.
"""

from pillion.proxy.authority.issuing import (
    LEAF_LIFETIME,
    MAX_LEAF_LIFETIME,
    Authority,
    find_authority,
    open_authority,
    rotate_authority,
)
from pillion.proxy.authority.keys import format_key, generate_key
from pillion.proxy.authority.rotation import Rotation

__all__ = [
    "LEAF_LIFETIME",
    "MAX_LEAF_LIFETIME",
    "Authority",
    "Rotation",
    "find_authority",
    "format_key",
    "generate_key",
    "open_authority",
    "rotate_authority",
]
