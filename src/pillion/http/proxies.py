"""Which proxy a request goes through. Pure: the environment is handed in.

HTTP_PROXY for every server, HTTPS_PROXY before it for those that are spoken to over TLS, NO_PROXY for exceptions; the
names in lower case, too, as curl does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from pillion.http.failure import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    """Without user and password."""
    user: str = ""
    password: str = ""
    connect_headers: tuple[tuple[str, str], ...] = ()
    """Sent with CONNECT, which is how TLS goes through a proxy."""

    def __repr__(self) -> str:
        return f"Proxy({self.url})"


def parse_proxy(text: str, key: str = "proxy") -> Proxy:
    """`http://[user:password@]host[:port]`. Raises SettingError."""
    wrong = SettingError(key, "it is not http://HOST:PORT")
    try:
        parts = urlsplit(text if "//" in text else f"//{text}", scheme="http")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise wrong from error
    if not host or parts.scheme not in {"http", "https"}:
        raise wrong
    shown = f"[{host}]" if ":" in host else host
    return Proxy(
        url=f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def proxy_from_environment(
    host: str, port: int, environment: Mapping[str, str], *, tls: bool
) -> Proxy | None:
    """Raises SettingError when the variable is not an address."""
    names = (
        ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy") if tls else ("HTTP_PROXY", "http_proxy")
    )
    for name in names:
        if environment.get(name):
            break
    else:
        return None
    if is_exempt(host, port, environment.get("NO_PROXY") or environment.get("no_proxy") or ""):
        return None
    return parse_proxy(environment[name], f"the environment's {name}")


def is_exempt(host: str, port: int, exceptions: str) -> bool:
    """By NO_PROXY: names and their subdomains, with or without a port, `*` for all."""
    host = host.lower().rstrip(".")
    for raw in exceptions.lower().split(","):
        entry = raw.strip()
        name, colon, wanted = entry.rpartition(":")
        if colon and wanted.isdigit() and "]" not in wanted:
            if int(wanted) != port:
                continue
            entry = name
        entry = entry.strip("[]").lstrip(".")
        if entry and (entry == "*" or host == entry or host.endswith(f".{entry}")):
            return True
    return False
