"""What the proxy changes in a message's head, either way.

Sources: net/http/httputil, reverseproxy.go; apimachinery, util/proxy/{upgradeaware,transport}.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from starlette.types import Scope

from pillion.apiserver.streams.podlocation import Location, encode_path, join_path

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOT_FOR_PODS = frozenset({b"authorization", b"x-forwarded-for"})
"""The client's token is for the API server (endpoints/filters/authentication.go); its address is written anew."""
_NOT_FOR_CLIENTS = frozenset(
    {
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"date",  # our own server writes one
    }
)


def request_headers(scope: Scope) -> Headers:
    """The client's, for the pod, and who the client is. The client's `Host` stays."""
    theirs: Headers = list(scope["headers"])
    headers = _end_to_end(theirs, _NOT_FOR_PODS)
    if any(name == b"te" and b"trailers" in value for name, value in theirs):
        headers.append((b"te", b"trailers"))
    if any(name == b"transfer-encoding" for name, _ in theirs):
        headers.append((b"transfer-encoding", b"chunked"))
    client = scope.get("client")
    hops = [value for name, value in theirs if name == b"x-forwarded-for"]
    hops += [client[0].encode()] if client else []
    return headers + ([(b"x-forwarded-for", b", ".join(hops))] if hops else [])


def response_headers(theirs: Iterable[tuple[bytes, bytes]], location: Location, host: str) -> Headers:
    """The pod's, for the client who has called us `host`."""
    return [
        (name, rewrite_link(value.decode("latin-1"), location, host).encode("latin-1"))
        if name == b"location"
        else (name, value)
        for name, value in _end_to_end(list(theirs), _NOT_FOR_CLIENTS)
    ]


def rewrite_link(link: str, location: Location, host: str) -> str:
    """A link to the pod's own server leads through the proxy; others stay (transport.go: rewriteURL)."""
    try:
        url = urlsplit(link)
    except ValueError:
        return link
    named = url.netloc.rpartition("@")[2]
    if named not in ("", location.authority, host) or not url.path.startswith("/"):
        return link
    if named != host:
        url = url._replace(scheme="", netloc="")
    prefix = encode_path(location.prefix)
    if not url.path.startswith(prefix):
        url = url._replace(path=join_path(prefix, url.path))
    return urlunsplit(url)


def _end_to_end(headers: Headers, but: frozenset[bytes]) -> Headers:
    named = {
        word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")
    }
    return [(name, value) for name, value in headers if name not in _HOP_BY_HOP | named | but]
