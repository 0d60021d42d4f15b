"""The protobuf wire format: numbered fields, each a varint, eight or four bytes, or a counted run of bytes.

protobuf.dev, "Encoding". Kubernetes' messages use varints and runs only.
"""

from __future__ import annotations

from collections.abc import Iterator

from pillion.errors import PillionError

VARINT, I64, LEN, I32 = 0, 1, 2, 5
_FIXED = {I64: 8, I32: 4}


class ProtobufError(PillionError, ValueError):
    """The body is not the protobuf it claims to be."""


def read_fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message as they come: numbers of varints and fixed ones, the bytes of runs."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise ProtobufError("cannot decode the protobuf body: a field has number 0")
        if wire_type == VARINT:
            value, position = _read_varint(data, position)
            yield number, value
            continue
        if wire_type == LEN:
            size, position = _read_varint(data, position)
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
        else:
            raise ProtobufError(f"cannot decode the protobuf body: unknown wire type {wire_type}")
        if size > len(data) - position:
            raise ProtobufError("cannot decode the protobuf body: it ends within a field")
        run = data[position : position + size]
        position += size
        yield number, run if wire_type == LEN else int.from_bytes(run, "little")


def read_packed(data: memoryview) -> Iterator[int]:
    """The varints of a packed list."""
    position = 0
    while position < len(data):
        value, position = _read_varint(data, position)
        yield value


def signed(value: int) -> int:
    """int32 and int64 travel as 64 bits of two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position == len(data):
            raise ProtobufError("cannot decode the protobuf body: it ends within a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
    raise ProtobufError("cannot decode the protobuf body: a number is longer than 64 bits")
