"""Numbered channels over one WebSocket: `channel.k8s.io` and its kin (k8s.io/streaming, wsstream/conn.go).

Every message begins with the number of its channel: a byte, or in the base64 forms a digit. In version 5, byte 255 and
a channel's number say that the client has closed its side of that channel. A client without a subprotocol means binary
channels.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from pillion.apiserver.streams.websocket import WebSocket

CLOSE_SIGNAL = 255
V5 = "v5.channel.k8s.io"
V4 = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
V1 = ("channel.k8s.io", "base64.channel.k8s.io", "")


class Received(msgspec.Struct, frozen=True):
    channel: int
    data: bytes
    is_close: bool = False
    """The client sends nothing more on this channel."""


class Channels:
    def __init__(self, websocket: WebSocket) -> None:
        """`websocket` is open."""
        self._websocket = websocket
        self._is_base64 = "base64." in websocket.subprotocol
        self._has_close = websocket.subprotocol == V5

    async def send(self, channel: int, data: bytes) -> None:
        """Raises HungUp."""
        if self._is_base64:
            await self._websocket.send_text(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await self._websocket.send(bytes((channel,)) + data)

    async def receive(self) -> Received:
        """Passes over what makes no sense, as Kubernetes does. Raises HungUp."""
        while True:
            received = self._decode(await self._websocket.receive())
            if received is not None:
                return received

    def _decode(self, message: bytes) -> Received | None:
        if not message:
            return None
        if self._has_close and message[0] == CLOSE_SIGNAL:
            return Received(message[1], b"", is_close=True) if len(message) == 2 else None
        if not self._is_base64:
            return Received(message[0], message[1:])
        try:
            return Received(message[0] - ord("0"), base64.b64decode(message[1:], validate=True))
        except binascii.Error:
            return None
