"""`pods/NAME/proxy/…`: HTTP to a server in a pod (apimachinery: util/proxy/upgradeaware.go, transport.go).

The connection goes to the pod's address, so a server that listens on the pod's 127.0.0.1 only is not reached: that is
what port-forward is for. Both bodies pass in pieces; who reads slowly slows down who writes. For that reason links in
HTML are left as they are, which an API server rewrites (transport.go, rewriteHTML) with the whole page in memory.
"""

from __future__ import annotations

import asyncio
import uuid

import h11

from pillion.apiserver.seams import StreamRequest
from pillion.apiserver.statuses import ApiError, bad_request, method_not_allowed
from pillion.apiserver.streams.podlocation import Location, locate
from pillion.apiserver.streams.proxyheaders import Headers, request_headers, response_headers
from pillion.apiserver.streams.upstream import Dial, Unreachable, Upstream, dial

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""pkg/registry/core/pod/rest/subresources.go: proxyMethods."""


async def serve_pod_proxy(request: StreamRequest, dial: Dial = dial) -> None:
    """Raises ApiError before the first byte."""
    location = locate(request.object, request.name, request.path, request.scope["path"])
    if request.scope["type"] == "websocket":
        # A client's library, which costs 50 ms and is seldom needed.
        from pillion.apiserver.streams.podwebsocket import relay_websocket

        await relay_websocket(request, location)
        return
    method = request.scope["method"]
    if method not in _METHODS:
        raise method_not_allowed(request.resource, method)
    if b"upgrade" in dict(request.scope["headers"]).get(b"connection", b"").lower():
        raise bad_request("pillion's proxy to pods upgrades connections to WebSocket only")
    if not location.path and method in ("GET", "HEAD"):
        await _redirect_to_slash(request)
        return
    try:
        upstream = await dial(location)
    except Unreachable as error:
        raise _unavailable(str(error)) from error
    problem = None
    try:
        problem = await _Exchange(request, location, upstream).run()
    finally:
        upstream.abort()
    if problem is not None:
        raise _unavailable(problem)


async def _redirect_to_slash(request: StreamRequest) -> None:
    """Relative links of a page would miss the last part of its path otherwise."""
    query = request.scope["query_string"]
    target = request.scope["path"].encode() + b"/" + (b"?" + query if query else b"")
    headers = [*_our_headers(), (b"location", target), (b"content-length", b"0")]
    await request.send({"type": "http.response.start", "status": 301, "headers": headers})
    await request.send({"type": "http.response.body", "body": b""})


class _Exchange:
    """One request and its answer. A client that hangs up ends it, as does the end of the answer."""

    def __init__(self, request: StreamRequest, location: Location, upstream: Upstream) -> None:
        self._request = request
        self._location = location
        self._upstream = upstream

    async def run(self) -> str | None:
        """What went wrong before the answer began."""
        try:
            await self._upstream.send(self._head())
        except Unreachable as error:
            return str(error)
        async with asyncio.TaskGroup() as tasks:
            sending, answering = tasks.create_task(self._send_body()), tasks.create_task(self._answer())
            await asyncio.wait((sending, answering), return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            answering.cancel()
        return None if answering.cancelled() else answering.result()

    def _head(self) -> h11.Request:
        """Raises Unreachable."""
        scope, location = self._request.scope, self._location
        query = scope["query_string"]
        headers = [h for h in request_headers(scope) if h[0] != b"x-forwarded-uri"]
        headers.append((b"x-forwarded-uri", location.forwarded_uri.encode()))
        try:
            return h11.Request(
                method=scope["method"].encode(),
                target=location.target.encode() + (b"?" + query if query else b""),
                headers=headers,
            )
        except h11.LocalProtocolError as error:
            raise Unreachable(f"net/http: {error}") from error

    async def _send_body(self) -> None:
        """Until the client hangs up: after its body there is nothing else to hear from it."""
        is_wanted = True
        while (message := await self._request.receive())["type"] != "http.disconnect":
            if not is_wanted:
                continue
            try:
                if message.get("body"):
                    await self._upstream.send(h11.Data(data=message["body"]))
                if not message.get("more_body", False):
                    is_wanted = False
                    await self._upstream.send(h11.EndOfMessage())
            except Unreachable:
                is_wanted = False  # it may have answered all the same

    async def _answer(self) -> str | None:
        try:
            head = await self._upstream.head()
        except Unreachable as error:
            return str(error)
        if head.status_code > 599:
            return f"malformed HTTP status code {head.status_code}"
        host = dict(self._request.scope["headers"]).get(b"host", b"").decode("latin-1")
        headers = _our_headers() + response_headers(head.headers, self._location, host)
        send = self._request.send
        await send({"type": "http.response.start", "status": head.status_code, "headers": headers})
        try:
            while piece := await self._upstream.piece():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except Unreachable:
            return None  # without its end: the server cuts the connection, and the client knows that this was not all
        self._upstream.close()
        await send({"type": "http.response.body", "body": b""})
        return None


def _our_headers() -> Headers:
    """Those that every answer of the API server has. The pod's come beside them, of the same name too."""
    return [(b"audit-id", str(uuid.uuid4()).encode()), (b"cache-control", b"no-cache, private")]


def _unavailable(why: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", f"error trying to reach service: {why}")
