"""What a request to the http input says: its tag and its records (plugins/in_http/http_prot.c). Pure."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from pillion.collector.inputs.jsonstream import NotJsonError, values

if TYPE_CHECKING:
    from pillion.collector.records import Body

_UNSAFE = re.compile(rb"[^A-Za-z0-9_.]")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_JSON = frozenset({"application/json", "application/x-ndjson"})
_FORM = "application/x-www-form-urlencoded"


class RefusedError(Exception):
    """An answer of 4xx: its status, and its body as Fluent Bit words it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def tag_of(path: bytes) -> str:
    """The path's tag: everything but letters, digits, `_` and `.` becomes `_`. Empty: the input's own."""
    return safe_tag(path.partition(b"?")[0][1:])


def safe_tag(tag: bytes) -> str:
    return _UNSAFE.sub(b"_", tag).decode("ascii")


def records_of(content_type: str, body: bytes) -> list[Body]:
    """Raises RefusedError for what is no object, no array of objects, and no form."""
    if not content_type:
        raise RefusedError(400, "error: header 'Content-Type' is not set\n")
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _JSON and kind != _FORM:
        raise RefusedError(400, "error: invalid 'Content-Type'\n")
    if not body:
        raise RefusedError(400, "error: no payload found\n")
    found = _form(body.decode("utf-8", "replace")) if kind == _FORM else _objects(body)
    if not found:
        raise RefusedError(400, "error: unable to process records\n")
    return found


def _objects(body: bytes) -> list[Body]:
    try:
        found = values(body.decode("utf-8", "replace").encode())
    except NotJsonError as error:
        raise RefusedError(400, "error: unable to process records\n") from error
    objects: list[Body] = []
    for value in found:
        for item in value if isinstance(value, list) else (value,):
            if not isinstance(item, dict):
                raise RefusedError(400, "error: unable to process records\n")
            objects.append(item)
    return objects


def _form(text: str) -> list[Body]:
    """One record: `a=1&b=x%20y`. Names stay as they are written, and so do values that are not encoded rightly
    (parse_payload_urlencoded)."""
    body: Body = {}
    for part in text.split("&"):
        name, equals, value = part.removeprefix("\n").partition("=")
        if name and equals:
            value = value.strip()
            body[name.strip()] = value if _PERCENT.search(value) else unquote_plus(value)
    return [body] if body else []


def inflated(body: bytes, encoding: str, limit: int) -> bytes:
    """Raises RefusedError when it is not what `encoding` says, or more than `limit` bytes."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip":
            return _zlib_inflated(body, 31, limit)
        case "deflate" | "zlib":
            # RFC 9110 says zlib; some send the bare deflate stream.
            return _zlib_inflated(body, 15 if body[:1] == b"\x78" else -15, limit)
        case "zstd":
            return _zstd_inflated(body, limit)
        case _:
            raise RefusedError(415, "error: invalid 'Content-Encoding'\n")


def _zlib_inflated(body: bytes, window: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        data = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise RefusedError(400, "error: the payload cannot be decompressed\n") from error
    if len(data) > limit:
        raise RefusedError(413, "error: the payload is too large\n")
    if not inflater.eof:
        raise RefusedError(400, "error: the payload cannot be decompressed\n")
    return data


def _zstd_inflated(body: bytes, limit: int) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(body) as reader:
            data = bytes(reader.read(limit + 1))
    except zstandard.ZstdError as error:
        raise RefusedError(400, "error: the payload cannot be decompressed\n") from error
    if len(data) > limit:
        raise RefusedError(413, "error: the payload is too large\n")
    return data
