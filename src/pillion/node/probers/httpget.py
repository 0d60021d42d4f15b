"""The HTTP client of probes and lifecycle hooks: one GET, with redirects to the same host name only.

Rules and texts are those of Kubernetes (pkg/probe/http: request.go, http.go) on Go's net/http.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encode
from urllib.parse import urldefrag, urljoin, urlsplit

import msgspec

from pillion.node.probers.connection import Connection, NetError, dial, dial_tls
from pillion.node.probers.http1 import Head, MalformedError, NoResponseError, ResponseReader
from pillion.node.probers.spelling import join_host_port, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.plan.podplan import HttpGetHandler

KUBERNETES_VERSION = "1.36"
"""What a kubelet of the release we follow says of itself in User-Agent."""

BODY_LIMIT = 10 * 1024
"""pkg/probe/http: maxRespBodyLength."""

_REDIRECTS = 10
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "%/?#:@!$&'()*+,;=~[]"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Purpose(StrEnum):
    """Who asks: `User-Agent: kube-probe/1.36`."""

    PROBE = "probe"
    LIFECYCLE = "lifecycle"


class UnknownPortError(Exception):
    """A port name that the container does not declare, or a number that is no port."""


class GetError(Exception):
    """No response: Go's url.Error. `cause` is the text without the method and the URL."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"Get {quote(url)}: {cause}")
        self.cause = cause


class BodyError(Exception):
    """There is a response, but its body could not be read."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    headers: tuple[tuple[str, str], ...]
    host: str
    """The Host header; empty means the URL's."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    body: bytes
    """At most BODY_LIMIT bytes."""


def resolve_port(port: int | str, ports: Mapping[str, int]) -> int:
    """pkg/probe/util.go: ResolveContainerPort. A name, or as a last resort a number written as text."""
    if isinstance(port, str):
        number = ports.get(port)
        if number is None:
            try:
                number = int(port)
            except ValueError as error:
                raise UnknownPortError(f"strconv.Atoi: parsing {quote(port)}: invalid syntax") from error
    else:
        number = port
    if not 0 < number < 65536:
        raise UnknownPortError(f"invalid port number: {number}")
    return number


def build_request(handler: HttpGetHandler, *, ip: str, ports: Mapping[str, int], purpose: Purpose) -> Request:
    """pkg/probe/http/request.go: NewRequestForHTTPGetAction. Raises UnknownPortError."""
    authority = join_host_port(handler.host or ip, resolve_port(handler.port, ports))
    path = percent_encode(handler.path, safe=_PATH_SAFE)
    slash = "" if path.startswith("/") or not path else "/"
    headers = [(_canonical(name), value) for name, value in handler.headers]
    names = {name for name, _ in headers}
    if "User-Agent" not in names:
        headers.append(("User-Agent", f"kube-{purpose}/{KUBERNETES_VERSION}"))
    if "Accept" not in names:
        headers.append(("Accept", "*/*"))
    host = next((value for name, value in headers if name == "Host"), "")
    # An empty User-Agent or Accept is how a manifest asks for none.
    kept = tuple((n, v) for n, v in headers if n != "Host" and (v or n not in ("User-Agent", "Accept")))
    return Request(url=f"{handler.scheme.lower()}://{authority}{slash}{path}", headers=kept, host=host)


async def get(request: Request, *, timeout: float | None) -> Response:
    """One GET and its redirects, all within `timeout` seconds. Raises GetError and BodyError."""
    exchange = _Exchange(request)
    try:
        async with asyncio.timeout(timeout):
            return await exchange.run()
    except TimeoutError as error:
        if exchange.is_reading_body:
            text = "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
            raise BodyError(text) from error
        text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        raise GetError(exchange.url, text) from error


class _Exchange:
    """What is known of a GET while it runs: a timeout must tell where it struck."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.url = request.url
        self.is_reading_body = False
        self._referer = ""
        self._host = request.host

    async def run(self) -> Response:
        for requests in itertools.count(1):
            connection = await self._open()
            try:
                reader = ResponseReader(connection)
                head = await self._ask(connection, reader)
                location = head.headers.get("location", "") if head.status in _REDIRECT_STATUSES else ""
                target = self._locate(location)
                if not location or _hostname(target) != _hostname(self._request.url):
                    return Response(status=head.status, body=await self._read_body(reader, head))
            finally:
                connection.close()
            if requests == _REDIRECTS:
                raise GetError(location, f"stopped after {_REDIRECTS} redirects")
            self._turn_to(target, location)
        raise AssertionError("unreachable: the count never ends")

    async def _open(self) -> Connection:
        scheme = self.url.partition(":")[0]
        try:
            port = urlsplit(self.url).port or _DEFAULT_PORTS[scheme]
            opened = await (dial_tls if scheme == "https" else dial)(_hostname(self.url), port)
        except KeyError as error:
            raise GetError(self.url, f"unsupported protocol scheme {quote(scheme)}") from error
        except ValueError as error:
            raise GetError(self.url, f"invalid URL: {error}") from error
        except NetError as error:
            raise GetError(self.url, str(error)) from error
        return opened

    async def _ask(self, connection: Connection, reader: ResponseReader) -> Head:
        try:
            await connection.send(self._encode())
            return await reader.read_head()
        except NoResponseError as error:
            raise GetError(self.url, "EOF") from error
        except NetError as error:
            raise GetError(self.url, str(error)) from error
        except MalformedError as error:
            text = f"net/http: HTTP/1.x transport connection broken: {error}"
            raise GetError(self.url, text) from error

    async def _read_body(self, reader: ResponseReader, head: Head) -> bytes:
        self.is_reading_body = True
        try:
            return await reader.read_body(head, BODY_LIMIT)
        except (NetError, MalformedError) as error:
            raise BodyError(str(error)) from error

    def _encode(self) -> bytes:
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {target} HTTP/1.1", f"Host: {self._host or parts.netloc.rpartition('@')[2]}"]
        for name, value in self._request.headers:
            if not _TOKEN.fullmatch(name):
                raise GetError(self.url, f"net/http: invalid header field name {quote(name)}")
            if _FORBIDDEN_IN_VALUE.search(value):
                raise GetError(self.url, f"net/http: invalid header field value for {quote(name)}")
            lines.append(f"{name}: {value.strip()}")
        if self._referer:
            lines.append(f"Referer: {self._referer}")
        lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode()

    def _locate(self, location: str) -> str:
        try:
            return urljoin(self.url, percent_encode(location, safe=_PATH_SAFE, encoding="latin-1"))
        except ValueError as error:
            text = f"failed to parse Location header {quote(location)}: {error}"
            raise GetError(self.url, text) from error

    def _turn_to(self, target: str, location: str) -> None:
        """net/http: Client.do. A Host header of the manifest survives relative redirects only."""
        is_downgrade = self.url.startswith("https:") and not target.startswith("https:")
        self._referer = "" if is_downgrade else urldefrag(self.url).url
        if urlsplit(location).scheme:
            self._host = ""
        self.url = target


def _hostname(url: str) -> str:
    """url.URL.Hostname: as written, not lowered."""
    authority = urlsplit(url).netloc.rpartition("@")[2]
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def _canonical(name: str) -> str:
    """net/textproto: CanonicalMIMEHeaderKey; a name that is no token stays as it is."""
    return "-".join(part.capitalize() for part in name.split("-")) if _TOKEN.fullmatch(name) else name
