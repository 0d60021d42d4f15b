"""Records as syslog messages, RFC 5424 and RFC 3164 (plugins/out_syslog/syslog.c). Pure."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from pillion.collector.records import Accessor, Body

_NANOS = 1_000_000_000
_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "security", "console", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_NAME = re.compile(rb"[^!#-<>-\\^-~]")
"""What a name in structured data may not have: `=`, `]`, `"`, spaces and all that is not printable ASCII."""
_ESCAPED = re.compile(rb'(["\\\]])')
_NAME_BYTES = 32
_FIELD_BYTES = {"hostname": 255, "appname": 48, "procid": 128, "msgid": 32}
"""RFC 5424, section 6."""
MAX_BYTES = {"rfc5424": 2048, "rfc3164": 1024}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """Where a field's value is in the record, and what it is when it is not there."""

    key: Accessor | None = None
    preset: str = ""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["rfc5424", "rfc3164"]
    max_bytes: int
    severity_key: Accessor | None = None
    severity: int = 6
    facility_key: Accessor | None = None
    facility: int = 1
    hostname: Field = Field()
    appname: Field = Field()
    procid: Field = Field()
    msgid: Field = Field()
    message_key: Accessor | None = None
    structured_data: tuple[Accessor, ...] = ()
    long_names: bool = False


def message(shape: Shape, at: int, body: Body) -> bytes:
    """One message without its frame, cut to `max_bytes` where a character ends."""
    text = _text(_found(shape.message_key, body))
    if text is not None and text.startswith(b"<"):
        return _cut(text, shape.max_bytes)  # it has its head already
    priority = _number(_text(_found(shape.facility_key, body)), _FACILITIES, shape.facility) << 3
    priority += _number(_text(_found(shape.severity_key, body)), _SEVERITIES, shape.severity)
    when = datetime.datetime.fromtimestamp(at // _NANOS, datetime.UTC)
    if shape.format == "rfc3164":
        return _cut(_rfc3164(shape, priority, when, text, body), shape.max_bytes)
    micros = at % _NANOS // 1000
    return _cut(
        _rfc5424(shape, priority, f"{when:%Y-%m-%dT%H:%M:%S}.{micros:06d}Z", text, body), shape.max_bytes
    )


def _rfc5424(shape: Shape, priority: int, when: str, text: bytes | None, body: Body) -> bytes:
    fields = [_field(getattr(shape, name), body)[:most] or b"-" for name, most in _FIELD_BYTES.items()]
    data = b"".join([_element(accessor, shape, body) for accessor in shape.structured_data]) or b"-"
    head = b" ".join([f"<{priority}>1 {when}".encode(), *fields, data])
    return head if text is None else head + b" " + _BYTE_ORDER_MARK + text


def _rfc3164(shape: Shape, priority: int, when: datetime.datetime, text: bytes | None, body: Body) -> bytes:
    head = f"<{priority}>{_MONTHS[when.month - 1]} {when.day:2d} {when:%H:%M:%S} ".encode()
    hostname, appname, procid = (
        _field(field, body) for field in (shape.hostname, shape.appname, shape.procid)
    )
    if hostname:
        head += hostname + b" "
    if appname:
        head += appname + (b"[" + procid + b"]" if procid else b"") + b": "
    return head + (text or b"")


def _element(accessor: Accessor, shape: Shape, body: Body) -> bytes:
    """`[name key="value" …]` of a map; nothing of anything else."""
    found = accessor.get(body)
    if not isinstance(found, dict):
        return b""
    name = ".".join([accessor.key, *map(str, accessor.steps)])
    parts = [_name(name, shape)]
    for inner, value in found.items():
        text = _text(value)
        if text is not None:
            parts.append(_name(inner, shape) + b'="' + _ESCAPED.sub(rb"\\\1", text) + b'"')
    return b"[" + b" ".join(parts) + b"]"


def _name(text: str, shape: Shape) -> bytes:
    name = text.encode("utf-8", "replace")
    return _NO_NAME.sub(b"_", name if shape.long_names else name[:_NAME_BYTES])


def _field(field: Field, body: Body) -> bytes:
    text = _text(_found(field.key, body))
    return field.preset.encode() if text is None else text


def _number(text: bytes | None, names: tuple[str, ...], preset: int) -> int:
    """A number or a name of `names`; `preset` for everything else."""
    if not text:
        return preset
    word = text.decode("utf-8", "replace").lower()
    most_digits = len(str(len(names) - 1))
    if word.isascii() and word.isdigit() and len(word) <= most_digits and int(word) < len(names):
        return int(word)
    return names.index(word) if word in names else preset


def _found(accessor: Accessor | None, body: Body) -> Any:
    return None if accessor is None else accessor.get(body)


def _text(value: Any) -> bytes | None:
    """What extract_value_from_ra_result makes of a value; None for maps, arrays and nothing."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return str(value).encode()
    if isinstance(value, float):
        return f"{value:f}".encode()
    return value if isinstance(value, bytes) else None


def _cut(text: bytes, most: int) -> bytes:
    if len(text) <= most:
        return text
    while most and text[most] & 0xC0 == 0x80:
        most -= 1
    return text[:most]
