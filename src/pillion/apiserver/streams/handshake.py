"""uvicorn's WebSocket protocol as Kubernetes' clients need it: for `uvicorn.Config(ws=StreamsProtocol)`."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

CLOSE_PATIENCE = 900.0
"""Seconds that a client may take to read what was said before the end (apiserver: util/proxy/websocket.go,
finishTimeout). It answers the close frame only after all of it."""


class _AnySubprotocol(ServerProtocol):
    """Kubernetes has a subprotocol with a slash in its name, which RFC 6455 does not allow."""

    def process_subprotocol(self, headers: Headers) -> Subprotocol | None:  # noqa: ARG002 - the application chooses
        return None


class StreamsProtocol(WebSocketsSansIOProtocol):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn = _AnySubprotocol(max_size=self.config.ws_max_size)
        self.close_timeout = CLOSE_PATIENCE

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # the answer was no: uvicorn would report it as forgotten
