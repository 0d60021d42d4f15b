"""OAuth 2.0 client credentials (RFC 6749, section 4.4): Fluent Bit's `oauth2.*` keys (src/flb_oauth2.c)."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Keys, Kind, NetSettings, TlsSettings, key
from pillion.collector.network.endpoint import open_sender, parse_address
from pillion.errors import PeerError
from pillion.http.credentials import secret
from pillion.http.message import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.clock import Clock
    from pillion.collector.network.authorization import Headers
    from pillion.collector.plugin import OutputContext
    from pillion.http.sender import HttpSender

_LIFETIME = 300.0
"""Seconds that a token is used when its issuer does not say (FLB_OAUTH2_DEFAULT_EXPIRES)."""


class OAuth2Settings(Keys, frozen=True, kw_only=True):
    """A group of outputs that can ask for tokens."""

    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "oauth2.jwt_key_file", "oauth2.jwt_cert_file", "oauth2.jwt_aud", "oauth2.jwt_header",
            "oauth2.jwt_ttl_seconds",
        ),
        "private_key_jwt is not offered: use oauth2.auth_method basic or post",
    )  # fmt: skip

    enable: Annotated[
        bool, key(name="oauth2.enable", help="ask for a bearer token with client credentials")
    ] = False
    token_url: Annotated[str, key(name="oauth2.token_url", help="where tokens are asked for")] = ""
    client_id: Annotated[str, key(name="oauth2.client_id")] = ""
    client_secret: Annotated[str, key(name="oauth2.client_secret", secret=True)] = ""
    client_secret_file: Annotated[
        str, key(name="oauth2.client_secret_file", help="a file with it, read again when it changes")
    ] = ""
    scope: Annotated[str, key(name="oauth2.scope")] = ""
    audience: Annotated[str, key(name="oauth2.audience")] = ""
    resource: Annotated[str, key(name="oauth2.resource")] = ""
    auth_method: Annotated[
        Literal["basic", "post"],
        key(name="oauth2.auth_method", help="where the client's secret is: header or form"),
    ] = "basic"
    refresh_skew_seconds: Annotated[
        int, key(name="oauth2.refresh_skew_seconds", help="a token is renewed so many seconds before its end")
    ] = 60
    timeout: Annotated[float, key(name="oauth2.timeout", kind=Kind.SECONDS)] = 0.0
    connect_timeout: Annotated[float, key(name="oauth2.connect_timeout", kind=Kind.SECONDS)] = 0.0
    user_agent: Annotated[str, key(name="oauth2.user_agent")] = ""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = _LIFETIME


class RenewedToken:
    """An Authorization: `Bearer` and a token, which is renewed before it ends.

    `ask` makes the request for one, with its credentials; it is given the time.
    """

    def __init__(
        self,
        ask: Callable[[float], tuple[Request, Headers]],
        sender: HttpSender,
        clock: Clock,
        *,
        skew: float,
    ) -> None:
        self._ask = ask
        self._sender = sender
        self._clock = clock
        self._skew = skew
        self._lock = threading.Lock()
        self._token = ""
        self._ends = 0.0

    def headers(self, request: Request) -> Headers:  # noqa: ARG002 - the protocol's
        """Raises PeerError, or what `ask` raises, when no token can be had."""
        with self._lock:
            if not self._token or self._clock.now() >= self._ends:
                self._renew()
            return (("Authorization", f"Bearer {self._token}"),)

    def renew(self) -> bool:
        with self._lock:
            self._token = ""
        return True

    def interrupt(self) -> None:
        self._sender.interrupt()

    def _renew(self) -> None:
        asked = self._clock.now()
        answer = self._sender.send(*self._ask(asked))
        if not isinstance(answer, Answer):
            raise PeerError(f"cannot get an OAuth 2.0 token: {answer.reason}")
        if not answer.is_success:
            # The text of a refusal is the issuer's own (`invalid_client`); a success would be the token itself.
            raise PeerError(f"cannot get an OAuth 2.0 token: HTTP {answer.status}: {answer.text()}")
        try:
            token = msgspec.json.decode(answer.body, type=_Token, strict=False)
        except msgspec.DecodeError as error:
            raise PeerError("cannot get an OAuth 2.0 token: the answer has no access_token") from error
        self._token = token.access_token
        self._ends = asked + max(1.0, token.expires_in - self._skew)


def token_request(settings: OAuth2Settings, client_secret: str) -> tuple[Request, Headers]:
    form = {"grant_type": "client_credentials"}
    form |= {name: value for name, value in (("scope", settings.scope), ("audience", settings.audience),
                                             ("resource", settings.resource)) if value}  # fmt: skip
    credentials: Headers = ()
    if settings.auth_method == "basic":
        # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(client_secret)}".encode()
        credentials = (("Authorization", "Basic " + base64.b64encode(pair).decode("ascii")),)
    else:
        form |= {"client_id": settings.client_id, "client_secret": client_secret}
    headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
    if settings.user_agent:
        headers.append(("User-Agent", settings.user_agent))
    parts = urlsplit(settings.token_url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Request(path=path, body=urlencode(form).encode(), headers=tuple(headers)), credentials


def client_credentials(
    settings: OAuth2Settings, context: OutputContext, *, place: str, net: NetSettings, tls: TlsSettings
) -> RenewedToken:
    """Raises ConfigurationError for what is missing."""
    if not (settings.token_url and settings.client_id):
        raise ConfigurationError(f"{place}: oauth2.enable: needs oauth2.token_url and oauth2.client_id")
    if not (settings.client_secret or settings.client_secret_file):
        raise ConfigurationError(f"{place}: oauth2.enable: needs oauth2.client_secret")
    address = parse_address(settings.token_url, f"{place}: oauth2.token_url")
    sender = open_sender(
        context,
        place=place,
        host=address.host,
        port=address.port,
        net=msgspec.structs.replace(net, connect_timeout=settings.connect_timeout or net.connect_timeout),
        tls=msgspec.structs.replace(tls, on=address.tls, vhost=""),
        workers=1,
        answer_timeout=settings.timeout or None,
    )
    client = secret(settings.client_secret, settings.client_secret_file, context.folder)

    def ask(_: float) -> tuple[Request, Headers]:
        return token_request(settings, client.read())

    return RenewedToken(ask, sender, context.clock, skew=settings.refresh_skew_seconds)
