"""How to speak HTTP to somebody: credentials, TLS, proxies, headers (prometheus/common, config/http_config.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

import msgspec

from pillion.scraper.configuration.schema import FilePath, Section, words
from pillion.scraper.configuration.secret import Secret
from pillion.scraper.configuration.values import Url
from pillion.units import quote

TLS_VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")

_NO_MANAGER = "there is no secret manager to ask: name a file"
_NO_JWT = "the JWT grant is not supported: use client_id with client_secret"
RESERVED_HEADERS = words(
    """
    authorization host content-encoding content-length content-type user-agent connection keep-alive proxy-authenticate
    proxy-authorization www-authenticate accept-encoding x-prometheus-remote-write-version
    x-prometheus-remote-read-version x-prometheus-scrape-timeout-seconds x-amz-date x-amz-security-token
    x-amz-content-sha256
    """
)
"""Of config/headers.go."""
_SEVERAL_CREDENTIALS = "at most one of basic_auth, oauth2 & authorization must be configured"


class BasicAuth(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.BasicAuth"
    go_decoded: ClassVar[str] = "config.plain"
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(("username_ref", "password_ref"), _NO_MANAGER)

    username: str = ""
    username_file: FilePath = FilePath("")
    password: Secret = Secret()
    password_file: FilePath = FilePath("")


class Authorization(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.Authorization"
    refused: ClassVar[Mapping[str, str]] = {"credentials_ref": _NO_MANAGER}

    type: str = "Bearer"
    credentials: Secret = Secret()
    credentials_file: FilePath = FilePath("")

    def completed(self) -> Self:
        return msgspec.structs.replace(self, type=self.type.strip() or "Bearer")


class TlsConfig(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.TLSConfig"
    go_decoded: ClassVar[str] = "config.plain"
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(("ca_ref", "cert_ref", "key_ref"), _NO_MANAGER)

    ca: str = ""
    cert: str = ""
    key: Secret = Secret()
    ca_file: FilePath = FilePath("")
    cert_file: FilePath = FilePath("")
    key_file: FilePath = FilePath("")
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: str = ""
    """One of TLS_VERSIONS, or empty."""
    max_version: str = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        for key in ("min_version", "max_version"):
            version = getattr(self, key)
            if version and version not in TLS_VERSIONS:
                yield key, f"unknown TLS version: {version}"
        if self.ca and self.ca_file:
            yield "ca", "at most one of ca, ca_file & ca_ref must be configured"
        if self.cert and self.cert_file:
            yield "cert", "at most one of cert, cert_file & cert_ref must be configured"
        if self.key and self.key_file:
            yield "key", "at most one of key and key_file must be configured"
        has_cert, has_key = bool(self.cert or self.cert_file), bool(self.key or self.key_file)
        certificate = "must be configured when a client certificate is configured"
        if has_cert and not has_key:
            yield "cert_file", f"exactly one of key or key_file {certificate}"
        elif has_key and not has_cert:
            yield (
                "key_file",
                "exactly one of cert or cert_file must be configured when a client key is configured",
            )


class Proxy(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.ProxyConfig"

    proxy_url: Url = Url("")
    no_proxy: str = ""
    proxy_from_environment: bool = False
    proxy_connect_header: Mapping[str, tuple[Secret, ...]] = {}

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.proxy_connect_header and not (self.proxy_from_environment or self.proxy_url):
            need = "proxy_url or proxy_from_environment must also be configured"
            yield "proxy_connect_header", f"if proxy_connect_header is configured, {need}"
        if self.proxy_from_environment and self.proxy_url:
            yield "proxy_url", "if proxy_from_environment is configured, proxy_url must not be configured"
        if self.proxy_from_environment and self.no_proxy:
            yield "no_proxy", "if proxy_from_environment is configured, no_proxy must not be configured"
        elif self.no_proxy and not self.proxy_url:
            yield "no_proxy", "if no_proxy is configured, proxy_url must also be configured"


class OAuth2(Proxy, frozen=True, kw_only=True):
    """Client credentials: a token of `token_url`."""

    go_type: ClassVar[str] = "config.OAuth2"
    go_decoded: ClassVar[str] = "config.plain"
    refused: ClassVar[Mapping[str, str]] = {
        "client_secret_ref": _NO_MANAGER,
        **dict.fromkeys(
            words(
                """
                grant_type client_certificate_key_id client_certificate_key client_certificate_key_file
                client_certificate_key_ref signature_algorithm iss audience claims
                """
            ),
            _NO_JWT,
        ),
    }

    client_id: str = ""
    client_secret: Secret = Secret()
    client_secret_file: FilePath = FilePath("")
    scopes: tuple[str, ...] = ()
    token_url: Url = Url("")
    endpoint_params: Mapping[str, str] = {}
    tls_config: TlsConfig = TlsConfig()

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.client_id:
            yield "client_id", "oauth2 client_id must be configured"
        if not self.token_url:
            yield "token_url", "oauth2 token_url must be configured"
        if self.client_secret and self.client_secret_file:
            keys = "client_secret, client_secret_file & client_secret_ref"
            yield "client_secret", f"at most one of oauth2 {keys} must be configured"
        yield from Proxy.problems(self)


class Header(Section, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.Header"

    values: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    files: tuple[FilePath, ...] = ()
    """Each holds one value."""


class HttpClient(Proxy, frozen=True, kw_only=True):
    go_type: ClassVar[str] = "config.HTTPClientConfig"
    go_decoded: ClassVar[str] = "config.plain"

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2 | None = None
    bearer_token: Secret = Secret()
    """Always empty after reading, as its file is: they become `authorization`."""
    bearer_token_file: FilePath = FilePath("")
    tls_config: TlsConfig = TlsConfig()
    follow_redirects: bool = True
    enable_http2: bool = True
    """Accepted; HTTP/1.1 is spoken, which every server takes."""
    http_headers: Mapping[str, Header] = {}

    def problems(self) -> Iterator[tuple[str, str]]:
        """HTTPClientConfig.Validate."""
        has_token = bool(self.bearer_token or self.bearer_token_file)
        if self.bearer_token and self.bearer_token_file:
            yield "bearer_token", "at most one of bearer_token & bearer_token_file must be configured"
        if has_token and (self.basic_auth is not None or self.oauth2 is not None):
            keys = "basic_auth, oauth2, bearer_token & bearer_token_file"
            yield "bearer_token", f"at most one of {keys} must be configured"
        yield from self._basic_auth_problems()
        if self.authorization is not None:
            yield from self._authorization_problems(self.authorization, has_token=has_token)
        elif self.oauth2 is not None and self.basic_auth is not None:
            yield "oauth2", _SEVERAL_CREDENTIALS
        yield from Proxy.problems(self)
        for name in self.http_headers:
            if name.lower() in RESERVED_HEADERS:
                yield "http_headers", f"setting header {quote(name.title())} is not allowed"

    def _basic_auth_problems(self) -> Iterator[tuple[str, str]]:
        auth = self.basic_auth
        if auth is None:
            return
        for key, is_twice in (
            ("username", auth.username and auth.username_file),
            ("password", auth.password and auth.password_file),
        ):
            if is_twice:
                yield (
                    "basic_auth",
                    f"at most one of basic_auth {key}, {key}_file & {key}_ref must be configured",
                )

    def _authorization_problems(
        self, authorization: Authorization, *, has_token: bool
    ) -> Iterator[tuple[str, str]]:
        if has_token:
            yield "authorization", "authorization is not compatible with bearer_token & bearer_token_file"
        if authorization.credentials and authorization.credentials_file:
            keys = "credentials & credentials_file"
            yield "authorization", f"at most one of authorization {keys} must be configured"
        if authorization.type.lower() == "basic":
            yield "authorization", 'authorization type cannot be set to "basic", use "basic_auth" instead'
        if self.basic_auth is not None or self.oauth2 is not None:
            yield "authorization", _SEVERAL_CREDENTIALS

    def completed(self) -> Self:
        if not (self.bearer_token or self.bearer_token_file):
            return self
        authorization = Authorization(credentials=self.bearer_token, credentials_file=self.bearer_token_file)
        return msgspec.structs.replace(
            self, authorization=authorization, bearer_token=Secret(), bearer_token_file=FilePath("")
        )
