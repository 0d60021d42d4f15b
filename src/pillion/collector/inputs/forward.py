"""The forward input: records from Fluent Bit, Fluentd and Fluentd's client libraries (plugins/in_forward).

A message's `chunk` is acknowledged when its records are settled, not when they are read: a sender that waits for it
loses nothing with this process.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pillion.collector.configuration.settings import Differs, InputSettings, Kind, TlsSettings, key
from pillion.collector.inputs.compacting import compacted
from pillion.collector.inputs.serving import Connection, Listener, ListenSettings, Where
from pillion.collector.network.forwardprotocol import (
    ForwardProtocolError,
    Frames,
    Message,
    Packer,
    as_bytes,
    decode_handshake,
    decode_message,
    password_digest,
    records,
    shared_key_digest,
    unpacked,
)
from pillion.collector.plugin import InputPlugin
from pillion.errors import HostError
from pillion.http.credentials import Secret, secret

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from pillion.collector.plugin import InputContext, Intake

_HANDSHAKE = 10.0
"""Seconds that a handshake may take."""
_MESSAGE = 30.0
"""Seconds of silence in the middle of a message after which its sender is let go."""
_HALF_MESSAGES = 4
"""All connections together may hold this many times `buffer_max_size` of messages that are not complete."""
_PING_BYTES = 4096


class ForwardSettings(InputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "buffer_chunk_size": "reads grow with what there is",
    }
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "acknowledgements": (
            "when the records are settled",
            Differs(
                fluent_bit="when they are in its memory",
                why="records that a sender counts as safe would be lost",
            ),
        ),
    }

    listen: Annotated[str, key(help="the address to listen on")] = "0.0.0.0"  # noqa: S104 - as Fluent Bit
    port: Annotated[int, key(help="the port to listen on")] = 24224
    unix_path: Annotated[str, key(help="a Unix socket to listen on, in place of listen and port")] = ""
    unix_perm: Annotated[str, key(help="the socket's permissions, as chmod's octal number")] = ""
    buffer_max_size: Annotated[int, key(kind=Kind.SIZE, help="most bytes of one message")] = 6_144_000
    tag_prefix: Annotated[str, key(help="written before the tags that senders give")] = ""
    self_hostname: Annotated[str, key(help="our name in the handshake")] = "localhost"
    shared_key: Annotated[str, key(secret=True, help="what senders must know")] = ""
    shared_key_file: Annotated[str, key(help="ours: a file with it, read again when it changes")] = ""
    empty_shared_key: Annotated[bool, key(help="shake hands with an empty shared key")] = False
    users: Annotated[
        tuple[tuple[str, ...], ...],
        key(
            name="security.users", kind=Kind.WORDS, words=2, repeated=True, secret=True,
            help="`USER PASSWORD`: who may send",
        ),
    ] = ()  # fmt: skip
    net: ListenSettings = ListenSettings()
    tls: TlsSettings = TlsSettings()

    def __post_init__(self) -> None:
        if any(len(user) != 2 for user in self.users):
            raise ValueError("security.users: it takes a user and a password")
        if self.users and not self.asks_for_key:
            raise ValueError("security.users: it needs shared_key, or empty_shared_key on")
        if self.unix_perm and not set(self.unix_perm) <= set("01234567"):
            raise ValueError("unix_perm: it is an octal number like 0660")
        if self.buffer_max_size < _PING_BYTES:
            raise ValueError(f"buffer_max_size: at least {_PING_BYTES} bytes")

    @property
    def asks_for_key(self) -> bool:
        return bool(self.shared_key or self.shared_key_file or self.empty_shared_key)


class Forward:
    def __init__(self, settings: ForwardSettings, context: InputContext, listener: Listener) -> None:
        self.settings = settings
        self.context = context
        self.listener = listener
        self.shared_key: Secret | None = None
        if settings.asks_for_key:
            value = "" if settings.empty_shared_key else settings.shared_key
            self.shared_key = secret(value, settings.shared_key_file, context.folder)
        self.users = {user[0]: user[1] for user in settings.users}
        self._half_messages = 0

    async def run(self, intake: Intake, stopping: asyncio.Event) -> None:
        async def serve(connection: Connection) -> None:
            await _Session(self, connection, intake).run()

        await self.listener.run(serve, stopping)

    async def close(self) -> None:
        await self.listener.close()

    def tag(self, given: str) -> str:
        """fw_prot_process: a prefix comes first, then a tag of the input's own, then what the sender says."""
        if self.settings.tag_prefix:
            return self.settings.tag_prefix + given
        return self.settings.tag or given

    def hold(self, change: int) -> None:
        """Account for half messages, of all connections. Raises ForwardProtocolError when they are too many bytes."""
        self._half_messages += change
        if change > 0 and self._half_messages > _HALF_MESSAGES * self.settings.buffer_max_size:
            raise ForwardProtocolError("too many messages are begun and not complete")


