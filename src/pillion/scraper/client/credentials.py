"""Headers that say who we are, made anew for every request: files are read again when they have changed.

Prometheus' rules: prometheus/common, config/http_config.go: the round trippers of basic auth, credentials and
headers. The last text that was read stays in use while a file cannot be read.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from pillion.http.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.scraper.configuration import HttpClient

Headers = tuple[tuple[str, str], ...]


def secret(value: str, file: str) -> Secret:
    return Secret(file=Path(file)) if file else Secret(value)


def credentials_of(
    settings: HttpClient, token: Callable[[], str] | None, *, in_url: tuple[str, str] | None = None
) -> Callable[[], Headers]:
    """What makes the headers; it raises HostError while a file that was never read cannot be read.

    `token` gives the OAuth 2.0 token, where there is one; `in_url` are a user and password that the URL names.
    """
    makers: list[Callable[[], tuple[str, str]]] = []
    if (basic := settings.basic_auth) is not None:
        user = secret(basic.username, basic.username_file)
        password = secret(basic.password.reveal(), basic.password_file)
        makers.append(lambda: ("Authorization", _basic(user.read(), password.read())))
    elif (authorization := settings.authorization) is not None:
        kind = authorization.type
        own = secret(authorization.credentials.reveal(), authorization.credentials_file)
        makers.append(lambda: ("Authorization", f"{kind} {own.read().strip()}"))
    elif token is not None:
        makers.append(lambda: ("Authorization", f"Bearer {token()}"))
    elif in_url is not None:
        name_and_password = _basic(*in_url)
        makers.append(lambda: ("Authorization", name_and_password))
    for name, header in settings.http_headers.items():
        found = [Secret(value) for value in header.values]
        found += [Secret(value.reveal()) for value in header.secrets]
        found += [Secret(file=Path(file)) for file in header.files]
        makers += [_header(name, value) for value in found]
    return lambda: tuple([make() for make in makers])


def _basic(user: str, password: str) -> str:
    """RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password.strip()}".encode()).decode("ascii")


def _header(name: str, value: Secret) -> Callable[[], tuple[str, str]]:
    return lambda: (name, value.read().strip())
