"""Google Cloud Logging's LogEntry: what is taken out of a record, and what remains as its payload. Pure.

Source: Fluent Bit's plugins/out_stackdriver (stackdriver.c, stackdriver_operation.c, stackdriver_source_location.c,
stackdriver_http_request.c, stackdriver_timestamp.c); Google's reference of LogEntry. Fluent Bit writes the members of
operation, sourceLocation and httpRequest that a record does not have as well, empty; here they are left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from pillion.collector.outputs.embedding import enclose, has_key
from pillion.collector.outputs.monitoredresource import LOCAL_RESOURCE_ID, MONITORED_RESOURCE
from pillion.collector.records import Body, Content, Lines
from pillion.collector.records.bodies import encode_body, encode_value
from pillion.collector.records.conversion import as_records, as_texts, wrap
from pillion.collector.records.dates import utc
from pillion.collector.records.template import value_text

_SEVERITIES = {
    name: number
    for number, names in (
        (800, "EMERGENCY EMERG"), (700, "ALERT A"), (600, "CRITICAL CRIT FATAL C F"), (500, "ERROR ERR SEVERE E"),
        (400, "WARNING WARN W"), (300, "NOTICE N"), (200, "INFO I"),
        (100, "DEBUG TRACE TRACE_INT FINE FINER FINEST CONFIG D"), (0, "DEFAULT"),
    )
    for name in names.split()
}  # fmt: skip
_INSERT_ID = "logging.googleapis.com/insertId"
_OPERATION = "logging.googleapis.com/operation"
_SOURCE_LOCATION = "logging.googleapis.com/sourceLocation"
_LATENCY = re.compile(r"\s*\d+(\.\d+)?\s*s\s*")
_DIGITS = re.compile(r"[0-9]{1,18}")
_STREAMS = frozenset({"stdout", "stderr"})
_SECOND = 1_000_000_000

_Kind = Callable[[Any], Any]
"""A value as the member wants it; None when it cannot be one."""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Any) -> int | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _latency(value: Any) -> str | None:
    return "".join(value.split()) if isinstance(value, str) and _LATENCY.fullmatch(value) else None


_OPERATION_MEMBERS: dict[str, _Kind] = {"id": _text, "producer": _text, "first": _flag, "last": _flag}
_SOURCE_MEMBERS: dict[str, _Kind] = {"file": _text, "line": _number, "function": _text}
_HTTP_MEMBERS: dict[str, _Kind] = {
    "latency": _latency,
    **dict.fromkeys(
        ("requestMethod", "requestUrl", "userAgent", "remoteIp", "serverIp", "referer", "protocol"), _text
    ),
    **dict.fromkeys(("requestSize", "responseSize", "status", "cacheFillBytes"), _number),
    **dict.fromkeys(("cacheLookup", "cacheHit", "cacheValidatedWithOriginServer"), _flag),
}


class EntryShape(msgspec.Struct, frozen=True, kw_only=True):
    """Which fields say what. An empty name is none."""

    project_key: str
    labels_key: str
    severity_key: str
    trace_key: str
    span_key: str
    sampled_key: str
    log_name_key: str
    http_key: str
    text_key: str
    labels: dict[str, str]
    formats_traces: bool
    is_kubernetes: bool

    @property
    def special(self) -> tuple[str, ...]:
        """Fields that are not part of the payload, or may not be."""
        return (*self.removed, _INSERT_ID, _OPERATION, _SOURCE_LOCATION, self.http_key, "timestamp",
                "timestampSeconds", "timestampNanos", *((self.text_key,) if self.text_key else ()))  # fmt: skip

    @property
    def removed(self) -> tuple[str, ...]:
        return (
            MONITORED_RESOURCE, LOCAL_RESOURCE_ID, self.project_key, self.labels_key, self.severity_key,
            self.trace_key, self.span_key, self.sampled_key, self.log_name_key, "stream",
        )  # fmt: skip


class Projects(msgspec.Struct, frozen=True):
    own: str
    """Where traces are."""
    logs: str
    """Where logs go."""


def entries(shape: EntryShape, projects: Projects, tag: str, content: Content) -> tuple[bytes, list[str]]:
    """The entries with commas between them, and for each record why it is not among them (or an empty text)."""
    if (plain := _plain(shape, projects, tag, content)) is not None:
        return plain, []
    records = as_records(content)
    found: list[bytes] = []
    problems: list[str] = []
    for time, body in zip(records.times, records.bodies, strict=True):
        problem = _problem(shape, body)
        problems.append(problem)
        if not problem:
            found.append(_entry(shape, projects, tag, time, body))
    return b",".join(found), problems if any(problems) else []


def log_name(project: str, name: str) -> str:
    """`projects/…/logs/…`; what a name cannot have is %-encoded, unless it is that already."""
    return f"projects/{project}/logs/{quote(name, safe='%')}"


def _plain(shape: EntryShape, projects: Projects, tag: str, content: Content) -> bytes | None:
    """Entries of records with none of the special fields, whose text is not looked into; None if there are others."""
    rest = b'","logName":' + encode_value(log_name(projects.logs, tag)) + b","
    if shape.labels:
        rest += b'"labels":' + encode_body(dict(shape.labels)) + b","
    if isinstance(content, Lines) and content.key == shape.text_key:
        lines = Lines(data=content.data, time=content.time, key="textPayload")
        before = b'{"timestamp":"' + stamp(content.time) + rest
        return wrap(lines, before=before)[:-1].replace(b"\n", b",")
    texts = as_texts(content)
    if isinstance(content, Lines):
        is_special = content.key in shape.special
    else:
        is_special = any(name and has_key(texts, name) is not None for name in shape.special)
    if is_special:
        return None
    rest += b'"jsonPayload":'
    if isinstance(texts.times, int):
        return enclose(texts.data, b'{"timestamp":"' + stamp(texts.times) + rest, b"}", b",")
    return enclose(texts.data, [b'{"timestamp":"' + stamp(time) + rest for time in texts.times], b"}", b",")


def stamp(time: int) -> bytes:
    """`time` (ns) as RFC 3339 has it."""
    second, rest = divmod(time, _SECOND)
    return b"%b.%09dZ" % (_second(second), rest)


@functools.lru_cache(maxsize=16)
def _second(second: int) -> bytes:
    return f"{utc(second):%Y-%m-%dT%H:%M:%S}".rjust(19, "0").encode()


def _problem(shape: EntryShape, body: Body) -> str:
    if _INSERT_ID in body and not (isinstance(body[_INSERT_ID], str) and body[_INSERT_ID]):
        return f"its {_INSERT_ID} is not a text, or is empty"
    if shape.labels_key in body and not isinstance(body[shape.labels_key], dict):
        return f"its {shape.labels_key} is not a map"
    return ""


def _entry(shape: EntryShape, projects: Projects, tag: str, time: int, body: Body) -> bytes:
    rest = {name: value for name, value in body.items() if name not in shape.removed}
    entry: Body = {}
    severity = body.get(shape.severity_key)
    if isinstance(severity, str) and severity.upper() in _SEVERITIES:
        entry["severity"] = _SEVERITIES[severity.upper()]
    trace = body.get(shape.trace_key)
    if isinstance(trace, str):
        entry["trace"] = f"projects/{projects.own}/traces/{trace}" if shape.formats_traces else trace
    for member, key, kind in (
        ("spanId", shape.span_key, _text),
        ("traceSampled", shape.sampled_key, _flag),
        ("insertId", _INSERT_ID, _text),
    ):
        value = kind(body.get(key))
        if value is not None:
            entry[member] = value
    rest.pop(_INSERT_ID, None)
    for member, key, kinds in (
        ("operation", _OPERATION, _OPERATION_MEMBERS),
        ("sourceLocation", _SOURCE_LOCATION, _SOURCE_MEMBERS),
        ("httpRequest", shape.http_key, _HTTP_MEMBERS),
    ):
        given = body.get(key)
        if isinstance(given, dict):
            entry[member] = _members(given, kinds)
            rest[key] = {name: value for name, value in given.items() if name not in kinds}
            if not rest[key]:
                del rest[key]
    labels = body.get(shape.labels_key, {}) | shape.labels
    if labels:
        entry["labels"] = {name: value_text(value) for name, value in labels.items()}
    time = _take_time(rest, time)
    if shape.text_key and len(rest) == 1 and isinstance(rest.get(shape.text_key), str):
        entry["textPayload"] = rest[shape.text_key]
    else:
        entry["jsonPayload"] = rest
    entry["logName"] = _log_name(shape, projects, tag, body)
    entry["timestamp"] = stamp(time).decode()
    return encode_body(entry)


def _members(given: Body, kinds: dict[str, _Kind]) -> Body:
    found = {name: kind(given[name]) for name, kind in kinds.items() if name in given}
    return {name: value for name, value in found.items() if value is not None}


def _take_time(rest: Body, time: int) -> int:
    """From `timestamp: {seconds, nanos}`, or `timestampSeconds` and `timestampNanos`, which are no payload then."""
    given = rest.get("timestamp")
    if isinstance(given, dict):
        seconds, nanos = _number(given.get("seconds")), _number(given.get("nanos"))
        names = ["timestamp"]
    else:
        seconds, nanos = _number(rest.get("timestampSeconds")), _number(rest.get("timestampNanos"))
        names = ["timestampSeconds", "timestampNanos"]
    if seconds is None or nanos is None:
        return time
    for name in names:
        del rest[name]
    return seconds * _SECOND + nanos


def _log_name(shape: EntryShape, projects: Projects, tag: str, body: Body) -> str:
    project, name = body.get(shape.project_key), body.get(shape.log_name_key)
    stream = body.get("stream") if shape.is_kubernetes else None
    usual = stream if stream in _STREAMS else tag
    return log_name(
        project if isinstance(project, str) else projects.logs, name if isinstance(name, str) else usual
    )
