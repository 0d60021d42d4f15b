"""One URL's client: connections that are kept, TLS from files that are read again, proxies, credentials, redirects."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

from pillion import __version__
from pillion.errors import HostError, PeerError
from pillion.http import tls
from pillion.http.failure import SettingError
from pillion.http.message import Answer, NoAnswer, Request
from pillion.http.proxies import Proxy, is_exempt, parse_proxy, proxy_from_environment
from pillion.http.sender import ANSWER_LIMIT, ConnectionSettings, HttpSender, Server
from pillion.scraper.client.credentials import Headers, credentials_of
from pillion.scraper.client.oauth2 import Token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.clock import Clock
    from pillion.scraper.configuration import HttpClient, OAuth2, TlsConfig

AGENT = f"pillion/{__version__} (like Prometheus)"

_REDIRECTS = 10
"""That are followed for one request (net/http, client.go: defaultCheckRedirect)."""
_KEEPS_METHOD = frozenset({307, 308})
_CHANGES_METHOD = frozenset({301, 302, 303})
_UNAUTHORIZED = 401


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What an http(s) URL names. Two with the same server compare equal without their paths."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query."""

    @property
    def server(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


def parse_url(url: str) -> Address:
    """Raises SettingError for what is no http(s) URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingError("url", str(error)) from error
    if not host or parts.scheme not in {"http", "https"}:
        raise SettingError("url", "it is not http(s)://HOST[:PORT]/PATH")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(
        scheme=parts.scheme, host=host, port=port or (443 if parts.scheme == "https" else 80), path=path
    )


def user_in(url: str) -> tuple[str, str] | None:
    """`http://USER:PASSWORD@HOST`: Go's client takes them for Basic authentication when there is no other."""
    parts = urlsplit(url)
    return None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))


def without_user(url: str) -> str:
    """To be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class Client:
    """Requests to one URL's server, from any thread."""

    def __init__(
        self,
        settings: HttpClient,
        url: str,
        *,
        clock: Clock,
        environment: Mapping[str, str],
        timeout: float,
        connections: int = 1,
        answer_limit: int = ANSWER_LIMIT,
    ) -> None:
        """Connects to nobody yet, and reads no file. `timeout` in seconds, for each wait for the other side.

        Raises SettingError when `url` is none.
        """
        self.address = parse_url(url)
        self._settings = settings
        self._environment = environment
        self._connections = connections
        self._answer_limit = answer_limit
        self._connection = ConnectionSettings(connect_timeout=timeout, io_timeout=timeout, agent=AGENT)
        self._lock = threading.Lock()
        self._senders: dict[tuple[str, str, int], HttpSender] = {}
        self._files = _files(settings.tls_config)
        self._seen: tuple[tuple[int, int] | None, ...] = ()
        self._issuer: Client | None = None
        self._token: Token | None = None
        if (oauth2 := settings.oauth2) is not None:
            issuer = Client(
                _of_issuer(settings, oauth2),
                oauth2.token_url,
                clock=clock,
                environment=environment,
                timeout=timeout,
            )
            self._issuer, self._token = issuer, Token(oauth2, issuer.address.path, issuer.send, clock)
        self._credentials = credentials_of(
            settings, self._token.read if self._token else None, in_url=user_in(url)
        )

    def send(self, request: Request) -> Answer | NoAnswer:
        """Raises nothing for what the network, the other side or a file does."""
        answer = self._follow(request)
        if isinstance(answer, Answer) and answer.status == _UNAUTHORIZED and self._token is not None:
            self._token.forget()
            answer = self._follow(request)
        return answer

    def interrupt(self) -> None:
        """End the requests that are under way with NoAnswer."""
        if self._issuer is not None:
            self._issuer.interrupt()
        with self._lock:
            senders = list(self._senders.values())
        for sender in senders:
            sender.interrupt()

    def close(self) -> None:
        if self._issuer is not None:
            self._issuer.close()
        with self._lock:
            self._forget_senders()

    def _follow(self, request: Request) -> Answer | NoAnswer:
        address = msgspec.structs.replace(self.address, path=request.path)
        for _ in range(_REDIRECTS + 1):
            try:
                # Neither credentials nor headers of the user's go to another server than the configured one.
                own = self._credentials() if address.server == self.address.server else ()
                answer = self._sender(address).send(request, own)
            except SettingError as error:
                return NoAnswer(reason=f"tls_config: {error}")
            except (HostError, PeerError) as error:
                return NoAnswer(reason=str(error))
            if not self._settings.follow_redirects or isinstance(answer, NoAnswer):
                return answer
            location = answer.headers.get("location", "")
            if answer.status not in _KEEPS_METHOD | _CHANGES_METHOD or not location:
                return answer
            here = f"{address.scheme}://{address.host}:{address.port}{address.path}"
            try:
                address = parse_url(urljoin(here, location))
            except SettingError as error:
                return NoAnswer(reason=f"redirected to no address: {error.reason}")
            request = _redirected(request, address.path, answer.status)
        return NoAnswer(reason=f"stopped after {_REDIRECTS} redirects")

    def _sender(self, address: Address) -> HttpSender:
        with self._lock:
            if address.scheme == "https" and self._files:
                seen = tuple(_state(file) for file in self._files)
                if seen != self._seen:
                    self._forget_senders()
                    self._seen = seen
            sender = self._senders.get(address.server)
            if sender is None:
                sender = self._senders[address.server] = self._open(address)
            return sender

    def _open(self, address: Address) -> HttpSender:
        context = None
        config = self._settings.tls_config
        if address.scheme == "https":
            context = tls.client_context(_tls_settings(config))
        server = Server(host=address.host, port=address.port, tls=context, server_name=config.server_name)
        return HttpSender(
            server,
            self._connection,
            proxy=_proxy(self._settings, address, self._environment),
            connections=self._connections,
            answer_limit=self._answer_limit,
        )

    def _forget_senders(self) -> None:
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()


