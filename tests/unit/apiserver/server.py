"""An API server without sockets: requests are calls of the application, watches are read line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import msgspec

from pillion.apiserver.app import build_app
from pillion.apiserver.catalogue import build_registry
from pillion.apiserver.seams import AdmissionRequest, Attributes, Authenticate, IssueToken, User
from pillion.apiserver.writes import Writes
from pillion.testing.memorystore import MemoryStore
from pillion.units import Instant

Tree = dict[str, Any]
JSON = "application/json"
ADMIN = "Bearer admin"
AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
NOW = Instant(1_767_322_245.0)  # 2026-01-02T02:50:45Z


class FixedClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> Instant:
        return self.time


class Admits:
    """Lets everything through, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[AdmissionRequest] = []

    async def admit(self, request: AdmissionRequest) -> Tree | None:
        self.seen.append(request)
        return request.object


class IdleNode:
    def __init__(self) -> None:
        self.summary: Tree = {"node": {}, "pods": []}

    async def stats(self) -> Tree:
        return self.summary


def _authenticate(authorization: str | None) -> User | None:
    known = {ADMIN: User(name="admin", groups=("system:masters",)), "Bearer guest": User(name="guest")}
    return known.get(authorization or "")


def _authorize(user: User, attributes: Attributes) -> str | None:
    return None if user.name == "admin" or attributes.verb == "get" else ""


class Reply:
    def __init__(self, code: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.code = code
        self.raw_headers = headers
        self.body = body

    def header(self, name: str) -> str:
        return next((v.decode() for k, v in self.raw_headers if k.decode() == name), "")

    @property
    def warnings(self) -> list[str]:
        return [value.decode() for name, value in self.raw_headers if name == b"warning"]

    @property
    def tree(self) -> Tree:
        decoded: Tree = msgspec.json.decode(self.body)
        return decoded


class Server:
    def __init__(
        self,
        store: MemoryStore,
        authenticate: Authenticate = _authenticate,
        issue_token: IssueToken | None = None,
    ) -> None:
        self.store = store
        self.clock = FixedClock()
        self.admission = Admits()
        self.node = IdleNode()
        self.registry = build_registry()
        self.writes = Writes(store, self.clock, self.admission)
        self.app = build_app(
            store,
            self.registry,
            self.node,  # type: ignore[arg-type]
            self.clock,
            self.writes,
            authenticate=authenticate,
            authorize=_authorize,
            issue_token=issue_token,
        )

    async def call(self, method: str, url: str, body: Any = None, **headers: str) -> Reply:
        """`body`: bytes as they are, anything else as JSON. `content_type="…"` becomes a header."""
        sent: list[Any] = []
        content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)

        async def receive() -> Any:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(_scope(method, url, headers), receive, send)
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return Reply(sent[0]["status"], sent[0]["headers"], content)

    async def get(self, url: str, **headers: str) -> Reply:
        return await self.call("GET", url, **headers)

    async def create(self, kind_url: str, tree: Tree) -> Tree:
        reply = await self.call("POST", kind_url, tree)
        assert reply.code == 201, reply.body
        return reply.tree

    @asynccontextmanager
    async def watching(self, url: str, **headers: str) -> AsyncIterator[WatchReader]:
        reader = WatchReader(self.app, _scope("GET", url, headers))
        task = asyncio.ensure_future(reader.run())
        try:
            yield reader
        finally:
            reader.hang_up()
            await task


class WatchReader:
    def __init__(self, app: Any, scope: Tree) -> None:
        self._app = app
        self._scope = scope
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        self.code = 0

    def hang_up(self) -> None:
        self._gone.set()

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)
        self._lines.put_nowait(None)

    async def _receive(self) -> Any:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.code = message["status"]
        elif message.get("body"):
            self._lines.put_nowait(message["body"])

    async def next(self) -> Tree:
        async with asyncio.timeout(5):
            line = await self._lines.get()
        assert line is not None, "the watch has ended"
        event: Tree = msgspec.json.decode(line)
        return event

    async def ended(self) -> bool:
        async with asyncio.timeout(5):
            return await self._lines.get() is None


def _scope(method: str, url: str, headers: dict[str, str]) -> Tree:
    path, _, query = url.partition("?")
    given = {"authorization": ADMIN, "content-type": JSON} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": quote(query, safe="=&%,!()+:;/").encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
    }


def serve(test: Callable[[Server], Awaitable[None]]) -> None:
    """Run a test against a server of its own."""

    async def run() -> None:
        store = MemoryStore()
        await store.open()
        try:
            await test(Server(store))
        finally:
            await store.close()

    asyncio.run(run())


def config_map(name: str = "a", **data: str) -> Tree:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str = "web", **spec: Any) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "app:1"}], **spec},
    }


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
NAMESPACES = "/api/v1/namespaces"
