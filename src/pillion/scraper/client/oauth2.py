"""Client credentials (RFC 6749, section 4.4): a token, renewed shortly before it ends."""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

import msgspec

from pillion.errors import PeerError
from pillion.http.message import Answer, NoAnswer, Request
from pillion.scraper.client.credentials import secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.clock import Clock
    from pillion.scraper.configuration import OAuth2

_SKEW = 10.0
"""Seconds before its end at which a token is no longer used (golang.org/x/oauth2: defaultExpiryDelta)."""
_LIFETIME = 3600.0
"""Of a token whose answer does not say."""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = _LIFETIME


class Token:
    def __init__(
        self, settings: OAuth2, path: str, send: Callable[[Request], Answer | NoAnswer], clock: Clock
    ) -> None:
        """`send` speaks to the token's server, `path` is what it is asked for."""
        self._settings = settings
        self._secret = secret(settings.client_secret.reveal(), settings.client_secret_file)
        self._path = path
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._ends = 0.0

    def read(self) -> str:
        """Raises PeerError or HostError when there is none to be had."""
        with self._lock:
            if not self._token or self._clock.now() >= self._ends:
                self._renew()
            return self._token

    def forget(self) -> None:
        """It was not accepted."""
        with self._lock:
            self._token = ""

    def _renew(self) -> None:
        asked = self._clock.now()
        answer = self._send(self._request())
        if isinstance(answer, NoAnswer):
            raise PeerError(f"cannot get an OAuth 2.0 token: {answer.reason}")
        if not answer.is_success:
            raise PeerError(f"cannot get an OAuth 2.0 token: HTTP {answer.status}: {answer.text()}")
        try:
            token = msgspec.json.decode(answer.body, type=_Token, strict=False)
        except msgspec.DecodeError as error:
            raise PeerError("cannot get an OAuth 2.0 token: the answer has no access_token") from error
        self._token = token.access_token
        self._ends = asked + max(1.0, token.expires_in - _SKEW)

    def _request(self) -> Request:
        settings = self._settings
        form = {"grant_type": "client_credentials", **settings.endpoint_params}
        if settings.scopes:
            form["scope"] = " ".join(settings.scopes)
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(self._secret.read())}".encode()
        headers = (
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Authorization", "Basic " + base64.b64encode(pair).decode("ascii")),
        )
        return Request(path=self._path, body=urlencode(form).encode(), headers=headers)
