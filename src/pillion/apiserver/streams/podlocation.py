"""Where a request to a pod's proxy goes (apiserver: pkg/registry/core/pod/strategy.go, ResourceLocation)."""

from __future__ import annotations

import ipaddress
import posixpath
from typing import Any
from urllib.parse import quote as percent_quote

import msgspec

from pillion.apiserver.proxynames import split_proxy_name
from pillion.apiserver.statuses import bad_request
from pillion.units import quote

Tree = dict[str, Any]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNQUOTED = "/$&+,:;=@"
"""What Go leaves as it is in the path of a URL (net/url: encodePath), besides letters, digits and `-_.~`."""


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A server in a pod, and what is asked of it."""

    ip: str
    port: int
    is_tls: bool
    authority: str
    """As links of the server may name it: without a port where nobody has said one."""
    path: str
    """Decoded. Empty when the client has said nothing, not even a slash."""
    prefix: str
    """The part of the client's own path, decoded, that leads here."""

    @property
    def target(self) -> str:
        """The path of a request line."""
        return encode_path(self.path or "/")

    @property
    def forwarded_uri(self) -> str:
        """The value of `X-Forwarded-Uri` (apimachinery: util/proxy/transport.go). Decoded, as there."""
        return join_path(self.prefix, self.path or "/")


def locate(pod: Tree, name: str, rest: str, client_path: str) -> Location:
    """`name` as in the client's path, `rest` what follows `/proxy/` in it. Raises ApiError."""
    asked = split_proxy_name(name)
    if asked is None:
        raise bad_request(f"invalid pod request {quote(name)}")
    ip = _address(pod)
    scheme, port = asked.scheme or "http", asked.port or _first_port(pod)
    # A port by name has no meaning here: it makes an API server panic.
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise bad_request(f"invalid pod request {quote(name)}: the port must be a number between 1 and 65535")
    host = f"[{ip}]" if ":" in ip else ip
    path = join_path(rest) if rest else ""
    if client_path.endswith("/") and not path.endswith("/"):
        path += "/"
    return Location(
        ip=ip,
        port=int(port) if port else _DEFAULT_PORTS[scheme],
        is_tls=scheme == "https",
        authority=f"{host}:{port}" if port else host,
        path=path,
        prefix=client_path.removesuffix(path),
    )


def _address(pod: Tree) -> str:
    """Raises ApiError."""
    ips = pod.get("status", {}).get("podIPs") or ()
    text = ips[0]["ip"] if ips else ""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        raise bad_request("address not allowed") from None
    # What Go calls a global unicast address: private ones are.
    if (
        ip.is_unspecified
        or ip.is_loopback
        or ip.is_multicast
        or ip.is_link_local
        or text == "255.255.255.255"
    ):
        raise bad_request("address not allowed")
    return str(text)


def _first_port(pod: Tree) -> str:
    for container in pod["spec"]["containers"]:
        if container.get("ports"):
            return str(container["ports"][0]["containerPort"])
    return ""


def join_path(*parts: str) -> str:
    """Absolute, without `.`, `..` and empty parts, its slash at the end kept."""
    joined = "/" + "/".join(parts)
    clean = "/" + posixpath.normpath(joined).lstrip("/")
    return clean + "/" if joined.endswith("/") and clean != "/" else clean


def encode_path(path: str) -> str:
    return percent_quote(path, safe=_UNQUOTED)
