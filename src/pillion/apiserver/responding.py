"""Answers: status, headers and body, and the stream of a watch."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import anyio
import msgspec
from starlette.types import Receive, Send

from pillion.apiserver import statuses
from pillion.apiserver.negotiation import JSON
from pillion.apiserver.statuses import ApiError

_PART_BYTES = 256 * 1024
Headers = list[tuple[bytes, bytes]]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    body: bytes
    code: int = 200
    content_type: str = JSON
    warnings: Sequence[str] = ()
    headers: Headers = []


def _headers(content_type: str, warnings: Sequence[str]) -> Headers:
    headers = [
        (b"audit-id", str(uuid.uuid4()).encode()),
        (b"cache-control", b"no-cache, private"),
        (b"content-type", content_type.encode()),
    ]
    return headers + [(b"warning", _warning(text)) for text in dict.fromkeys(warnings)]


def _warning(text: str) -> bytes:
    """RFC 7234, 5.5: code 299, no agent."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\r", " ")
    return f'299 - "{escaped}"'.encode()


def answer_error(error: ApiError, warnings: Sequence[str] = ()) -> Answer:
    headers: Headers = []
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", str(error.retry_after_seconds).encode()))
    return Answer(body=statuses.encode(error), code=error.code, warnings=warnings, headers=headers)


async def send_answer(answer: Answer, send: Send, *, without_body: bool = False) -> None:
    headers = _headers(answer.content_type, answer.warnings) + answer.headers
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.code, "headers": headers})
    body = memoryview(b"" if without_body else answer.body)
    # In parts, each encrypted and sent before the next: others get their turns between them.
    while len(body) > _PART_BYTES:
        await send({"type": "http.response.body", "body": bytes(body[:_PART_BYTES]), "more_body": True})
        body = body[_PART_BYTES:]
    await send({"type": "http.response.body", "body": bytes(body)})


async def send_stream(
    lines: AsyncIterator[bytes], receive: Receive, send: Send, *, content_type: str, warnings: Sequence[str]
) -> None:
    """Lines as they come, until they end or the client hangs up."""
    headers = _headers(content_type, warnings)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_gone, receive, group.cancel_scope)
        async with aclosing(lines) as open_lines:  # type: ignore[type-var]
            # The head has to be out before the first event: clients wait for it.
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            async for line in open_lines:
                await send({"type": "http.response.body", "body": line, "more_body": True})
        group.cancel_scope.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while True:
        message: dict[str, Any] = dict(await receive())
        if message["type"] == "http.disconnect":
            scope.cancel()
            return
