"""What single values of the configuration mean: durations, sizes, URLs; and their text."""

from __future__ import annotations

import re
from typing import NewType

from pillion.units import quote

Milliseconds = NewType("Milliseconds", int)
Bytes = NewType("Bytes", int)
Count = NewType("Count", int)
"""A whole number that is not negative (Go's uint)."""
BigCount = NewType("BigCount", int)
"""The same with 64 bits by name (Go's uint64)."""
Url = NewType("Url", str)

_UNITS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
_DURATION_PART = re.compile(r"([0-9]+)([^0-9]+)", re.ASCII)
_LONGEST = ((1 << 63) - 1) // 1_000_000
"""What 63 bits of nanoseconds hold: about 292 years."""

_SIZES = {
    "B": 1,
    **{
        f"{prefix}{suffix}": 1024**power for power, prefix in enumerate("KMGTPE", 1) for suffix in ("B", "iB")
    },
}
_SIZE_PART = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<unit>[^.0-9]*)", re.ASCII)
_SIZE_LIMIT = 1 << 63


def parse_duration(text: str) -> Milliseconds:
    """`1h30m`, `1w`, `500ms` (prometheus/common, model/time.go: ParseDuration). Raises ValueError in its words."""
    if text == "0":
        return Milliseconds(0)
    if not text:
        raise ValueError("empty duration string")
    total, last, end = 0, -1, 0
    order = list(_UNITS)
    for part in _DURATION_PART.finditer(text):
        if part.start() != end:
            break
        end = part.end()
        unit = part[2]
        if unit not in _UNITS:
            raise ValueError(f"unknown unit {quote(unit)} in duration {quote(text)}")
        if order.index(unit) <= last:
            raise ValueError(f"not a valid duration string: {quote(text)}")
        last = order.index(unit)
        total += int(part[1].lstrip("0")[:20] or 0) * _UNITS[unit]
    if end != len(text):
        raise ValueError(f"not a valid duration string: {quote(text)}")
    if total > _LONGEST:
        raise ValueError("duration out of range")
    return Milliseconds(total)


def format_duration(milliseconds: int) -> str:
    """`1h30m`; years, weeks and days only if nothing is left over (the same file, Duration.String)."""
    if milliseconds == 0:
        return "0s"
    text = ""
    for unit, length in _UNITS.items():
        if unit in ("y", "w", "d") and milliseconds % length:
            continue
        count, milliseconds = divmod(milliseconds, length)
        if count:
            text += f"{count}{unit}"
    return text


def parse_size(text: str) -> Bytes:
    """`10MB`, `1.5GiB`, all by 1024 (alecthomas/units, ParseBase2Bytes). Raises ValueError in its words."""
    unsigned = text[1:] if text[:1] in ("-", "+") else text
    if unsigned == "0":
        return Bytes(0)
    total, end = 0.0, 0
    for part in _SIZE_PART.finditer(unsigned):
        if part.start() != end:
            break
        end = part.end()
        if part["unit"] not in _SIZES:
            raise ValueError(f"units: unknown unit {part['unit']} in {text}")
        total += float(part["number"]) * _SIZES[part["unit"]]
    if end != len(unsigned) or not unsigned:
        raise ValueError(f"units: invalid {text}")
    if total >= _SIZE_LIMIT:
        raise ValueError("units: overflow parsing unit")
    return Bytes(-int(total) if text[0] == "-" else int(total))


def format_size(size: int) -> str:
    """`1GiB512MiB` (the same package, ToString)."""
    text = "" if size else "0B"
    for prefix in ("", "K", "M", "G", "T", "P", "E"):
        size, rest = divmod(size, 1024)
        if rest:
            text = f"{rest}{prefix}{'iB' if prefix else 'B'}{text}"
    return text


def check_url(text: str) -> None:
    """What Go's url.Parse refuses first. Raises ValueError in its words."""
    scheme, colon, rest = text.partition(":")
    if any(ord(character) < 0x20 or character == "\x7f" for character in text):
        raise ValueError(f"parse {quote(text)}: net/url: invalid control character in URL")
    if colon and not scheme:
        raise ValueError(f"parse {quote(text)}: missing protocol scheme")
    has_scheme = re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*", scheme, re.ASCII) is not None
    if colon and not has_scheme and "/" not in scheme and "?" not in scheme and "#" not in scheme:
        raise ValueError(f"parse {quote(text)}: first path segment in URL cannot contain colon")
    if has_scheme and rest.startswith("//"):
        _check_host(text, re.split(r"[/?#]", rest[2:], maxsplit=1)[0].rpartition("@")[2])


def _check_host(text: str, host: str) -> None:
    if host.startswith("["):
        address, bracket, port = host.partition("]")
        if not bracket:
            raise ValueError(f"parse {quote(text)}: missing ']' in host")
        has_port = bool(port)
    else:
        address, has_port, port = host, ":" in host, host[host.rfind(":") :] if ":" in host else ""
    if has_port and re.fullmatch(r":[0-9]*", port, re.ASCII) is None:
        raise ValueError(f"parse {quote(text)}: invalid port {quote(port)} after host")
    if " " in address:
        raise ValueError(f'parse {quote(text)}: invalid character " " in host name')


def url_host(text: str) -> str:
    """Host and port of an absolute URL; nothing when there is none."""
    found = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#]*)", text)
    return found[1].rpartition("@")[2] if found is not None else ""


def url_scheme(text: str) -> str:
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", text)
    return found[1].lower() if found is not None else ""
