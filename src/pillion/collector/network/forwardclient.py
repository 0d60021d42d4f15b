"""The sending side of the forward protocol: a connection with its handshake, messages and their acknowledgements."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

import msgspec

from pillion.collector.network.channel import Channel, open_channel
from pillion.collector.network.forwardprotocol import (
    ForwardProtocolError,
    Frames,
    Packer,
    as_bytes,
    decode,
    decode_handshake,
    password_digest,
    shared_key_digest,
)
from pillion.errors import PeerError

if TYPE_CHECKING:
    from pillion.collector.network.channel import Address, Security, Timeouts
    from pillion.http.credentials import Secret

_ANSWER_BYTES = 1 << 16
"""Most that an answer may have: an acknowledgement has 40 bytes, a handshake a few hundred."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who we say we are. Without `shared_key` nobody asks."""

    hostname: str
    shared_key: Secret | None = None
    username: str = ""
    password: Secret | None = None


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to send to, and how."""

    address: Address
    timeouts: Timeouts
    identity: Identity
    security: Security | None = None


def open_connection(server: Server, wake: int) -> ForwardConnection:
    """Connect and, with a shared key, shake hands. Raises PeerError, and HostError for a key that cannot be read."""
    connection = ForwardConnection(
        open_channel(server.address, server.timeouts, server.security, wake), server.address
    )
    try:
        if server.identity.shared_key is not None:
            connection.shake_hands(server.identity, server.identity.shared_key.read(), wake)
    except BaseException:
        connection.close()
        raise
    return connection


class ForwardConnection:
    """Raises PeerError for everything that goes wrong; it must be closed then."""

    def __init__(self, channel: Channel, address: Address) -> None:
        self._channel = channel
        self._address = address
        self._frames = Frames(_ANSWER_BYTES)
        self._waiting: list[bytes] = []

    def shake_hands(self, identity: Identity, shared_key: str, wake: int) -> None:
        """Prove that both sides know the key; the server may ask for a user, too."""
        options = self._part(decode_handshake(self._frame(wake)), "HELO", 1)
        if not isinstance(options, dict):
            raise ForwardProtocolError(f"{self._address}: HELO has no options")
        nonce, auth = as_bytes(options.get("nonce", "")), as_bytes(options.get("auth", ""))
        salt = secrets.token_hex(8)  # as many bytes as Fluent Bit's servers always read
        digest = shared_key_digest(salt.encode(), identity.hostname.encode(), nonce, shared_key)
        password = identity.password.read() if auth and identity.password is not None else ""
        user = [identity.username, password_digest(auth, identity.username, password)] if auth else ["", ""]
        ping = ["PING", identity.hostname, salt, digest, *user]
        self._channel.send(Packer().pack(ping), wake)
        pong = decode_handshake(self._frame(wake))
        if self._part(pong, "PONG", 1) is not True:
            reason = pong[2] if len(pong) > 2 and isinstance(pong[2], str) else ""
            raise PeerError(f"{self._address} refused us: {reason or 'no reason given'}")
        if len(pong) > 4 and pong[4]:
            expected = shared_key_digest(salt.encode(), as_bytes(pong[3]), nonce, shared_key)
            if not hmac.compare_digest(as_bytes(pong[4]), expected.encode()):
                raise PeerError(f"{self._address} does not know the shared key")

    def send(self, message: bytes, wake: int) -> None:
        self._channel.send(message, wake)

    def confirm(self, wake: int) -> None:
        self._channel.confirm(wake)

    def acknowledgement(self, wake: int, timeout: float) -> str:
        """The next chunk that the server says it has. SilenceError after `timeout` seconds without a word."""
        return self._acknowledged(self._frame(wake, timeout))

    def acknowledged_at_once(self) -> list[str]:
        """Chunks that the server has acknowledged without being waited for. PeerError when it has closed."""
        data = self._channel.receive_at_once()
        if data:
            self._waiting += self._frames.feed(data)
        frames, self._waiting = self._waiting, []
        return [self._acknowledged(frame) for frame in frames]

    def close(self) -> None:
        self._channel.close()

    def _frame(self, wake: int, timeout: float | None = None) -> bytes:
        while not self._waiting:
            self._waiting += self._frames.feed(self._channel.receive(wake, timeout=timeout))
        return self._waiting.pop(0)

    def _acknowledged(self, frame: bytes) -> str:
        answer = decode(frame)
        chunk = answer.get("ack") if isinstance(answer, dict) else None
        if not isinstance(chunk, str):
            raise ForwardProtocolError(f"{self._address}: an answer is no acknowledgement")
        return chunk

    def _part(self, parts: list[object], name: str, index: int) -> object:
        if parts[0] != name or len(parts) <= index:
            raise ForwardProtocolError(f"{self._address}: expected {name}")
        return parts[index]
