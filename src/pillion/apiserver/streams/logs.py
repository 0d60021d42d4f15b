"""Logs, over HTTP and over WebSocket (apiserver: pkg/registry/core/pod/rest/log.go)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from pillion.apiserver import statuses
from pillion.apiserver.nodeproxy import LogOptions, NodeRefusal
from pillion.apiserver.responding import send_stream
from pillion.apiserver.seams import StreamRequest
from pillion.apiserver.statuses import ApiError, bad_request
from pillion.apiserver.streams import query
from pillion.apiserver.streams.pods import choose_container, is_scheduled, pod_ref
from pillion.apiserver.streams.websocket import HungUp, WebSocket
from pillion.objects import FieldError
from pillion.objects.fielderrors import Path, forbidden, invalid, not_supported
from pillion.units import Instant, parse_time

_BASE64 = "base64.binary.k8s.io"
_STREAMS = ("All", "Stderr", "Stdout")


async def serve_logs(request: StreamRequest) -> None:
    """Raises ApiError before the first byte."""
    pod = request.object
    options = _options(request.query, pod["metadata"]["name"])
    container = choose_container(pod, query.text(request.query, "container"))
    chunks = _nothing() if not is_scheduled(pod) else await _logs(request, container, options)
    async with aclosing(chunks) as open_chunks:  # type: ignore[type-var]
        if request.scope["type"] == "websocket":
            await _send_messages(request, open_chunks)
        else:
            await send_stream(
                open_chunks, request.receive, request.send, content_type="text/plain", warnings=()
            )


async def _logs(request: StreamRequest, container: str, options: LogOptions) -> AsyncIterator[bytes]:
    """Raises ApiError."""
    try:
        return await request.node.logs(pod_ref(request.object).uid, container, options)
    except NodeRefusal as refusal:
        if refusal.status == 400:
            raise bad_request(str(refusal)) from refusal
        reason = "NotFound" if refusal.status == 404 else "InternalError"
        raise ApiError(refusal.status, reason, str(refusal)) from refusal


async def _nothing() -> AsyncIterator[bytes]:
    """The log of a pod that has no node yet."""
    return
    yield b""


async def _send_messages(request: StreamRequest, chunks: AsyncIterator[bytes]) -> None:
    websocket = WebSocket(request.scope, request.receive, request.send)
    await websocket.open(("binary.k8s.io", _BASE64, ""))

    async def speak() -> bool:
        try:
            async for chunk in chunks:
                if websocket.subprotocol == _BASE64:
                    await websocket.send_text(base64.b64encode(chunk).decode())
                else:
                    await websocket.send(chunk)
        except HungUp:
            return False
        return True

    async def listen() -> None:
        try:
            while True:
                await websocket.receive()
        except HungUp:
            return

    async with asyncio.TaskGroup() as tasks:
        speaking, listening = tasks.create_task(speak()), tasks.create_task(listen())
        await asyncio.wait((speaking, listening), return_when=asyncio.FIRST_COMPLETED)
        speaking.cancel()
        listening.cancel()
    await websocket.close()


def _options(asked: query.Query, pod_name: str) -> LogOptions:
    """Raises ApiError."""
    tail_lines = query.number(asked, "tailLines")
    limit_bytes = query.number(asked, "limitBytes")
    since_seconds = query.number(asked, "sinceSeconds")
    since = _time(query.text(asked, "sinceTime"))
    stream = query.text(asked, "stream") or "All"
    errors = _errors(tail_lines, limit_bytes, since_seconds, since, stream)
    if errors:
        raise statuses.invalid("PodLogOptions", pod_name, errors)
    return LogOptions(
        follow=query.flag(asked, "follow"),
        previous=query.flag(asked, "previous"),
        timestamps=query.flag(asked, "timestamps"),
        since=since,
        since_seconds=since_seconds,
        tail_lines=tail_lines,
        limit_bytes=limit_bytes,
        stream=stream,
    )


def _time(text: str) -> Instant | None:
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise bad_request(str(error)) from None


def _errors(
    tail_lines: int | None, limit_bytes: int | None, since_seconds: int | None, since: Any, stream: str
) -> list[FieldError]:
    """pkg/apis/core/validation: ValidatePodLogOptions."""
    errors: list[FieldError] = []
    if tail_lines is not None and tail_lines < 0:
        errors.append(invalid(Path("tailLines"), tail_lines, "must be greater than or equal to 0"))
    if limit_bytes is not None and limit_bytes < 1:
        errors.append(invalid(Path("limitBytes"), limit_bytes, "must be greater than 0"))
    if since is not None and since_seconds is not None:
        errors.append(forbidden(Path(""), "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif since_seconds is not None and since_seconds < 1:
        errors.append(invalid(Path("sinceSeconds"), since_seconds, "must be greater than 0"))
    if stream not in _STREAMS:
        errors.append(not_supported(Path("stream"), stream, _STREAMS))
    elif stream != "All" and tail_lines is not None:
        errors.append(forbidden(Path(""), "`tailLines` and specific `stream` are mutually exclusive for now"))
    return errors
