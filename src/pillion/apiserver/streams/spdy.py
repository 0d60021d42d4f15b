"""SPDY/3 frames, as far as Kubernetes' tunnels use them: bytes in, frames out, and the other way round.

Source: the SPDY draft 3, sections 2.2 to 2.6. Headers are compressed with one zlib stream for each direction of a
connection, which both ends start with the same dictionary. Flow control by windows is left out, as in
moby/spdystream, which all of Kubernetes' clients use.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from enum import IntEnum

import msgspec

_WORDS = (
    "options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,accept-language,accept-ranges,age,allow,"
    "authorization,cache-control,connection,content-base,content-encoding,content-language,content-length,"
    "content-location,content-md5,content-range,content-type,date,etag,expect,expires,from,host,if-match,"
    "if-modified-since,if-none-match,if-range,if-unmodified-since,last-modified,location,max-forwards,pragma,"
    "proxy-authenticate,proxy-authorization,range,referer,retry-after,server,te,trailer,transfer-encoding,upgrade,"
    "user-agent,vary,via,warning,www-authenticate,method,get,status,200 OK,version,HTTP/1.1,url,public,set-cookie,"
    "keep-alive,origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack("!I", len(word)) + word.encode() for word in _WORDS.split(","))
DICTIONARY += _TAIL.encode()
"""Section 2.6.10.1."""

_CONTROL = 0x80030000
_FIN = 0x01
_HEAD = struct.Struct("!II")
_STREAM_ID = 0x7FFFFFFF
MAX_DATA = (1 << 24) - 1
MAX_HEADERS = 64 * 1024
"""Of one stream, decompressed. Kubernetes' have less than 200 bytes."""


class _Kind(IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    PING = 6
    GOAWAY = 7


class ProtocolError(Exception):
    """The other side does not speak SPDY/3."""


class OpenStream(msgspec.Struct, frozen=True):
    """SYN_STREAM."""

    stream: int
    headers: Mapping[str, str]
    is_last: bool


class Data(msgspec.Struct, frozen=True):
    stream: int
    data: bytes
    is_last: bool


class Reset(msgspec.Struct, frozen=True):
    """RST_STREAM: the client has lost interest in the stream."""

    stream: int


class Ping(msgspec.Struct, frozen=True):
    id: int


class GoAway(msgspec.Struct, frozen=True):
    """The client opens no more streams."""


Frame = OpenStream | Data | Reset | Ping | GoAway


class Framer:
    """The server's end of one connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete. A control frame without a use here is passed over.

        Raises ProtocolError.
        """
        buffer = self._rest + data
        at = 0
        while len(buffer) - at >= _HEAD.size:
            first, second = _HEAD.unpack_from(buffer, at)
            end = at + _HEAD.size + (second & MAX_DATA)
            if end > len(buffer):
                break
            payload = buffer[at + _HEAD.size : end]
            at = end
            frame = self._decode(first, second >> 24, payload)
            if frame is not None:
                yield frame
        self._rest = buffer[at:]

    def _decode(self, first: int, flags: int, payload: bytes) -> Frame | None:
        is_last = bool(flags & _FIN)
        if not first & 0x80000000:
            return Data(first, payload, is_last)
        if first & 0xFFFF0000 != _CONTROL:
            raise ProtocolError("no SPDY/3 frame")
        try:
            match first & 0xFFFF:
                case _Kind.SYN_STREAM:
                    stream = struct.unpack_from("!I", payload)[0] & _STREAM_ID
                    return OpenStream(stream, self._headers(payload[10:]), is_last)
                case _Kind.RST_STREAM:
                    return Reset(struct.unpack_from("!I", payload)[0] & _STREAM_ID)
                case _Kind.PING:
                    return Ping(struct.unpack_from("!I", payload)[0])
                case _Kind.GOAWAY:
                    return GoAway()
                case _:
                    return None
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise ProtocolError(str(error)) from error

    def _headers(self, block: bytes) -> dict[str, str]:
        plain = self._inflate.decompress(block, MAX_HEADERS)
        if self._inflate.unconsumed_tail:
            raise ProtocolError("headers are too long")
        at, texts = 4, []
        (count,) = struct.unpack_from("!I", plain)
        for _ in range(min(count, MAX_HEADERS) * 2):
            (length,) = struct.unpack_from("!I", plain, at)
            texts.append(plain[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def encode_reply(self, stream: int) -> bytes:
        """SYN_REPLY without headers: the stream is accepted."""
        block = self._deflate.compress(struct.pack("!I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(_Kind.SYN_REPLY, struct.pack("!I", stream) + block)


def encode_data(stream: int, data: bytes, *, is_last: bool = False) -> bytes:
    return _HEAD.pack(stream, (_FIN << 24 if is_last else 0) | len(data)) + data


def encode_reset(stream: int, status: int) -> bytes:
    """1 is a protocol error, 3 a refused stream (section 2.6.3)."""
    return _control(_Kind.RST_STREAM, struct.pack("!II", stream, status))


def encode_ping(ping: Ping) -> bytes:
    return _control(_Kind.PING, struct.pack("!I", ping.id))


def _control(kind: _Kind, payload: bytes) -> bytes:
    return _HEAD.pack(_CONTROL | kind, len(payload)) + payload
