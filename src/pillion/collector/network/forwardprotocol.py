"""Fluentd's forward protocol, version 1, both ways: messages, times, and the digests of its handshake. Pure.

The specification is https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1; where Fluent Bit's
plugins/in_forward/fw_prot.c takes more than it asks for (records with metadata, an options field that is nil), so
do we.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgpack
import msgspec

from pillion.collector.records import Records
from pillion.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NANOS = 1_000_000_000
_ARRAY32 = struct.Struct(">BI")
_EVENT_TIME = struct.Struct(">II")
_BATCH_BYTES = 1 << 20
"""About how many bytes of packed entries are decoded at a time: what a large message costs beyond its own bytes."""

Entries: TypeAlias = Sequence[Any]
"""`[time, record]` or `[[time, metadata], record]`, as they were sent."""


class ForwardProtocolError(PeerError):
    """The other side sent what is no message of this protocol."""


class EventTime(int):
    """Nanoseconds since the epoch; on the wire an extension of type 0."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of events, whatever mode it was sent in."""

    tag: str
    entries: Entries | bytes
    """`bytes`: packed one after another (PackedForward); see `unpacked`."""
    is_compressed: bool = False
    chunk: str | None = None
    """What the sender wants acknowledged."""
    signal: int = 0
    """Fluent Bit's `fluent_signal`: 0 logs, 1 metrics, 2 traces."""


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class Frames:
    """Cuts a stream of bytes into MessagePack objects, without decoding them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._borders = self._new_borders()
        self._held = bytearray()
        self._cut = 0

    @property
    def held(self) -> int:
        """Bytes of an object that is not complete."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The objects that are complete with `data`.

        Raises ForwardProtocolError for what is no MessagePack and for an object of more than `limit` bytes.
        """
        self._held += data
        try:
            self._borders.feed(data)
            while True:
                self._borders.skip()
                end = self._borders.tell() - self._cut
                frame = bytes(self._held[:end])
                del self._held[:end]
                self._cut += end
                if end > self._limit:
                    raise ForwardProtocolError(self._oversize())
                yield frame
        except msgpack.OutOfData:
            pass
        except (msgpack.BufferFull, ValueError) as error:
            raise ForwardProtocolError(
                "it is no MessagePack" if isinstance(error, msgpack.FormatError) else self._oversize()
            ) from error
        if len(self._held) > self._limit:
            raise ForwardProtocolError(self._oversize())

    def _oversize(self) -> str:
        return f"a message is nested too deeply, or larger than {self._limit} bytes (buffer_max_size)"

    def _new_borders(self) -> msgpack.Unpacker:
        return msgpack.Unpacker(max_buffer_size=self._limit + _BATCH_BYTES)


def _not_counted(records: int) -> None: ...


def decode_message(frame: bytes, replaced: Callable[[int], None] = _not_counted) -> Message | None:
    """None for a heartbeat (nil). Raises ForwardProtocolError for everything that is no message.

    `replaced` is told of records whose text was no UTF-8.
    """
    parts = decode(frame, replaced)
    if parts is None:
        return None
    if not isinstance(parts, list) or len(parts) < 2 or not isinstance(parts[0], str):
        raise ForwardProtocolError("a message is an array of a tag and events")
    tag, events = parts[0], parts[1]
    entries: Entries | bytes
    match events:
        case list():
            entries, options = events, _options(parts, 2)
        case str() | bytes():
            entries, options = events if isinstance(events, bytes) else events.encode(), _options(parts, 2)
        case int() | float():
            if len(parts) < 3 or not isinstance(parts[2], dict):
                raise ForwardProtocolError("the record of a message is a map")
            options = _options(parts, 3)
            entries = [[events, parts[2]]]
        case _:
            raise ForwardProtocolError("the events of a message are an array, packed, or a time and a record")
    chunk, signal = options.get("chunk"), options.get("fluent_signal", 0)
    compressed = options.get("compressed", "text")
    if not isinstance(chunk, str | None) or signal not in (0, 1, 2) or compressed not in ("text", "gzip"):
        raise ForwardProtocolError("an option of a message has a value that it cannot have")
    return Message(
        tag=tag, entries=entries, is_compressed=compressed == "gzip", chunk=chunk, signal=int(signal)
    )


def unpacked(
    message: Message, limit: int, replaced: Callable[[int], None] = _not_counted
) -> Iterator[Entries]:
    """The entries in batches. Raises ForwardProtocolError when they are not entries, or one has more than `limit`."""
    if not isinstance(message.entries, bytes):
        yield message.entries
        return
    frames = Frames(limit)
    batch: list[bytes] = []
    size = 0
    for piece in _inflated(message.entries) if message.is_compressed else _pieces(message.entries):
        for frame in frames.feed(piece):
            batch.append(frame)
            size += len(frame)
            if size >= _BATCH_BYTES:
                yield decode(array_head(len(batch)) + b"".join(batch), replaced)
                batch, size = [], 0
    if frames.held:
        raise ForwardProtocolError("the last packed entry is not complete")
    if batch:
        yield decode(array_head(len(batch)) + b"".join(batch), replaced)


def records(entries: Entries) -> Records:
    """Raises ForwardProtocolError when one of them is none."""
    times: list[int] = []
    bodies: list[dict[str, Any]] = []
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], dict):
            raise ForwardProtocolError("an entry is an array of a time and a map")
        at, body = entry
        if isinstance(at, list) and at:
            at = at[0]  # [time, metadata], as Fluent Bit sends them with retain_metadata_in_forward_mode
        times.append(nanoseconds(at))
        bodies.append(body if _is_plain(body) else _plain_map(body))
    return Records(times=times, bodies=bodies)


def nanoseconds(at: object) -> int:
    """Of a time as it was sent: seconds, or an EventTime."""
    if isinstance(at, EventTime):
        return int(at)
    if isinstance(at, int) and not isinstance(at, bool):
        return at * _NANOS
    if isinstance(at, float):
        return int(at * _NANOS)
    raise ForwardProtocolError("a time is a number of seconds or an EventTime")


def decode(frame: bytes, replaced: Callable[[int], None] = _not_counted) -> Any:
    """Text that is no UTF-8 has U+FFFD in place of what is wrong. Raises ForwardProtocolError."""
    try:
        try:
            return msgspec.msgpack.decode(frame, ext_hook=_extension)
        except UnicodeDecodeError:
            found = msgpack.unpackb(
                frame, ext_hook=_extension, unicode_errors="replace", strict_map_key=False, use_list=True
            )
            replaced(_maps_with_replacements(found))
            return found
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError, msgpack.OutOfData) as error:
        raise ForwardProtocolError("a message cannot be decoded") from error


def _maps_with_replacements(value: Any) -> int:
    """How many records: the outermost maps."""
    if isinstance(value, dict):
        return int("\ufffd" in repr(value))
    return sum(map(_maps_with_replacements, value)) if isinstance(value, list) else 0


def _extension(code: int, data: memoryview | bytes) -> object:
    if code == 0 and len(data) == _EVENT_TIME.size:
        seconds, nanos = _EVENT_TIME.unpack(data)
        return EventTime(seconds * _NANOS + nanos)
    return bytes(data)


def _options(parts: list[Any], index: int) -> dict[str, Any]:
    found = parts[index] if len(parts) > index else None
    if found is None:  # Docker 18 sends nil
        return {}
    if not isinstance(found, dict):
        raise ForwardProtocolError("the options of a message are a map")
    return found


def _pieces(packed: bytes) -> Iterator[bytes]:
    for start in range(0, len(packed), _BATCH_BYTES):
        yield packed[start : start + _BATCH_BYTES]


def _inflated(compressed: bytes) -> Iterator[bytes]:
    """Any number of gzip members, in pieces: a small message may be a very large one inside."""
    while compressed:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                piece = member.decompress(compressed, _BATCH_BYTES)
            except zlib.error as error:
                raise ForwardProtocolError("what is said to be gzip is not") from error
            if not piece and not member.eof:
                raise ForwardProtocolError("the gzip data is not complete")
            compressed = member.unconsumed_tail
            yield piece
        compressed = member.unused_data


def _is_plain(body: dict[Any, Any]) -> bool:
    return all(type(name) is str for name in body) and not any(
        type(value) in (dict, list) for value in body.values()
    )


def _plain_map(body: dict[Any, Any]) -> dict[str, Any]:
    return {name if type(name) is str else _name(name): _plain(value) for name, value in body.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _plain_map(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _name(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class Packer:
    """Packs records as entries. `whole_seconds`: times as integers, as Fluentd before 0.14 wants them."""

    def __init__(self, *, whole_seconds: bool = False) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._whole_seconds = whole_seconds

    def entries(self, times: Iterable[int], bodies: Iterable[dict[str, Any]]) -> bytes:
        """One after another, as PackedForward has them and an array needs them."""
        packed = bytearray()
        for at, body in zip(times, bodies, strict=True):
            start = len(packed)
            try:
                self._encoder.encode_into([self._time(at), body], packed, start)
            except OverflowError:
                del packed[start:]
                self._encoder.encode_into([self._time(at), _without_big_numbers(body)], packed, start)
        return bytes(packed)

    def pack(self, value: object) -> bytes:
        return self._encoder.encode(value)

    def event(self, tag: str, at: int, body: dict[str, Any], options: dict[str, Any]) -> bytes:
        """Message mode: one record."""
        try:
            return self._encoder.encode([tag, self._time(at), body, options])
        except OverflowError:
            return self._encoder.encode([tag, self._time(at), _without_big_numbers(body), options])

    def head(self, tag: str, *, parts: int) -> bytes:
        """The beginning of a message of `parts` parts: what follows is packed already."""
        return bytes((0x90 | parts,)) + self._encoder.encode(tag)

    def _time(self, at: int) -> int | msgspec.msgpack.Ext:
        seconds, nanos = divmod(at, _NANOS)
        if self._whole_seconds:
            return seconds
        return msgspec.msgpack.Ext(0, _EVENT_TIME.pack(seconds & 0xFFFFFFFF, nanos))


def array_head(count: int) -> bytes:
    """An array of `count` elements that follow."""
    return _ARRAY32.pack(0xDD, count)


def binary_head(size: int) -> bytes:
    return _ARRAY32.pack(0xC6, size)


def _without_big_numbers(value: Any) -> Any:
    """Integers beyond 64 bits become floats: MessagePack has no others."""
    if isinstance(value, dict):
        return {name: _without_big_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_big_numbers(item) for item in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return float(value)
    return value


# ── the handshake ────────────────────────────────────────────────────────────────────────────────────────────────────
def shared_key_digest(salt: bytes, hostname: bytes, nonce: bytes, shared_key: str) -> str:
    """Proves knowledge of the key, by the side that is called `hostname`."""
    return hashlib.sha512(salt + hostname + nonce + shared_key.encode()).hexdigest()


def password_digest(auth: bytes, username: str, password: str) -> str:
    return hashlib.sha512(auth + username.encode() + password.encode()).hexdigest()


def as_bytes(value: object) -> bytes:
    """Nonces and salts are sent as text or as binary, and as text they need not be UTF-8."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    raise ForwardProtocolError("a field of the handshake is no text")


def decode_handshake(frame: bytes) -> list[Any]:
    """HELO, PING or PONG, its text as it was, byte by byte (undecodable bytes as lone surrogates)."""
    try:
        parts = msgpack.unpackb(frame, unicode_errors="surrogateescape", strict_map_key=False)
    except (ValueError, msgpack.OutOfData) as error:
        raise ForwardProtocolError("the handshake cannot be decoded") from error
    if not isinstance(parts, list) or not parts:
        raise ForwardProtocolError("the handshake is an array")
    return parts
