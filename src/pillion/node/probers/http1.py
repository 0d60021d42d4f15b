"""One HTTP/1 response, from a connection that is closed afterwards. Errors read as Go's net/http prints them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from pillion.node.probers.spelling import quote

if TYPE_CHECKING:
    from pillion.node.probers.connection import Connection

_HEAD_BYTES = 10 << 20
"""net/http: Transport.MaxResponseHeaderBytes."""
_INFORMATIONAL_RESPONSES = 5
"""net/http: persistConn.readResponse gives up after so many 1xx."""
_VERSION = re.compile(r"HTTP/(\d)\.(\d)")
_CHUNK_SIZE = re.compile(r"[0-9a-fA-F]{1,16}")
_BODILESS = frozenset({204, 304})


class MalformedError(Exception):
    """Not an HTTP response, or not a whole one."""


class NoResponseError(Exception):
    """The peer closed the connection before it said anything."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: dict[str, str]
    """By lower-case name; of several with one name, the first."""
    is_chunked: bool
    content_length: int | None
    """None: until the end of the stream."""


class ResponseReader:
    """First `read_head`, then at most once `read_body`. Both raise NetError and MalformedError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buffer = bytearray()

    async def read_head(self) -> Head:
        """The first head that is not informational. Raises NoResponseError too."""
        for _ in range(_INFORMATIONAL_RESPONSES + 1):
            head = await self._read_one_head()
            if head.status >= 200 or head.status == 101:
                return head
        raise MalformedError("net/http: too many 1xx informational responses")

    async def read_body(self, head: Head, limit: int) -> bytes:
        """At most `limit` bytes. Never waits for more than that."""
        if head.is_chunked:
            return await self._read_chunks(limit)
        if head.content_length is None:
            while len(self._buffer) < limit and await self._fill():
                pass
            return bytes(self._buffer[:limit])
        return await self._take(min(head.content_length, limit))

    async def _read_one_head(self) -> Head:
        if not self._buffer and not await self._fill():
            raise NoResponseError
        version, status = _parse_status_line(await self._read_line())
        headers: dict[str, str] = {}
        last = ""
        while line := await self._read_line():
            if line[0] in " \t":
                if last:
                    headers[last] = f"{headers[last]} {line.strip()}"
                continue
            name, colon, value = line.partition(":")
            if not colon:
                raise MalformedError(f"malformed MIME header line: {line}")
            last = name.lower()
            headers.setdefault(last, value.strip())
        return _build_head(version, status, headers)

    async def _read_chunks(self, limit: int) -> bytes:
        body = bytearray()
        while len(body) < limit:
            size_text = (await self._read_line()).partition(";")[0].strip()
            if not _CHUNK_SIZE.fullmatch(size_text):
                raise MalformedError("invalid byte in chunk length")
            size = int(size_text, 16)
            if size == 0:
                break
            body += await self._take(min(size, limit - len(body)))
            if len(body) < limit and await self._read_line():
                raise MalformedError("malformed chunked encoding")
        return bytes(body)

    async def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not await self._fill():
                raise MalformedError("unexpected EOF")
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _read_line(self) -> str:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > _HEAD_BYTES:
                raise MalformedError(
                    f"net/http: server response headers exceeded {_HEAD_BYTES} bytes; aborted"
                )
            if not await self._fill():
                raise MalformedError("unexpected EOF")
        line = self._buffer[:end].removesuffix(b"\r").decode("latin-1")
        del self._buffer[: end + 1]
        return line

    async def _fill(self) -> bool:
        data = await self._connection.receive()
        self._buffer += data
        return bool(data)


def _parse_status_line(line: str) -> tuple[tuple[int, int], int]:
    """net/http: ReadResponse."""
    version_text, space, rest = line.partition(" ")
    if not space:
        raise MalformedError(f"malformed HTTP response {quote(line)}")
    status_text = rest.lstrip(" ").partition(" ")[0]
    if len(status_text) != 3 or not (status_text.isascii() and status_text.isdigit()):
        raise MalformedError(f"malformed HTTP status code {quote(status_text)}")
    version = _VERSION.fullmatch(version_text)
    if version is None:
        raise MalformedError(f"malformed HTTP version {quote(version_text)}")
    return (int(version[1]), int(version[2])), int(status_text)


def _build_head(version: tuple[int, int], status: int, headers: dict[str, str]) -> Head:
    """How long the body is (RFC 9112, section 6.3). HTTP/1.0 has no transfer encodings."""
    encoding = headers.get("transfer-encoding", "") if version >= (1, 1) else ""
    if encoding and encoding.lower() != "chunked":
        raise MalformedError(f"unsupported transfer encoding: {quote(encoding)}")
    length_text = headers.get("content-length", "")
    if length_text and not (length_text.isascii() and length_text.isdigit()):
        raise MalformedError(f"bad Content-Length {quote(length_text)}")
    length = int(length_text) if length_text else None
    return Head(
        status=status,
        headers=headers,
        is_chunked=bool(encoding),
        content_length=0 if status in _BODILESS else length,
    )
