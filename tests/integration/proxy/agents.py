"""The agent behind the proxy: an HTTP server that does what the request's path says, under the test's control.

It runs in a thread of the test's process, or (`python -m tests.integration.proxy.agents PORT`) in one of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

PATIENCE = 30.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it reached the agent."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def value(self, name: str) -> str | None:
        values = self.values(name)
        assert len(values) < 2, values
        return values[0] if values else None


class Agent:
    """Use as a context."""

    def __init__(self, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self._permits: dict[str, threading.Semaphore] = {}
        self._is_over = False
        self.arrived = threading.Event()
        """The first piece of an upload is here."""
        self._counts: Counter[str] = Counter()
        # Without the protocol's number asyncio leaves Nagle's algorithm on: 40 ms for each answer in two pieces.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]
        application = Starlette(
            routes=[
                Route("/tokens", self._tokens),
                Route("/held", self._held),
                Route("/timed", self._timed),
                Route("/script", self._script, methods=methods),
                Route("/upload", self._upload, methods=["POST", "PUT"]),
                Route("/bytes", self._bytes),
                WebSocketRoute("/ws", self._websocket),
                Route("/{path:path}", self._echo, methods=methods),
            ]
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                ws="websockets-sansio",
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_keep_alive=3600,
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        self._thread = threading.Thread(target=self.run)

    def run(self) -> None:
        self._server.run([self._socket])

    def __enter__(self) -> Agent:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._is_over = True
        for permits in list(self._permits.values()):
            permits.release(1000)
        self._thread.join()
        self._socket.close()

    def permit(self, key: str, count: int = 1) -> None:
        """`/tokens?key=KEY` sends a token for each, `/held?key=KEY` answers for one."""
        self._permits.setdefault(key, threading.Semaphore(0)).release(count)

    def last(self) -> Seen:
        return self.seen[-1]

    def count(self, path: str) -> int:
        return sum(seen.path == path for seen in self.seen)

    def _note(self, request: Request) -> None:
        if "unseen" in request.query_params:  # load tests: nobody asks
            return
        self.seen.append(
            Seen(
                method=request.method,
                path=request.url.path,
                headers=tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw),
            )
        )

    async def _permitted(self, request: Request) -> None:
        permits = self._permits.setdefault(request.query_params.get("key", ""), threading.Semaphore(0))
        if not self._is_over:
            await asyncio.get_running_loop().run_in_executor(None, lambda: permits.acquire(timeout=PATIENCE))

    async def _echo(self, request: Request) -> Response:
        self._note(request)
        body = await request.body()
        return JSONResponse({"path": request.url.path, "query": request.url.query, "bytes": len(body)})

    async def _tokens(self, request: Request) -> Response:
        self._note(request)

        async def events() -> AsyncIterator[bytes]:
            for number in range(int(request.query_params.get("n", "3"))):
                await self._permitted(request)
                yield f"data: token {number}\n\n".encode()

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _timed(self, request: Request) -> Response:
        """Tokens that say when they were sent (time.monotonic_ns), every `gap` seconds."""
        gap = float(request.query_params.get("gap", "0.02"))

        async def events() -> AsyncIterator[bytes]:
            for _ in range(int(request.query_params.get("n", "20"))):
                await asyncio.sleep(gap)
                yield f"data: {time.monotonic_ns()}\n\n".encode()

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _held(self, request: Request) -> Response:
        self._note(request)
        await self._permitted(request)
        return PlainTextResponse("let go")

    async def _script(self, request: Request) -> Response:
        """`answers=503,held,200`: the first request gets the first status, and so on; the last one stays.

        `held` answers once it is permitted, as `/held`.
        """
        self._note(request)
        answers = request.query_params["answers"].split(",")
        key = request.query_params.get("key", "")
        status = answers[min(self._counts[key], len(answers) - 1)]
        self._counts[key] += 1
        if status == "held":
            await self._permitted(request)
            return PlainTextResponse("let go")
        return PlainTextResponse(status, status_code=int(status))

    async def _upload(self, request: Request) -> Response:
        self._note(request)
        digest, length = hashlib.sha256(), 0
        async for piece in request.stream():
            digest.update(piece)
            length += len(piece)
            if piece:
                self.arrived.set()
        return JSONResponse({"bytes": length, "sha256": digest.hexdigest()})

    async def _bytes(self, request: Request) -> Response:
        return Response(bytes(int(request.query_params["n"])), media_type="application/octet-stream")

    async def _websocket(self, websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
        await websocket.send_text("hello")
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if (text := message.get("text")) is not None:
                    await websocket.send_text(text)
                else:
                    await websocket.send_bytes(message["bytes"])
        except WebSocketDisconnect:
            return


if __name__ == "__main__":
    Agent(int(sys.argv[1])).run()
