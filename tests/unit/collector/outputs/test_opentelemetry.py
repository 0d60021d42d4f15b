"""The opentelemetry output, read back with OpenTelemetry's own protobuf classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from tests.unit.collector.outputs.surroundings import Surroundings

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.outputs.opentelemetry import OpentelemetrySettings, build, dialect
from pillion.collector.outputs.otlp import any_value, export_request, partial_success, varint
from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_records, as_texts
from pillion.testing.destinations.otlp import OtlpServer
from pillion.testing.destinations.peer import Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME = 1_700_000_000_123_456_789
LINES = Lines(data="first\nzweite Zeile: ä\n".encode(), time=TIME)


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    with OtlpServer() as peer:
        yield peer


def deliver(server: OtlpServer, content: Content, **settings: Any) -> Verdict:
    output = build(OpentelemetrySettings(host=server.host, port=server.port, **settings), Surroundings())
    try:
        return output.deliver("app", content)
    finally:
        output.close()


def exported(content: Content, **settings: Any) -> Any:
    speech = dialect(OpentelemetrySettings(**settings))
    encoded = speech.encode("app", content, 0.0)
    assert encoded.request is not None
    export = ExportLogsServiceRequest()
    export.ParseFromString(encoded.request.body)
    return export


def records(content: Content, **settings: Any) -> list[Any]:
    [resource] = exported(content, **settings).resource_logs
    [scope] = resource.scope_logs
    return list(scope.log_records)


def plain(value: Any) -> Any:
    """An AnyValue as Python has it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(value, kind)
    if kind == "array_value":
        return [plain(each) for each in inner.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in inner.values}
    return inner


def test_a_line_is_a_body() -> None:
    found = records(LINES)
    assert [record.body.string_value for record in found] == ["first", "zweite Zeile: ä"]
    assert {record.time_unix_nano for record in found} == {TIME}
    assert {record.severity_number for record in found} == {0}


@pytest.mark.parametrize(
    ("body", "settings", "expected"),
    [
        ({"log": "x", "n": 1}, {}, "x"),
        ({"message": "x", "log": "y"}, {}, "y"),
        ({"message": {"a": [1, None]}}, {}, {"a": [1, None]}),
        ({"msg": "x"}, {}, {"msg": "x"}),
        ({"msg": "x"}, {"logs_body_key": ("$absent", "$msg")}, "x"),
        ({"a": {"b": True}}, {"logs_body_key": ("$a['b']",)}, True),
    ],
)
def test_the_body_is_the_first_key_that_there_is(
    body: dict[str, Any], settings: dict[str, Any], expected: Any
) -> None:
    [record] = records(Records(times=[TIME], bodies=[body]), **settings)
    assert plain(record.body) == expected
    assert list(record.attributes) == []


def test_the_rest_can_be_attributes() -> None:
    content = Records(times=[TIME] * 2, bodies=[{"a": {"b": "x", "c": 1}, "n": 1.5}, {"n": 2}])
    first, second = records(content, logs_body_key=("$a['b']",), logs_body_key_attributes=True)
    assert {pair.key: plain(pair.value) for pair in first.attributes} == {"a": {"c": 1}, "n": 1.5}
    assert plain(second.body) == {"n": 2}
    assert list(second.attributes) == []
    assert content.bodies[0]["a"] == {"b": "x", "c": 1}


SPAN = "b7ad6b7169203331"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"SeverityNumber": 9, "SeverityText": "INFO"}, (9, "INFO", b"", b"")),
        ({"SeverityNumber": 25}, (0, "", b"", b"")),
        ({"SeverityNumber": True, "SeverityText": 3}, (0, "", b"", b"")),
        ({"TraceId": TRACE, "SpanId": SPAN}, (0, "", bytes.fromhex(TRACE), bytes.fromhex(SPAN))),
        ({"TraceId": "xyz", "SpanId": "00" * 9}, (0, "", b"", b"")),
        ({"TraceId": b"\1" * 16, "SpanId": b"\2"}, (0, "", b"\1" * 16, b"")),
    ],
)  # fmt: skip
def test_severity_and_trace_come_from_fields(fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    [record] = records(Records(times=[TIME], bodies=[{"log": "x", **fields}]))
    assert (record.severity_number, record.severity_text, record.trace_id, record.span_id) == expected


def test_which_fields_can_be_said() -> None:
    [record] = records(
        Records(times=[TIME], bodies=[{"log": "x", "lvl": {"n": 17, "t": "ERR"}}]),
        logs_severity_number_message_key="$lvl['n']",
        logs_severity_text_message_key="$lvl['t']",
    )
    assert (record.severity_number, record.severity_text) == (17, "ERR")


def test_the_resource_has_attributes() -> None:
    export = exported(LINES, resource_attribute=(("service.name", "agent"), ("x", "y z")))
    attributes = export.resource_logs[0].resource.attributes
    assert {pair.key: pair.value.string_value for pair in attributes} == {"service.name": "agent", "x": "y z"}


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_any_value_is_read_back_as_it_was(value: Any) -> None:
    read = AnyValue()
    read.ParseFromString(any_value(value))
    assert plain(read) == value


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**400, 2**64 - 1])
def test_an_integer_beyond_all_bits_is_written_somehow(value: int) -> None:
    AnyValue().ParseFromString(any_value(value))


