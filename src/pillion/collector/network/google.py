"""Google Cloud's credentials: a service account's key, or the metadata server of the machine that we run on.

Sources: Google's "Using OAuth 2.0 for Server to Server Applications" and "About VM metadata"; Fluent Bit's
plugins/out_stackdriver/stackdriver_conf.c and gce_metadata.c. google-auth signs; the requests are ours.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Keys, NetSettings, TlsSettings, key
from pillion.collector.network.endpoint import open_sender, parse_address
from pillion.collector.network.oauth2 import RenewedToken
from pillion.errors import HostError, PeerError
from pillion.http.credentials import secret
from pillion.http.message import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.collector.network.authorization import Headers
    from pillion.collector.plugin import OutputContext
    from pillion.http.sender import HttpSender

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600
_METADATA: Headers = (("Metadata-Flavor", "Google"),)
_METADATA_PATH = "/computeMetadata/v1"
_METADATA_PATHS = {"project_id": "project/project-id", "zone": "instance/zone", "instance_id": "instance/id"}
_METADATA_SERVER = "http://metadata.google.internal"
_FILES = ("GOOGLE_SERVICE_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS")
_SKEW = 60.0


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What Google's key files hold; `account_of` reads one."""

    type: str = "service_account"
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    project_id: str = ""
    token_uri: str = TOKEN_URL

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email!r}, ***)"


def account_of(text: str) -> ServiceAccount:
    """Raises HostError, with nothing of `text`."""
    try:
        account = msgspec.json.decode(text, type=ServiceAccount)
    except msgspec.DecodeError as error:
        raise HostError("the Google credentials are not the JSON of a service account's key") from error
    if account.type != "service_account":
        raise HostError(f"the Google credentials are of type {account.type}; only service_account is taken")
    if not (account.client_email and account.private_key):
        raise HostError("the Google credentials have no client_email or no private_key")
    return account


def _check_signing(place: str) -> None:
    """Raises ConfigurationError when google-auth is not installed."""
    try:
        import google.auth.crypt
        import google.auth.jwt  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"{place}: Google credentials need the package google-auth: install pillion[stackdriver]"
        ) from error


def assertion_request(account: ServiceAccount, scope: str, path: str, now: float) -> Request:
    """Ask for a token with a signed claim (RFC 7523). Raises HostError for a key that cannot sign."""
    import google.auth.crypt
    import google.auth.exceptions
    import google.auth.jwt

    crypt: Any = google.auth.crypt
    jwt: Any = google.auth.jwt  # neither is typed
    claims = {
        "iss": account.client_email, "scope": scope, "aud": account.token_uri, "iat": int(now),
        "exp": int(now) + _LIFETIME,
    }  # fmt: skip
    try:
        signer = crypt.RSASigner.from_string(account.private_key, account.private_key_id or None)
        signed = jwt.encode(signer, claims)
    except (ValueError, TypeError, google.auth.exceptions.GoogleAuthError) as error:
        raise HostError("the private_key of the Google credentials cannot be used") from error
    form = urlencode({"grant_type": _GRANT, "assertion": signed.decode("ascii")})
    headers = (("Content-Type", "application/x-www-form-urlencoded"),)
    return Request(path=path, body=form.encode(), headers=headers)


class Facts:
    """What the key file, or the machine's metadata, says of this place; asked for when it is needed, and then kept."""

    def __init__(self, server: HttpSender, project: Callable[[], str] | None) -> None:
        """`project` reads the key file's; None: the metadata server knows it."""
        self._server = server
        self._project = project
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def read(self, names: tuple[str, ...]) -> dict[str, str]:
        """Of `project_id`, `zone` and `instance_id`. Raises HostError or PeerError."""
        with self._lock:
            return {name: self._fact(name) for name in names}

    def interrupt(self) -> None:
        self._server.interrupt()

    def close(self) -> None:
        self._server.close()

    def _fact(self, name: str) -> str:
        if name == "project_id" and self._project is not None:
            return self._project()
        if name not in self._known:
            self._known[name] = self._ask(_METADATA_PATHS[name])
        return self._known[name]

    def _ask(self, path: str) -> str:
        answer = self._server.send(
            Request(method="GET", path=f"{_METADATA_PATH}/{path}", body=b""), _METADATA
        )
        if not isinstance(answer, Answer):
            raise PeerError(f"Google's metadata server does not say {path}: {answer.reason}")
        if not answer.is_success:
            raise PeerError(f"Google's metadata server does not say {path}: HTTP {answer.status}")
        return answer.body.decode("utf-8", "replace").strip().rpartition("/")[2]


class Identity(msgspec.Struct, frozen=True):
    """Who we are to Google."""

    authorization: RenewedToken
    facts: Facts


class GoogleSettings(Keys, frozen=True, kw_only=True):
    """A group: where credentials come from."""

    key_file: Annotated[
        str,
        key(
            name="google_service_credentials",
            help="a service account's key file; else GOOGLE_APPLICATION_CREDENTIALS",
        ),
    ] = ""
    email: Annotated[str, key(name="service_account_email", help="without a key file")] = ""
    private_key: Annotated[str, key(name="service_account_secret", secret=True, help="its private key")] = ""
    metadata_server: Annotated[str, key(help="else METADATA_SERVER; asked without other credentials")] = ""

    def identity(
        self, context: OutputContext, *, scope: str, place: str, net: NetSettings, tls: TlsSettings
    ) -> Identity:
        """Raises ConfigurationError."""
        environment = context.environment
        url = self.metadata_server or environment.get("METADATA_SERVER") or _METADATA_SERVER
        direct = msgspec.structs.replace(net, proxy_env_ignore=True)
        server, _ = _sender(context, url, f"{place}: metadata_server", direct, tls)
        file = self.key_file or next((environment[name] for name in _FILES if environment.get(name)), "")
        email = self.email or environment.get("SERVICE_ACCOUNT_EMAIL", "")
        private = self.private_key or environment.get("SERVICE_ACCOUNT_SECRET", "")
        if not (file or private):
            token = RenewedToken(metadata_asker(email or "default"), server, context.clock, skew=_SKEW)
            return Identity(token, Facts(server, None))
        _check_signing(place)
        source = secret("", file, context.folder)

        def account() -> ServiceAccount:
            if file:
                return account_of(source.read())
            return ServiceAccount(client_email=email, private_key=private.replace("\\n", "\n"))

        try:
            token_url = account().token_uri
        except HostError as error:
            raise ConfigurationError(f"{place}: google_service_credentials: {error}") from error
        issuer, path = _sender(context, token_url, f"{place}: token_uri", net, tls)
        token = RenewedToken(
            lambda now: (assertion_request(account(), scope, path, now), ()),
            issuer,
            context.clock,
            skew=_SKEW,
        )
        return Identity(token, Facts(server, (lambda: account().project_id) if file else None))


def metadata_asker(account: str) -> Callable[[float], tuple[Request, Headers]]:
    """For RenewedToken. `account` is an email, or `default`."""
    path = f"{_METADATA_PATH}/instance/service-accounts/{account}/token"
    return lambda _: (Request(method="GET", path=path, body=b""), _METADATA)


def _sender(
    context: OutputContext, url: str, place: str, net: NetSettings, tls: TlsSettings
) -> tuple[HttpSender, str]:
    address = parse_address(url, place)
    opened = open_sender(
        context,
        place=place,
        host=address.host,
        port=address.port,
        net=net,
        tls=msgspec.structs.replace(tls, on=address.tls, vhost=""),
        workers=1,
    )
    return opened, address.path or "/"
