"""A WebSocket to a server in a pod, message by message.

As Kubernetes 1.36 does it, the query string does not reach the pod, nor does X-Forwarded-Uri (apimachinery:
util/proxy/upgradeaware.go, tryUpgrade; kubernetes/kubernetes issue 77142).
"""

from __future__ import annotations

import asyncio

from starlette.types import Message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from pillion.apiserver.seams import StreamRequest
from pillion.apiserver.statuses import ApiError
from pillion.apiserver.streams import upstream
from pillion.apiserver.streams.podlocation import Location
from pillion.apiserver.streams.proxyheaders import request_headers
from pillion.apiserver.streams.upstream import Unreachable

_OPEN_SECONDS = 30.0
_MESSAGE_BYTES = 16 << 20
"""Of one message, as on the client's side (uvicorn: ws_max_size)."""
_UNSAYABLE = (1005, 1006, 1015)
"""Codes that stand for the lack of one (RFC 6455, section 7.4.1)."""


async def relay_websocket(request: StreamRequest, location: Location) -> None:
    """Raises ApiError before the handshake's answer."""
    await request.receive()  # websocket.connect
    try:
        pod = await _open(request, location)
    except InvalidStatus as refusal:
        if refusal.response.status_code < 400:
            raise _failure(f"invalid upgrade response: status code {refusal.response.status_code}") from None
        await _pass_refusal(request, refusal)
        return
    try:
        await request.send({"type": "websocket.accept", "subprotocol": pod.subprotocol})
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(_to_client(request, pod))
            listening = tasks.create_task(_to_pod(request, pod))
            await asyncio.wait((speaking, listening), return_when=asyncio.FIRST_COMPLETED)
            speaking.cancel()
            listening.cancel()
    finally:
        pod.transport.abort()


async def _open(request: StreamRequest, location: Location) -> ClientConnection:
    """Raises ApiError, InvalidStatus."""
    headers = request_headers(request.scope)
    host = next((value.decode("latin-1") for name, value in headers if name == b"host"), location.authority)
    kept = [
        (name.decode(), value.decode("latin-1"))
        for name, value in headers
        if name not in (b"host", b"content-length") and not name.startswith(b"sec-websocket-")
    ]
    try:
        sock = await upstream.connect(location)
        return await connect(
            f"{'wss' if location.is_tls else 'ws'}://{host}{location.target}",
            sock=sock,
            ssl=upstream.unverified() if location.is_tls else None,
            additional_headers=kept,
            user_agent_header=None,
            subprotocols=[Subprotocol(one) for one in request.scope.get("subprotocols", ())] or None,
            compression=None,
            proxy=None,
            open_timeout=_OPEN_SECONDS,
            ping_interval=None,
            max_size=_MESSAGE_BYTES,
        )
    except Unreachable as error:
        raise _failure(f"error dialing backend: {error}") from error
    except InvalidStatus:
        raise
    except (InvalidHandshake, InvalidURI, OSError) as error:
        raise _failure(f"error dialing backend: {error}") from error


async def _to_client(request: StreamRequest, pod: ClientConnection) -> None:
    try:
        async for message in pod:
            kind = "text" if isinstance(message, str) else "bytes"
            if not await _say(request, {"type": "websocket.send", kind: message}):
                return
    except ConnectionClosed:
        pass  # abnormally; the client hears of it all the same
    code = pod.close_code or 1006
    # There is no way to break off here: "going away" is what is left to say.
    said = {
        "code": 1000 if code == 1005 else 1001 if code in _UNSAYABLE else code,
        "reason": pod.close_reason or "",
    }
    await _say(request, {"type": "websocket.close", **said})


async def _to_pod(request: StreamRequest, pod: ClientConnection) -> None:
    message = await request.receive()
    try:
        while message["type"] != "websocket.disconnect":
            text = message.get("text")
            await pod.send(message["bytes"] if text is None else text)
            message = await request.receive()
    except ConnectionClosed:
        await asyncio.Event().wait()  # the other direction says how it ended
    code = message.get("code") or 1005
    if code not in _UNSAYABLE:
        await pod.close(code, message.get("reason") or "")
    elif code == 1005:
        await pod.close()


async def _say(request: StreamRequest, message: Message) -> bool:
    """Whether the client is still there."""
    try:
        await request.send(message)
    except (OSError, RuntimeError):  # the server's two ways to say no
        return False
    return True


async def _pass_refusal(request: StreamRequest, refusal: InvalidStatus) -> None:
    answer = refusal.response
    headers = [
        (name.lower().encode(), value.encode("latin-1", "replace"))
        for name, value in answer.headers.raw_items()
        if name.lower() in ("content-type", "www-authenticate", "retry-after")
    ]
    start = {"type": "websocket.http.response.start", "status": answer.status_code, "headers": headers}
    await _say(request, start)
    await _say(request, {"type": "websocket.http.response.body", "body": answer.body or b""})


def _failure(message: str) -> ApiError:
    """An error that has no kind of its own (endpoints/handlers/responsewriters/status.go: ErrorToAPIStatus)."""
    return ApiError(500, "", message)
