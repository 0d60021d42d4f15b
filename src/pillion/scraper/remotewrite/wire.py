"""Protocol Buffers' wire format, as much of it as remote write has. Pure.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

_MASK = (1 << 64) - 1


def varint(number: int) -> bytes:
    """Negative ones as two's complement of 64 bits, which takes ten bytes."""
    if 0 <= number < 0x80:
        return _SMALL[number]
    number &= _MASK
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SMALL = [bytes([number]) for number in range(0x80)]


def message(tag: bytes, content: bytes) -> bytes:
    """A field that has a length: a string, a message, packed numbers."""
    return tag + varint(len(content)) + content


def text(tag: bytes, content: str) -> bytes:
    return message(tag, content.encode())


def number(tag: bytes, value: int) -> bytes:
    """A field of an integer or enumeration; empty for the default, 0."""
    return tag + varint(value) if value else b""
