"""Names of what is proxied: `NAME`, `NAME:PORT` and `SCHEME:NAME:PORT` (apimachinery: util/net/port_split.go)."""

from __future__ import annotations

import msgspec

_SCHEMES = ("", "http", "https")


class ProxyName(msgspec.Struct, frozen=True):
    scheme: str
    """Empty for http."""
    name: str
    port: str
    """Empty for the default one. It need not be a number."""


def split_proxy_name(text: str) -> ProxyName | None:
    """None when it has none of the three forms."""
    match text.split(":"):
        case [name]:
            scheme, port = "", ""
        case [name, port]:
            scheme = ""
        case [scheme, name, port]:
            pass
        case _:
            return None
    return ProxyName(scheme, name, port) if name and scheme in _SCHEMES else None
