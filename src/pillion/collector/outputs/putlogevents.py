"""CloudWatch Logs' PutLogEvents: records as events, events in batches that its limits allow, and its answers. Pure.

Source: Amazon CloudWatch Logs' API reference, "PutLogEvents", and Fluent Bit's plugins/out_cloudwatch_logs.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import msgspec

from pillion.collector.outputs.embedding import quoted
from pillion.collector.plugin import Again, Delivered, Refused, Verdict
from pillion.collector.records import Content
from pillion.collector.records.bodies import encode_value
from pillion.collector.records.conversion import as_texts, select, times
from pillion.collector.records.fields import MISSING, peek_one
from pillion.http.message import Answer, Request, retry_after

MOST_BYTES = 1_048_576
"""Of one batch, with OVERHEAD for each event."""
OVERHEAD = 26
MOST_EVENTS = 10_000
LONGEST_SPAN = 24 * 3600 * 1000
"""Milliseconds between the first and the last event of a batch; it has to be less."""

_LATER = frozenset(
    {
        "ThrottlingException", "ServiceUnavailableException", "InternalFailure", "InternalServerError",
        "OperationAbortedException", "LimitExceededException", "RequestTimeoutException", "RequestLimitExceeded",
    }
)  # fmt: skip
_CREDENTIALS = frozenset(
    {
        "AccessDeniedException", "ExpiredTokenException", "IncompleteSignatureException", "InvalidClientTokenId",
        "InvalidSignatureException", "MissingAuthenticationTokenException", "RequestExpired", "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)  # fmt: skip
"""Cured by an operator who repairs a role or a clock: the records are none the worse for waiting."""


class Stream(msgspec.Struct, frozen=True):
    group: str
    name: str


class Event(msgspec.Struct, frozen=True):
    number: int
    """Of the record in its chunk."""
    time: int
    """Milliseconds since the epoch."""
    message: bytes
    """The inside of a JSON string."""
    size: int
    """Bytes of the message as CloudWatch counts them."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    stream: Stream
    events: list[Event]
    """In the order of their times."""


class Events(msgspec.Struct, frozen=True, kw_only=True):
    found: list[Event]
    rejected: list[tuple[str, int]]
    """(reason, number) of records that cannot be events."""


