"""`/openapi/v2` and `/openapi/v3`: the API's description of itself, over HTTP."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pillion.apiserver import statuses
from pillion.apiserver.openapi import Document, OpenApi


def openapi_routes(openapi: OpenApi) -> list[BaseRoute]:
    """For `build_app`. A document is made in a thread: it takes as long as many requests."""
    making = asyncio.Lock()

    async def answer(request: Request) -> Response:
        async with making:
            document = await asyncio.to_thread(
                openapi.find, request.url.path, request.headers.get("accept", "")
            )
        if document is None:
            raise statuses.no_such_path()
        return _respond(request, document)

    return [Route("/openapi/{path:path}", answer, methods=["GET"])]


def _respond(request: Request, document: Document) -> Response:
    headers = {"etag": document.etag, "vary": "Accept"}
    if request.headers.get("if-none-match") == document.etag:
        return Response(status_code=304, headers=headers)
    if "hash" in request.query_params:
        # The index gives each document's address a hash: it never changes (kube-openapi, pkg/handler3).
        headers |= {"cache-control": "public, immutable"}
    return Response(document.body(), headers=headers | {"content-type": document.content_type})
