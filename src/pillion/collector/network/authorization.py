"""Who we are to the other side: the headers that say so, made anew for every request."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec

from pillion.collector.configuration.settings import Keys, key
from pillion.http.credentials import Secret, secret

if TYPE_CHECKING:
    from pillion.http.message import Request

Headers = tuple[tuple[str, str], ...]


class Authorization(Protocol):
    def headers(self, request: Request) -> Headers:
        """Raises HostError or PeerError when they cannot be had at the moment."""

    def renew(self) -> bool:
        """The other side did not accept them (401). False when there are no newer ones to be had."""

    def interrupt(self) -> None:
        """End a `headers` that waits. Called from another thread."""


class Anonymous(msgspec.Struct, frozen=True):
    def headers(self, request: Request) -> Headers:  # noqa: ARG002 - the protocol's
        return ()

    def renew(self) -> bool:
        return False

    def interrupt(self) -> None:
        """Nothing waits."""


class Basic(msgspec.Struct, frozen=True):
    """RFC 7617."""

    user: str
    password: Secret

    def headers(self, request: Request) -> Headers:  # noqa: ARG002 - the protocol's
        pair = f"{self.user}:{self.password.read()}".encode()
        return (("Authorization", "Basic " + base64.b64encode(pair).decode("ascii")),)

    def renew(self) -> bool:
        return False

    def interrupt(self) -> None:
        """Nothing waits."""


class Token(msgspec.Struct, frozen=True):
    """A secret in a header of its own, or after a word in Authorization (`Bearer`, `Splunk`, `ApiKey`)."""

    secret: Secret
    scheme: str = ""
    header: str = "Authorization"

    def headers(self, request: Request) -> Headers:  # noqa: ARG002 - the protocol's
        return ((self.header, f"{self.scheme} {self.secret.read()}".lstrip()),)

    def renew(self) -> bool:
        return False

    def interrupt(self) -> None:
        """Nothing waits."""


class BasicSettings(Keys, frozen=True, kw_only=True):
    """A group: user and password, as many outputs take them."""

    user: Annotated[str, key(name="http_user", help="the user of Basic authentication")] = ""
    passwd: Annotated[str, key(name="http_passwd", secret=True, help="their password")] = ""
    passwd_file: Annotated[
        str, key(name="http_passwd_file", help="a file with the password, read again when it changes")
    ] = ""

    def authorization(self, folder: Path) -> Basic | None:
        """None without a user."""
        return Basic(self.user, secret(self.passwd, self.passwd_file, folder)) if self.user else None


class BearerSettings(Keys, frozen=True, kw_only=True):
    """A group: a bearer token."""

    token: Annotated[str, key(name="bearer_token", secret=True, help="a bearer token")] = ""
    token_file: Annotated[
        str, key(name="bearer_token_file", help="a file with the token, read again when it changes")
    ] = ""

    def authorization(self, folder: Path) -> Token | None:
        """None without a token."""
        if not (self.token or self.token_file):
            return None
        return Token(secret(self.token, self.token_file, folder), scheme="Bearer")