def _redirected(request: Request, path: str, status: int) -> Request:
    if status in _KEEPS_METHOD or request.method in ("GET", "HEAD"):
        return msgspec.structs.replace(request, path=path)
    headers: Headers = tuple(
        header for header in request.headers if not header[0].lower().startswith("content-")
    )
    return Request(method="GET", path=path, body=b"", headers=headers)


def _files(config: TlsConfig) -> tuple[Path, ...]:
    return tuple(Path(file) for file in (config.ca_file, config.cert_file, config.key_file) if file)


def _state(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _tls_settings(config: TlsConfig) -> tls.TlsSettings:
    versions = {"TLS12": "TLSv1.2", "TLS13": "TLSv1.3"}
    return tls.TlsSettings(
        verify=not config.insecure_skip_verify,
        ca_file=config.ca_file,
        ca=config.ca,
        cert_file=config.cert_file,
        cert=config.cert,
        key_file=config.key_file,
        key=config.key.reveal(),
        # Older versions than the system's own policy allows stay off.
        min_version=versions.get(config.min_version, ""),
        max_version=versions.get(config.max_version, config.max_version),
    )


def _proxy(settings: HttpClient, address: Address, environment: Mapping[str, str]) -> Proxy | None:
    is_tls = address.scheme == "https"
    proxy = None
    if settings.proxy_from_environment:
        proxy = proxy_from_environment(address.host, address.port, environment, tls=is_tls)
    elif settings.proxy_url and not is_exempt(address.host, address.port, settings.no_proxy):
        proxy = parse_proxy(settings.proxy_url, "proxy_url")
    if proxy is None or not settings.proxy_connect_header:
        return proxy
    headers = [(name, v.reveal()) for name, values in settings.proxy_connect_header.items() for v in values]
    return msgspec.structs.replace(proxy, connect_headers=tuple(headers))


def _of_issuer(settings: HttpClient, oauth2: OAuth2) -> HttpClient:
    return msgspec.structs.replace(
        settings,
        basic_auth=None,
        authorization=None,
        oauth2=None,
        http_headers={},
        tls_config=oauth2.tls_config,
        proxy_url=oauth2.proxy_url,
        no_proxy=oauth2.no_proxy,
        proxy_from_environment=oauth2.proxy_from_environment,
        proxy_connect_header=oauth2.proxy_connect_header,
    )
