"""Unpacks an answer's body. Pure.

urllib3 would do it, too, but takes a packed body that breaks off for a whole one.
"""

from __future__ import annotations

import zlib

_GZIP = 31
"""zlib's window bits for gzip's header and checksum."""


class BrokenBodyError(ValueError):
    """The body is not what its encoding says, or breaks off."""


def unpack_gzip(packed: bytes, limit: int) -> bytes:
    """At most `limit` bytes of what is in it, of several members one after the other (RFC 1952, section 2.2).

    Raises BrokenBodyError, but not for what is behind the limit.
    """
    parts: list[bytes] = []
    left = limit
    while packed:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            # A limit of 0 would be none; one byte more tells whether there is more.
            part = unpacker.decompress(packed, left + 1)
        except zlib.error as error:
            raise BrokenBodyError(str(error)) from None
        parts.append(part[:left])
        if len(part) > left:
            break
        left -= len(part)
        if not unpacker.eof:
            raise BrokenBodyError("unexpected end of compressed data")
        packed = unpacker.unused_data
    return b"".join(parts)