@given(st.integers(0, 2**64 - 1), texts)
def test_a_partial_success_is_read(number: int, text: str) -> None:
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = number if number < 2**63 else 0
    response.partial_success.error_message = text
    expected = (response.partial_success.rejected_log_records, text)
    assert partial_success(response.SerializeToString()) == expected
    assert len(varint(number)) <= 10


@given(st.binary(max_size=30))
def test_an_answer_that_is_none_is_a_value_error_at_most(data: bytes) -> None:
    try:
        partial_success(data)
    except ValueError:
        return


@pytest.mark.parametrize("settings", [{}, {"logs_body_key": ("$a",), "logs_body_key_attributes": True}])
def test_the_form_of_a_chunk_makes_no_difference(settings: dict[str, Any]) -> None:
    for content in (LINES, Texts(data=b'{"a":"x","n":1}\n{}\n', times=[TIME, TIME + 1])):
        forms = [content, as_texts(content), as_records(content)]
        sent = {
            export_request({}, dialect(OpentelemetrySettings(**settings)).records(form)) for form in forms
        }
        assert len(sent) == 1


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("compress", ["", "gzip", "zstd"])
def test_records_arrive(server: OtlpServer, compress: str) -> None:
    assert deliver(server, LINES, compress=compress) == Delivered()
    assert [record.body.string_value for record in server.records] == ["first", "zweite Zeile: ä"]


def test_a_request_has_as_many_records_as_was_said(server: OtlpServer) -> None:
    assert deliver(server, Lines(data=b"x\n" * 25, time=TIME), batch_size=10) == Delivered()
    assert [len(export.resource_logs[0].scope_logs[0].log_records) for export in server.exports] == [
        10,
        10,
        5,
    ]


def test_what_was_rejected_is_counted_and_not_sent_again(server: OtlpServer) -> None:
    server.rejects = 3
    assert deliver(server, LINES) == Delivered(rejected_unseen=3)
    server.plan(json_reply({"partialSuccess": {"rejectedLogRecords": "4"}}), Reply(body=b"\xff"))
    assert deliver(server, LINES) == Delivered(rejected_unseen=4)
    assert deliver(server, LINES) == Delivered()


def test_a_count_is_not_lost_when_a_later_request_has_to_wait(server: OtlpServer) -> None:
    server.rejects = 2
    server.plan(json_reply({"partialSuccess": {"rejectedLogRecords": "2"}}), Reply(status=503))
    verdict = deliver(server, Lines(data=b"x\n" * 20, time=TIME), batch_size=10)
    assert verdict == Again(
        reason="HTTP 503", remaining=Lines(data=b"x\n" * 10, time=TIME), rejected_unseen=2
    )


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(status=429, headers=(("Retry-After", "9"),)), Again(reason="HTTP 429", after=9.0)),
        (Reply(status=502), Again(reason="HTTP 502")),
        (Reply(status=503), Again(reason="HTTP 503")),
        (Reply(status=504), Again(reason="HTTP 504")),
        (Reply(status=500, body=b"no"), Refused(reason="HTTP 500: no")),
        (Reply(status=408), Refused(reason="HTTP 408")),
        (Reply(status=400, body=b"\x08\x03", headers=(("Content-Type", "application/x-protobuf"),)),
         Refused(reason="HTTP 400")),
        (Reply(status=413), TooLarge(reason="HTTP 413")),
    ],
)  # fmt: skip
def test_only_what_otlp_allows_is_tried_again(server: OtlpServer, reply: Reply, verdict: Verdict) -> None:
    server.plan(reply)
    assert deliver(server, LINES) == verdict


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"grpc": True}, "f:1: grpc: only OTLP/HTTP over HTTP/1.1 is spoken; its port is usually 4318"),
        ({"http2": "force"}, "f:1: http2: only OTLP/HTTP over HTTP/1.1 is spoken; its port is usually 4318"),
        ({"batch_size": 0}, "f:1: batch_size: 0 is too small"),
    ],
)
def test_what_is_not_offered_is_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build(OpentelemetrySettings(place="f:1", **settings), Surroundings())
    assert str(raised.value) == said