class _Session:
    """One connection."""

    def __init__(self, served: Forward, connection: Connection, intake: Intake) -> None:
        self._input = served
        self._connection = connection
        self._intake = intake
        self._packer = Packer()

    async def run(self) -> None:
        frames = Frames(self._input.settings.buffer_max_size)
        held = 0
        try:
            if self._input.shared_key is not None and not await self._shake_hands(
                self._input.shared_key.read()
            ):
                return
            while data := await self._receive(frames):
                for frame in frames.feed(data):
                    await self._take(frame)
                change, held = frames.held - held, frames.held
                self._input.hold(change)
        except (ForwardProtocolError, HostError) as error:
            self._input.listener.complain("bad", f"{self._connection.peer}: {error}; closed")
            self._connection.abort()
        finally:
            self._input.hold(-held)

    async def _receive(self, frames: Frames) -> bytes:
        if frames.held:
            return await self._connection.receive(_MESSAGE)
        return await self._connection.receive_next(self._input.settings.net.io_timeout or None)

    async def _take(self, frame: bytes) -> None:
        message = decode_message(frame, self._count_replaced)
        if message is None:
            return
        if message.signal:
            self._input.context.notices.raise_(
                f"{self._input.context.name}: signals",
                f"{self._input.context.name}: metrics and traces arrive: only logs are collected",
            )
        claim = _Claim(self._connection, message.chunk)
        if not message.signal:
            await self._put(message, claim)
        claim.close()

    async def _put(self, message: Message, claim: _Claim) -> None:
        tag = self._input.tag(message.tag)
        for entries in unpacked(message, self._input.settings.buffer_max_size, self._count_replaced):
            content = records(entries)
            if content.bodies:
                claim.add()
                await self._intake.put(tag, compacted(content), settled=claim.settle)

    def _count_replaced(self, records: int) -> None:
        self._input.context.status.invalid_utf8 += records

    async def _shake_hands(self, shared_key: str) -> bool:
        """HELO, PING, PONG. False when the sender has no business here."""
        nonce, auth = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
        options = {"nonce": nonce, "auth": auth, "keepalive": True}
        await self._connection.send(self._packer.pack(["HELO", options]), _HANDSHAKE)
        frames = Frames(_PING_BYTES)
        found: list[bytes] = []
        while not found:
            data = await self._connection.receive(_HANDSHAKE)
            if not data:
                return False
            found += frames.feed(data)
        refusal, salt = self._examine(decode_handshake(found[0]), nonce, auth, shared_key)
        if refusal:
            self._input.listener.complain("refused", f"{self._connection.peer}: {refusal}; refused")
            await self._connection.send(self._packer.pack(["PONG", False, refusal, "", ""]), _HANDSHAKE)
            return False
        name = self._input.settings.self_hostname
        digest = shared_key_digest(salt, name.encode(), nonce.encode(), shared_key)
        await self._connection.send(self._packer.pack(["PONG", True, "", name, digest]), _HANDSHAKE)
        return True

    def _examine(self, ping: list[Any], nonce: str, auth: str, shared_key: str) -> tuple[str, bytes]:
        """Why the sender is refused (empty: it is not), and its salt."""
        if len(ping) != 6 or ping[0] != "PING":
            raise ForwardProtocolError("expected PING")
        hostname, salt, digest = (as_bytes(part) for part in ping[1:4])
        expected = shared_key_digest(salt, hostname, nonce.encode(), shared_key)
        if not hmac.compare_digest(digest, expected.encode()):
            return "shared_key mismatch", salt
        if self._input.users:
            user = as_bytes(ping[4]).decode("utf-8", "replace")
            password = self._input.users.get(user)
            expected = password_digest(auth.encode(), user, password or "")
            if password is None or not hmac.compare_digest(as_bytes(ping[5]), expected.encode()):
                return "username/password mismatch", salt
        return "", salt


class _Claim:
    """The records of one message: acknowledged when all of them are settled."""

    def __init__(self, connection: Connection, chunk: str | None) -> None:
        self._connection = connection
        self._answer = b"" if chunk is None else Packer().pack({"ack": chunk})
        self._open = 1
        if self._answer:
            connection.owe()

    def add(self) -> None:
        self._open += 1

    def settle(self) -> None:
        self._open -= 1
        if not self._open and self._answer:
            self._connection.pay(self._answer)

    close = settle
    """All records of the message are handed over."""


def build(settings: ForwardSettings, context: InputContext) -> Forward:
    from pillion.collector.network.tls import server_context

    where = Where(
        host=settings.listen,
        port=settings.port,
        unix_path=settings.unix_path,
        unix_mode=int(settings.unix_perm, 8) if settings.unix_perm else None,
        settings=settings.net,
    )
    security = server_context(settings.tls, settings.place) if settings.tls.on else None
    return Forward(settings, context, Listener(where, security, context.log))


PLUGIN = InputPlugin(name="forward", settings=ForwardSettings, build=build)
