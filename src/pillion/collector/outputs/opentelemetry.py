"""The `opentelemetry` output: logs by OTLP/HTTP.

Sources: Fluent Bit's plugins/out_opentelemetry (keys, records); the OTLP specification ("OTLP/HTTP Response",
"Failures": what is tried again).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import (
    Differs,
    Kind,
    NetSettings,
    OutputSettings,
    TlsSettings,
    key,
)
from pillion.collector.network.authorization import BasicSettings, BearerSettings
from pillion.collector.network.aws import AwsSettings
from pillion.collector.network.delivery import in_parts
from pillion.collector.network.endpoint import open_sender
from pillion.collector.network.httpoutput import Encoded, HttpOutput
from pillion.collector.network.oauth2 import OAuth2Settings, client_credentials
from pillion.collector.outputs.omission import without
from pillion.collector.outputs.otlp import (
    any_value,
    export_request,
    line_records,
    log_record,
    partial_success,
)
from pillion.collector.plugin import (
    Again,
    Delivered,
    Output,
    OutputContext,
    OutputPlugin,
    Refused,
    TooLarge,
    Verdict,
)
from pillion.collector.records import Body, Content, Lines
from pillion.collector.records.accessor import Accessor, parse_accessor
from pillion.collector.records.conversion import as_records
from pillion.collector.records.fields import MISSING
from pillion.http.message import Answer, Request, compressed, retry_after

_LIMIT_BYTES = 4 << 20
_AGAIN = frozenset({429, 502, 503, 504})
"""OTLP: "All other 4xx or 5xx response status codes MUST NOT be retried"."""
_NO_METADATA = "records have no metadata here: it is about their fields that the `…_message_key`s are"
_LOGS_ONLY = "logs are all there is"


class OpentelemetrySettings(OutputSettings, frozen=True, kw_only=True):
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "partial_success": (
            "records that it rejects are counted and said",
            Differs(fluent_bit="not looked at", why="a collector that throws records away would go unseen"),
        ),
    }
    without_effect: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            (
                "add_label", "metrics_uri", "traces_uri", "profiles_uri", "grpc_metrics_uri", "grpc_traces_uri",
                "grpc_profiles_uri", "grpc_logs_uri", "logs_max_resources", "logs_max_scopes",
            ),
            _LOGS_ONLY,
        ),
        **dict.fromkeys(
            (
                "logs_metadata_key", "logs_observed_timestamp_metadata_key", "logs_timestamp_metadata_key",
                "logs_severity_text_metadata_key", "logs_severity_number_metadata_key",
                "logs_trace_flags_metadata_key", "logs_span_id_metadata_key", "logs_trace_id_metadata_key",
                "logs_attributes_metadata_key", "logs_instrumentation_scope_metadata_key",
                "logs_resource_metadata_key", "logs_event_name_metadata_key",
            ),
            _NO_METADATA,
        ),
    }  # fmt: skip

    host: Annotated[str, key(help="the server's name or address")] = "127.0.0.1"
    port: Annotated[int, key(help="the OpenTelemetry Collector's is 4318")] = 80
    logs_uri: Annotated[str, key(help="path of the URL")] = "/v1/logs"
    batch_size: Annotated[int, key(help="most records in one request")] = 1000
    compress: Annotated[Literal["", "gzip", "zstd"], key(help="gzip or zstd")] = ""
    http2: Annotated[
        Literal["off", "on", "force"], key(help="on is as off: HTTP/1.1 is spoken; force is refused")
    ] = "off"
    grpc: Annotated[bool, key(help="refused: OTLP/HTTP is spoken")] = False
    header: Annotated[
        tuple[tuple[str, ...], ...],
        key(kind=Kind.WORDS, words=2, repeated=True, secret=True, help="a header: its name and its value"),
    ] = ()
    logs_body_key: Annotated[
        tuple[str, ...],
        key(repeated=True, help="the field that is the body; $log and $message unless it is set"),
    ] = ()
    logs_body_key_attributes: Annotated[bool, key(help="the other fields are attributes")] = False
    logs_severity_number_message_key: Annotated[str, key(help="the field with the severity's number")] = (
        "$SeverityNumber"
    )
    logs_severity_text_message_key: Annotated[str, key(help="the field with the severity's name")] = (
        "$SeverityText"
    )
    logs_trace_id_message_key: Annotated[str, key(help="the field with the trace, in hexadecimal")] = (
        "$TraceId"
    )
    logs_span_id_message_key: Annotated[str, key(help="the field with the span, in hexadecimal")] = "$SpanId"
    resource_attribute: Annotated[
        tuple[tuple[str, ...], ...],
        key(
            kind=Kind.WORDS,
            words=2,
            repeated=True,
            help="an attribute of the resource: its name (service.name, …) and its value",
        ),
    ] = ()
    log_response_payload: Annotated[bool, key(help="show what the server says when it refuses")] = True
    proxy: Annotated[str, key(help="http://HOST:PORT of a proxy")] = ""
    aws_service: Annotated[str, key(help="the service that requests are signed for")] = "logs"
    basic: BasicSettings = BasicSettings()
    bearer: BearerSettings = BearerSettings()
    oauth2: OAuth2Settings = OAuth2Settings()
    aws: AwsSettings = AwsSettings()
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings()


class OtlpDialect(msgspec.Struct, frozen=True, kw_only=True):
    settings: OpentelemetrySettings
    bodies: tuple[Accessor, ...]
    severity_number: Accessor
    severity_text: Accessor
    trace_id: Accessor
    span_id: Accessor

    def parts(self, tag: str, content: Content) -> list[Content]:  # noqa: ARG002 - the protocol's
        return in_parts(content, most_records=self.settings.batch_size)

    def encode(self, tag: str, content: Content, now: float) -> Encoded:  # noqa: ARG002 - the protocol's
        settings = self.settings
        resource = {pair[0]: pair[1] if len(pair) > 1 else "" for pair in settings.resource_attribute}
        body, encoding = compressed(export_request(resource, self.records(content)), settings.compress)
        headers = [("Content-Type", "application/x-protobuf")]
        headers += [(pair[0], pair[1] if len(pair) > 1 else "") for pair in settings.header]
        path = settings.logs_uri if settings.logs_uri.startswith("/") else f"/{settings.logs_uri}"
        return Encoded(request=Request(path=path, body=body, headers=(*headers, *encoding)), content=content)

    def records(self, content: Content) -> list[bytes]:
        """LogRecords."""
        if isinstance(content, Lines) and self._is_body(content.key):
            return line_records(content.time, content.data.split(b"\n")[:-1])
        records = as_records(content)
        return [self._record(time, body) for time, body in zip(records.times, records.bodies, strict=True)]

    def judge(self, sent: Encoded, answer: Answer, now: float) -> Verdict:  # noqa: ARG002 - the protocol's
        if answer.is_success:
            return Delivered(rejected_unseen=_rejected(answer))
        text = answer.text() if self.settings.log_response_payload and _is_readable(answer) else ""
        reason = f"HTTP {answer.status}" + (f": {text}" if text else "")
        if answer.status == 413:
            return TooLarge(reason=reason)
        if answer.status in _AGAIN or answer.status < 400:
            return Again(reason=reason, after=retry_after(answer, now))
        return Refused(reason=reason)

    def _is_body(self, name: str) -> bool:
        """Lines have one field: it is the body if it is the first that any accessor finds, and nothing else."""
        is_body = any(not body.steps and body.key == name for body in self.bodies)
        others = (self.severity_number, self.severity_text, self.trace_id, self.span_id)
        return is_body and all(other.key != name for other in others)

    def _record(self, time: int, body: Body) -> bytes:
        value: Any = body
        attributes: dict[str, Any] | None = None
        for accessor in self.bodies:
            found = accessor.get(body)
            if found is not MISSING:
                value = found
                if self.settings.logs_body_key_attributes:
                    attributes = without(body, (accessor,))
                break
        number, text = self.severity_number.get(body), self.severity_text.get(body)
        return log_record(
            time,
            any_value(value),
            severity_number=number if type(number) is int and 1 <= number <= 24 else 0,
            severity_text=text if isinstance(text, str) else "",
            attributes=attributes,
            trace_id=_id(self.trace_id.get(body), 16),
            span_id=_id(self.span_id.get(body), 8),
        )


def _id(value: Any, size: int) -> bytes:
    """Of `size` bytes, from hexadecimal; nothing for what is no such thing."""
    if isinstance(value, bytes):
        return value if len(value) == size else b""
    if not isinstance(value, str) or len(value) > 2 * size:
        return b""
    try:
        return bytes.fromhex(value).ljust(size, b"\0") if value else b""
    except ValueError:
        return b""


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").startswith("application/json")


def _is_readable(answer: Answer) -> bool:
    """Errors may be a protobuf Status, which is no text."""
    return not answer.headers.get("content-type", "").startswith("application/x-protobuf")


class _PartialSuccess(msgspec.Struct, rename="camel"):
    rejected_log_records: int = 0


class _Response(msgspec.Struct, rename="camel"):
    partial_success: _PartialSuccess | None = None


def _rejected(answer: Answer) -> int:
    """An answer that cannot be read is a success all the same: its status says so."""
    try:
        if _is_json(answer):
            said = msgspec.json.decode(answer.body, type=_Response, strict=False).partial_success
            return said.rejected_log_records if said is not None else 0
        return partial_success(answer.body)[0]
    except (msgspec.DecodeError, ValueError):
        return 0


def dialect(settings: OpentelemetrySettings) -> OtlpDialect:
    """Raises ConfigurationError."""
    place = settings.place
    if settings.grpc or settings.http2 == "force":
        name = "grpc" if settings.grpc else "http2"
        raise ConfigurationError(
            f"{place}: {name}: only OTLP/HTTP over HTTP/1.1 is spoken; its port is usually 4318"
        )
    if settings.batch_size < 1:
        raise ConfigurationError(f"{place}: batch_size: {settings.batch_size} is too small")
    try:
        return OtlpDialect(
            settings=settings,
            bodies=tuple(parse_accessor(text) for text in settings.logs_body_key or ("$log", "$message")),
            severity_number=parse_accessor(settings.logs_severity_number_message_key),
            severity_text=parse_accessor(settings.logs_severity_text_message_key),
            trace_id=parse_accessor(settings.logs_trace_id_message_key),
            span_id=parse_accessor(settings.logs_span_id_message_key),
        )
    except ValueError as error:
        raise ConfigurationError(f"{place}: logs_*_key: {error}") from error


def build(settings: OpentelemetrySettings, context: OutputContext) -> Output:
    speech = dialect(settings)
    origin = f"{'https' if settings.tls.on else 'http'}://{settings.host}:{settings.port}"
    sender = open_sender(
        context,
        place=settings.place,
        host=settings.host,
        port=settings.port,
        net=settings.net,
        tls=settings.tls,
        workers=settings.workers,
        proxy=settings.proxy,
    )
    if settings.oauth2.enable:
        token = client_credentials(
            settings.oauth2, context, place=settings.place, net=settings.net, tls=settings.tls
        )
        return HttpOutput(speech, sender, context.clock, authorization=token, limit_bytes=_LIMIT_BYTES)
    authorization = (
        settings.aws.authorization(settings.aws_service, origin, settings.place)
        or settings.basic.authorization(context.folder)
        or settings.bearer.authorization(context.folder)
    )
    return HttpOutput(speech, sender, context.clock, authorization=authorization, limit_bytes=_LIMIT_BYTES)


PLUGIN = OutputPlugin(name="opentelemetry", settings=OpentelemetrySettings, build=build)