def events(content: Content, log_key: str) -> Events:
    """Messages are records as JSON, or the field `log_key`. What has no text at all is left out, as in Fluent Bit."""
    rejected: list[tuple[str, int]] = []
    found: list[Event] = []
    for number, (time, message, size) in enumerate(_messages(content, log_key)):
        if size < 0:
            rejected.append((f"it has no {log_key} (log_key)", number))
        elif size > MOST_BYTES - OVERHEAD:
            rejected.append((f"it is longer than {MOST_BYTES - OVERHEAD} bytes", number))
        elif size:
            found.append(Event(number, time // 1_000_000, message, size))
    return Events(found=found, rejected=rejected)


def batches(found: list[Event], streams: list[Stream]) -> list[Batch]:
    """`streams[number]` is where a record belongs."""
    ordered = sorted(
        found, key=lambda event: (streams[event.number].group, streams[event.number].name, event.time)
    )
    made: list[Batch] = []
    for stream, members in groupby(ordered, key=lambda event: streams[event.number]):
        batch: list[Event] = []
        size = 0
        for event in members:
            size += event.size + OVERHEAD
            if batch and (
                size > MOST_BYTES or len(batch) >= MOST_EVENTS or event.time - batch[0].time >= LONGEST_SPAN
            ):
                made.append(Batch(stream=stream, events=batch))
                batch, size = [], event.size + OVERHEAD
            batch.append(event)
        made.append(Batch(stream=stream, events=batch))
    return made


def put_request(batch: Batch, log_format: str) -> Request:
    entries = b",".join(
        [b'{"timestamp":%d,"message":"%b"}' % (event.time, event.message) for event in batch.events]
    )
    body = b'{"logGroupName":%b,"logStreamName":%b,"logEvents":[%b]}' % (
        encode_value(batch.stream.group), encode_value(batch.stream.name), entries,
    )  # fmt: skip
    extra = (("x-amzn-logs-format", log_format),) if log_format else ()
    return _request("PutLogEvents", body, extra)


def stream_request(stream: Stream) -> Request:
    return _request(
        "CreateLogStream", msgspec.json.encode({"logGroupName": stream.group, "logStreamName": stream.name})
    )


def group_request(group: str, log_class: str) -> Request:
    said = {"logGroupName": group} | ({"logGroupClass": log_class} if log_class else {})
    return _request("CreateLogGroup", msgspec.json.encode(said))


def retention_request(group: str, days: int) -> Request:
    return _request(
        "PutRetentionPolicy", msgspec.json.encode({"logGroupName": group, "retentionInDays": days})
    )


def _request(action: str, body: bytes, extra: tuple[tuple[str, str], ...] = ()) -> Request:
    headers = (
        ("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", f"Logs_20140328.{action}"), *extra,
    )  # fmt: skip
    return Request(path="/", body=body, headers=headers)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class _Rejected(msgspec.Struct, rename="camel"):
    too_new_log_event_start_index: int | None = None
    too_old_log_event_end_index: int | None = None
    expired_log_event_end_index: int | None = None


class _Put(msgspec.Struct, rename="camel"):
    rejected_log_events_info: _Rejected | None = None


class _Fault(msgspec.Struct):
    type: str = msgspec.field(default="", name="__type")
    message: str = ""
    capital: str = msgspec.field(default="", name="Message")


def fault(answer: Answer) -> tuple[str, str]:
    """The exception's name and what it says."""
    try:
        said = msgspec.json.decode(answer.body, type=_Fault)
    except msgspec.DecodeError:
        return "", answer.text()
    return said.type.rpartition("#")[2], said.message or said.capital


def judge_put(batch: Batch, content: Content, answer: Answer, now: float) -> Verdict:
    """About the records of `batch`."""
    if answer.is_success:
        return Delivered(rejected=_rejected(batch, content, answer))
    name, said = fault(answer)
    reason = f"HTTP {answer.status}" + "".join(f": {part}" for part in (name, said) if part)
    if name == "DataAlreadyAcceptedException":
        return Delivered()
    if answer.status >= 500 or answer.status == 429 or name in _LATER | _CREDENTIALS:
        return Again(reason=reason, after=retry_after(answer, now))
    return Refused(reason=reason)


def _rejected(batch: Batch, content: Content, answer: Answer) -> tuple[tuple[str, Content], ...]:
    """Events that are too old or too new were left out, the others taken."""
    try:
        info = msgspec.json.decode(answer.body, type=_Put).rejected_log_events_info if answer.body else None
    except msgspec.DecodeError:
        return ()
    if info is None:
        return ()
    amount = len(batch.events)
    too_old = max(info.too_old_log_event_end_index or 0, info.expired_log_event_end_index or 0)
    too_new = amount if info.too_new_log_event_start_index is None else info.too_new_log_event_start_index
    found = [
        (reason, records_of(content, [event.number for event in part]))
        for reason, part in (
            ("CloudWatch: older than 14 days or than the group's retention", batch.events[:too_old]),
            ("CloudWatch: more than 2 hours in the future", batch.events[max(too_old, too_new):]),
        )
    ]  # fmt: skip
    return tuple((reason, part) for reason, part in found if part is not None)


def records_of(content: Content, numbers: list[int]) -> Content | None:
    if not numbers:
        return None
    wanted = set(numbers)
    amount = len(times(content))
    return select(content, [number in wanted for number in range(amount)])


def _messages(content: Content, log_key: str) -> list[tuple[int, bytes, int]]:
    """(ns, the inside of a JSON string, its bytes); -1 bytes where there is no message."""
    if not log_key:
        texts = as_texts(content)
        lines = texts.data.split(b"\n")[:-1]
        stamps = times(texts, len(lines))
        return [
            (stamp, escaped, len(line))
            for stamp, escaped, line in zip(stamps, quoted(texts.data), lines, strict=True)
        ]
    values = peek_one(content, log_key)
    return [(stamp, *_text(value)) for stamp, value in zip(times(content, len(values)), values, strict=True)]


def _text(value: Any) -> tuple[bytes, int]:
    if value is MISSING:
        return b"", -1
    text = value if isinstance(value, str) else encode_value(value).decode()
    return encode_value(text)[1:-1], len(text.encode("utf-8", "replace"))
