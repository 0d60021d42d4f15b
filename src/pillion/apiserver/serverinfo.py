"""What a server says of itself: version, health, and paths that are no resource."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from pillion.apiserver import statuses
from pillion.apiserver.discovery import Discovery, etag
from pillion.apiserver.negotiation import Form, negotiate, reformat
from pillion.apiserver.registry import Registry
from pillion.apiserver.requests import Query, parse_query
from pillion.apiserver.responding import Answer, send_answer

GIT_VERSION = "v1.36.0"
"""The Kubernetes whose behaviour this is. Clients compare it with their own."""

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def version() -> dict[str, Any]:
    major, minor, _ = GIT_VERSION.lstrip("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": f"linux/{_MACHINES.get(platform.machine(), platform.machine())}",
    }


class ServerInfo:
    """An ASGI application for everything that is no resource."""

    def __init__(self, registry: Registry, discovery: Discovery, instruments: Callable[[], str]) -> None:
        self._discovery = discovery
        self._instruments = instruments
        self._root = sorted(
            {
                *("/api", "/api/v1", "/apis", "/healthz", "/livez", "/readyz", "/metrics", "/version"),
                *("/openapi/v2", "/openapi/v3"),
                *(f"/apis/{r.group}" for r in registry if r.group),
                *(f"/apis/{r.group}/{r.version}" for r in registry if r.group),
            }
        )

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        answer = self._answer(scope["path"], headers, parse_query(scope["query_string"]))
        if scope.get("method", "GET") not in ("GET", "HEAD"):
            raise statuses.ApiError(405, "MethodNotAllowed", "405: Method Not Allowed")
        await send_answer(answer, send, without_body=scope.get("method") == "HEAD")

    def _answer(self, path: str, headers: dict[bytes, bytes], query: Query) -> Answer:
        match path.rstrip("/").split("/")[1:]:
            case []:
                return Answer(body=msgspec.json.encode({"paths": self._root}))
            case ["version"]:
                return Answer(body=msgspec.json.format(msgspec.json.encode(version()), indent=2))
            case ["healthz" | "livez" | "readyz" as name]:
                return _text(f"[+]ping ok\n{name} check passed\n" if "verbose" in query else "ok")
            case ["healthz" | "livez" | "readyz", "ping"]:
                return _text("ok")
            case ["metrics"]:
                return Answer(
                    body=self._instruments().encode(),
                    content_type="text/plain; version=0.0.4; charset=utf-8",
                )
            case ["api" | "apis", *_]:
                return self._discover(path, headers)
            case _:
                raise statuses.no_such_path()

    def _discover(self, path: str, headers: dict[bytes, bytes]) -> Answer:
        accept = headers.get(b"accept", b"").decode("latin-1")
        forms = (Form.DISCOVERY,) if path.rstrip("/") in ("/api", "/apis") else ()
        wanted = negotiate(accept, *forms)
        document = self._discovery.document(path, wanted)
        if document is None:
            raise statuses.no_such_path()
        tag = etag(document).encode()
        shared = [(b"etag", tag), (b"vary", b"Accept")]
        if headers.get(b"if-none-match") == tag:
            return Answer(body=b"", code=304, content_type=wanted.content_type, headers=shared)
        return Answer(
            body=reformat(document, wanted.media_type), content_type=wanted.content_type, headers=shared
        )


def _text(said: str) -> Answer:
    """apiserver: server/healthz/healthz.go, whose one check that every server has is `ping`."""
    return Answer(body=said.encode(), content_type="text/plain; charset=utf-8")
