"""OTLP's logs as protobuf: the few messages that an exporter writes and the one that it reads. Pure.

Source: opentelemetry-proto's logs/v1/logs.proto, common/v1/common.proto, collector/logs/v1/logs_service.proto; the wire
format from protobuf's "Encoding". Values become what Fluent Bit makes of them (opentelemetry_utils.c).
"""

from __future__ import annotations

import struct
from typing import Any

import orjson

from pillion.collector.records.bodies import encode_value

_DOUBLE = struct.Struct("<d")
_FIXED64 = struct.Struct("<Q")
_FIXED32 = struct.Struct("<I")
_ONE_BYTE = [bytes([number]) for number in range(128)]


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; negative ones as 64 bits."""
    if 0 <= number < 128:
        return _ONE_BYTE[number]
    number &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def any_value(value: Any) -> bytes:
    """An AnyValue. None is an empty one; an integer beyond 64 bits is what is left of it in JSON."""
    match value:
        case str():
            text = value.encode("utf-8", "replace")
            return b"\x0a" + varint(len(text)) + text
        case bool():
            return b"\x10\x01" if value else b"\x10\x00"
        case int():
            if -(1 << 63) <= value < 1 << 64:
                return b"\x18" + varint(value)
            return any_value(orjson.loads(encode_value(value)))
        case float():
            return b"\x21" + _DOUBLE.pack(value)
        case list():
            inner = b"".join([_field(0x0A, any_value(each)) for each in value])
            return b"\x2a" + varint(len(inner)) + inner
        case dict():
            inner = key_values(0x0A, value)
            return b"\x32" + varint(len(inner)) + inner
        case bytes():
            return b"\x3a" + varint(len(value)) + value
        case _:
            return b""


def key_values(field: int, members: dict[str, Any]) -> bytes:
    """A KeyValue for each member, each in the field whose tag is `field`."""
    return b"".join(
        [_field(field, _text(0x0A, name) + _field(0x12, any_value(value))) for name, value in members.items()]
    )


def log_record(
    time: int,
    body: bytes,
    *,
    severity_number: int = 0,
    severity_text: str = "",
    attributes: dict[str, Any] | None = None,
    trace_id: bytes = b"",
    span_id: bytes = b"",
    flags: int = 0,
) -> bytes:
    """A LogRecord; `time` in ns, `body` an AnyValue."""
    parts = [b"\x09", _FIXED64.pack(time & 0xFFFF_FFFF_FFFF_FFFF)]
    if severity_number:
        parts += [b"\x10", varint(severity_number)]
    if severity_text:
        parts.append(_text(0x1A, severity_text))
    parts += [b"\x2a", varint(len(body)), body]
    if attributes:
        parts.append(key_values(0x32, attributes))
    if flags:
        parts += [b"\x45", _FIXED32.pack(flags & 0xFFFF_FFFF)]
    if trace_id:
        parts.append(_field(0x4A, trace_id))
    if span_id:
        parts.append(_field(0x52, span_id))
    return b"".join(parts)


def line_records(time: int, lines: list[bytes]) -> list[bytes]:
    """LogRecords whose bodies are texts, all of one time."""
    start = b"\x09" + _FIXED64.pack(time & 0xFFFF_FFFF_FFFF_FFFF) + b"\x2a"
    records = []
    for line in lines:
        size = varint(len(line))
        records.append(b"".join((start, varint(1 + len(size) + len(line)), b"\x0a", size, line)))
    return records


def export_request(resource: dict[str, Any], records: list[bytes]) -> bytes:
    """An ExportLogsServiceRequest: one resource, one scope that has no name."""
    scope_logs = b"\x0a\x00" + b"".join(
        [part for each in records for part in (b"\x12", varint(len(each)), each)]
    )
    resource_logs = _field(0x0A, key_values(0x0A, resource)) + _field(0x12, scope_logs)
    return _field(0x0A, resource_logs)


def partial_success(answer: bytes) -> tuple[int, str]:
    """How many records an ExportLogsServiceResponse says were rejected, and why. Raises ValueError when it is none."""
    rejected, reason = 0, ""
    for field, value in _fields(answer):
        if field == 1 and isinstance(value, bytes):
            for inner, said in _fields(value):
                if inner == 1 and isinstance(said, int):
                    rejected = said
                elif inner == 2 and isinstance(said, bytes):
                    reason = said.decode("utf-8", "replace")
    return rejected, reason


def _field(tag: int, content: bytes) -> bytes:
    return _ONE_BYTE[tag] + varint(len(content)) + content


def _text(tag: int, text: str) -> bytes:
    return _field(tag, text.encode("utf-8", "replace"))


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """The fields of any message, in order."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _read_varint(data, at)
            found.append((tag >> 3, value))
            continue
        if kind == 2:
            size, at = _read_varint(data, at)
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("it is no protobuf message")
        if at + size > len(data):
            raise ValueError("it is cut off")
        found.append((tag >> 3, data[at : at + size]))
        at += size
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
    raise ValueError("it is cut off")
