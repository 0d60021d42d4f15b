"""Which path answers what, from whom, and how: methods, readiness, CORS, compression (web/web.go, web/api/v1)."""

from __future__ import annotations

import re
import socket
import zlib
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from pillion.http.server import Asked, Response
from pillion.scraper.web import federation, series, status, targets
from pillion.scraper.web.answers import ApiError, failure, success, text
from pillion.scraper.web.parameters import Parameters
from pillion.scraper.web.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.clock import Clock
    from pillion.scraper.web.view import View

_API = "/api/v1/"
_PAGES = frozenset(("/", "/graph", "/query", "/targets"))
_FORM_PATHS = frozenset(
    ("query", "query_range", "query_exemplars", "format_query", "parse_query", "series", "labels")
)
"""May be asked by POST, with a form."""
_METRICS = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_NOT_FOUND = "404 page not found\n"
_CORS = (
    ("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin"),
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Expose-Headers", "Date"),
    ("Vary", "Origin"),
)
_ANYWHERE = ".*"
_WORTH_COMPRESSING = 1400
"""Bytes: what fits into one packet anyway is sent as it is."""
BODY_BYTES = 10 << 20
"""Most of a form, as Go's net/http reads them: for `pillion.http.server.serve`."""


class Routes:
    """`respond` is for `pillion.http.server.serve`."""

    def __init__(self, view: View, clock: Clock) -> None:
        self._view = view
        self._clock = clock
        self._queries = Queries(view, clock)
        flags = view.flags
        self._prefix = flags.route_prefix.rstrip("/")
        self._cors = None if flags.cors_origin == _ANYWHERE else re.compile(flags.cors_origin)
        self._external_url = flags.external_url or _own_url(flags.listen_addresses)
        self._page = Path(__file__).with_name("page.html").read_bytes()

    async def respond(self, asked: Asked) -> Response:
        path = asked.target.partition("?")[0]
        if self._prefix and path == "/":
            return _moved(f"{self._prefix}/")
        if not path.startswith(f"{self._prefix}/"):
            return text(_NOT_FOUND, HTTPStatus.NOT_FOUND)
        path = path.removeprefix(self._prefix)
        if path.startswith(_API):
            response = await self._api(path.removeprefix(_API), asked)
            return _compressed(_with(response, self._cors_headers(asked.headers)), asked.headers)
        return _compressed(await self._site(path, asked), asked.headers)

    async def _site(self, path: str, asked: Asked) -> Response:
        if path.startswith("/-/"):
            return await self._lifecycle(path.removeprefix("/-/"), asked.method)
        if asked.method not in ("GET", "HEAD"):
            return text("Method Not Allowed\n", HTTPStatus.METHOD_NOT_ALLOWED)
        if path in _PAGES:
            return Response(type="text/html; charset=utf-8", body=self._page)
        if path == "/metrics":
            return Response(type=_METRICS, body=self._view.metrics().encode())
        if path == "/federate":
            return self._federate(asked)
        return text(_NOT_FOUND, HTTPStatus.NOT_FOUND)

    def _federate(self, asked: Asked) -> Response:
        now = round(self._clock.now() * 1000)
        try:
            return federation.federate(self._view, Parameters(asked), asked.headers.get("accept", ""), now)
        except ApiError as error:
            return text(f"{error}\n", HTTPStatus.BAD_REQUEST)

    async def _lifecycle(self, verb: str, method: str) -> Response:
        if verb in ("healthy", "ready") and method in ("GET", "HEAD"):
            if verb == "ready" and not self._view.is_ready:
                return text("Service Unavailable", HTTPStatus.SERVICE_UNAVAILABLE)
            word = "Healthy" if verb == "healthy" else "Ready"
            return text(f"Prometheus Server is {word}.\n")
        if verb not in ("reload", "quit"):
            return text(_NOT_FOUND, HTTPStatus.NOT_FOUND)
        if not self._view.flags.enable_lifecycle:
            return text("Lifecycle API is not enabled.", HTTPStatus.FORBIDDEN)
        if method not in ("POST", "PUT"):
            return text("Only POST or PUT requests allowed", HTTPStatus.METHOD_NOT_ALLOWED)
        if verb == "quit":
            self._view.quit()
            return text("Requesting termination... Goodbye!")
        if wrong := await self._view.reload():
            return text(f"failed to reload config: {wrong}\n", HTTPStatus.INTERNAL_SERVER_ERROR)
        return text("")

    async def _api(self, path: str, asked: Asked) -> Response:
        if asked.method == "OPTIONS":
            return Response(status=HTTPStatus.NO_CONTENT)
        allowed = ("GET", "HEAD", "POST") if path in _FORM_PATHS else ("GET", "HEAD")
        if asked.method not in allowed:
            return text("Method Not Allowed\n", HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            found = await self._answer(path, Parameters(asked))
        except ApiError as error:
            return failure(error)
        return text(_NOT_FOUND, HTTPStatus.NOT_FOUND) if found is None else found

    async def _answer(self, path: str, asked: Parameters) -> Response | None:
        """Raises ApiError."""
        view = self._view
        match path.split("/"):
            case ["query"]:
                return await self._queries.instant(asked)
            case ["query_range"]:
                return await self._queries.range(asked)
            case ["query_exemplars"]:
                return self._queries.exemplars(asked)
            case ["format_query"]:
                return self._queries.formatted(asked)
            case ["parse_query"]:
                return self._queries.parsed(asked)
            case ["series"]:
                return series.series(view.window, asked)
            case ["labels"]:
                return series.label_names(view.window, asked)
            case ["label", name, "values"]:
                return series.label_values(view.window, unquote(name), asked)
            case ["metadata"]:
                return series.metadata(view.targets, asked)
            case ["targets"]:
                return targets.targets(view.targets, self._external_url, asked)
            case ["targets", "metadata"]:
                return series.target_metadata(view.targets, asked)
            case ["scrape_pools"]:
                return targets.scrape_pools(view.targets)
            case ["status", what]:
                return self._status(what, asked)
            case _:
                return _nothing_of(path)

    def _status(self, what: str, asked: Parameters) -> Response | None:
        view = self._view
        match what:
            case "config":
                return status.config(view)
            case "flags":
                return status.flags(view)
            case "buildinfo":
                return status.build_info()
            case "runtimeinfo":
                return status.runtime_info(view, self._clock.now())
            case "tsdb":
                return status.tsdb(view, asked)
            case "walreplay":
                return success({"min": 0, "max": 0, "current": 0, "state": "done"})
            case _:
                return None

    def _cors_headers(self, headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """util/httputil, SetCORS."""
        origin = headers.get("origin", "")
        if not origin:
            return ()
        if self._cors is None:
            return (*_CORS, ("Access-Control-Allow-Origin", "*"))
        if self._cors.fullmatch(origin):
            return (*_CORS, ("Access-Control-Allow-Origin", origin))
        return _CORS


def _nothing_of(path: str) -> Response | None:
    """What Prometheus has and a scraper has not: there is none of it."""
    match path:
        case "rules":
            return success({"groups": []})
        case "alerts":
            return success({"alerts": []})
        case "alertmanagers":
            return success({"activeAlertmanagers": [], "droppedAlertmanagers": []})
        case _:
            return None


def _own_url(addresses: tuple[str, ...]) -> str:
    port = addresses[0].rpartition(":")[2] if addresses else "9090"
    return f"http://{socket.gethostname()}:{port}/"


def _moved(place: str) -> Response:
    return Response(status=HTTPStatus.FOUND, headers=(("Location", place),))


def _with(response: Response, headers: tuple[tuple[str, str], ...]) -> Response:
    if not headers:
        return response
    return msgspec.structs.replace(response, headers=(*response.headers, *headers))


def _compressed(response: Response, headers: Mapping[str, str]) -> Response:
    wanted = {part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")}
    if "gzip" not in wanted or len(response.body) < _WORTH_COMPRESSING:
        return response
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    body = packer.compress(response.body) + packer.flush()
    packed = msgspec.structs.replace(response, body=body)
    return _with(packed, (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")))
