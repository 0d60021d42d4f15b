"""One WebSocket connection of a conversation. The client is gone in one way only: HungUp.

What is sent waits for the client; what it sends waits on its side until somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import Message, Receive, Scope, Send

from pillion.apiserver.statuses import bad_request


class HungUp(Exception):  # noqa: N818 - says what happened
    """The client is gone."""


class UnknownSubprotocol(Exception):  # noqa: N818 - says what is wrong
    """The client speaks none of ours. It has been told."""


def require_websocket(scope: Scope) -> None:
    """Raises ApiError. To be asked after everything else about the request is found right: kubectl asks again without
    a WebSocket when it was refused one, and shows its user the second answer.
    """
    if scope["type"] == "websocket":
        return
    if dict(scope["headers"]).get(b"upgrade", b"").lower().startswith(b"spdy/"):
        raise bad_request(
            "pillion carries streams over WebSocket only, not over SPDY: use kubectl 1.30 or newer"
        )
    raise bad_request("Upgrade request required")


class WebSocket:
    """`open` comes first."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_gone = False
        self.subprotocol = ""

    async def open(self, supported: Sequence[str]) -> None:
        """Accept the connection with the first of the client's subprotocols that is supported.

        Raises UnknownSubprotocol, HungUp.
        """
        asked = self._scope.get("subprotocols") or [""]
        await self._receive()  # websocket.connect
        chosen = next((subprotocol for subprotocol in asked if subprotocol in supported), None)
        if chosen is None:
            await self._refuse(f"requested protocol(s) are not supported: [{' '.join(asked)}]")
            raise UnknownSubprotocol
        self.subprotocol = chosen
        await self._say({"type": "websocket.accept", "subprotocol": chosen or None})

    async def send(self, data: bytes) -> None:
        """Raises HungUp."""
        await self._say({"type": "websocket.send", "bytes": data})

    async def send_text(self, text: str) -> None:
        """Raises HungUp."""
        await self._say({"type": "websocket.send", "text": text})

    async def receive(self) -> bytes:
        """The next message, whichever kind it is. Raises HungUp."""
        if self._is_gone:
            raise HungUp
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._is_gone = True
            raise HungUp
        raw: bytes | None = message.get("bytes")
        return raw if raw is not None else (message.get("text") or "").encode()

    async def close(self) -> None:
        """The normal end. No error when the client was quicker."""
        try:
            await self._say({"type": "websocket.close", "code": 1000})
        except HungUp:
            return

    async def _say(self, message: Message) -> None:
        if self._is_gone:
            raise HungUp
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            # The server's two ways to say so: ClientDisconnected, and its close frame was answered already.
            self._is_gone = True
            raise HungUp from error

    async def _refuse(self, text: str) -> None:
        """An HTTP answer in place of the handshake's (ASGI extension websocket.http.response)."""
        headers = [(b"content-type", b"text/plain")]
        await self._say({"type": "websocket.http.response.start", "status": 403, "headers": headers})
        await self._say({"type": "websocket.http.response.body", "body": text.encode()})
