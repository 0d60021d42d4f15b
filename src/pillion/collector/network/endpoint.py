"""From the keys that all outputs over HTTP share to a sender."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.network.tls import client_context
from pillion.http.failure import SettingError
from pillion.http.proxies import parse_proxy, proxy_from_environment

if TYPE_CHECKING:
    from pillion.collector.configuration.settings import NetSettings, TlsSettings
    from pillion.collector.plugin import OutputContext
    from pillion.http.sender import HttpSender

_AGENT = "pillion (like Fluent-Bit)"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What an http(s) URL names."""

    tls: bool
    host: str
    port: int
    path: str
    """With the query; empty when the URL has none."""


def parse_address(url: str, place: str) -> Address:
    """`place` is FILE:LINE and the key. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}") from error
    if not host or parts.scheme not in {"http", "https"}:
        raise ConfigurationError(f"{place}: it is not http(s)://HOST[:PORT]/PATH")
    tls = parts.scheme == "https"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return Address(tls=tls, host=host, port=port or (443 if tls else 80), path=path)


def open_sender(
    context: OutputContext,
    *,
    place: str,
    host: str,
    port: int,
    net: NetSettings,
    tls: TlsSettings,
    workers: int,
    proxy: str = "",
    answer_timeout: float | None = None,
) -> HttpSender:
    """Raises ConfigurationError for keys that cannot be used. Connects to nobody yet."""
    from pillion.http.sender import ConnectionSettings, HttpSender, Server

    try:
        through = parse_proxy(proxy) if proxy else None
    except SettingError as error:
        raise ConfigurationError(f"{place}: {error}") from error
    if through is None and not net.proxy_env_ignore:
        try:
            through = proxy_from_environment(host, port, context.environment, tls=tls.on)
        except SettingError as error:
            raise ConfigurationError(str(error)) from error
    return HttpSender(
        Server(
            host=host.strip("[]"),
            port=port,
            tls=client_context(tls, place) if tls.on else None,
            server_name=tls.vhost,
        ),
        ConnectionSettings(
            connect_timeout=net.connect_timeout,
            io_timeout=net.io_timeout,
            keepalive=net.keepalive,
            source_address=net.source_address,
            agent=_AGENT,
        ),
        proxy=through,
        connections=max(1, workers),
        answer_timeout=answer_timeout,
    )
