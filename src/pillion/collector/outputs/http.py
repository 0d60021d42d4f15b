"""The `http` output: records in one of five formats to any URL. Source: Fluent Bit's plugins/out_http."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, assert_never

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import (
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
from pillion.collector.network.judgement import judge_status
from pillion.collector.network.oauth2 import OAuth2Settings, client_credentials
from pillion.collector.outputs.gelf import GelfKeys, encode_gelf
from pillion.collector.plugin import Output, OutputContext, OutputPlugin, Verdict
from pillion.collector.records import Content, Records
from pillion.collector.records.accessor import Accessor, parse_accessor
from pillion.collector.records.conversion import as_records
from pillion.collector.records.dates import Date, parse_date
from pillion.collector.records.events import pack_events
from pillion.collector.records.fields import MISSING
from pillion.collector.records.writing import json_array, json_lines, json_stream
from pillion.http.message import Answer, Request, compressed

if TYPE_CHECKING:
    from pillion.collector.network.authorization import Authorization

_CONTENT_TYPES = {
    "json": "application/json",
    "json_stream": "application/json",
    "gelf": "application/json",
    "json_lines": "application/x-ndjson",
    "msgpack": "application/msgpack",
}


class HttpSettings(OutputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "http.read_idle_timeout": "an answer is waited for as long as http.response_timeout says"
    }

    host: Annotated[str, key(help="the server's name or address")] = "127.0.0.1"
    port: Annotated[int, key()] = 80
    uri: Annotated[str, key(help="path and query of the URL")] = "/"
    http_method: Annotated[Literal["POST", "PUT"], key()] = "POST"
    format: Annotated[
        Literal["json", "json_stream", "json_lines", "gelf", "msgpack"], key(help="what a body looks like")
    ] = "json"
    json_date_key: Annotated[str, key(help="the field with the record's time; false: none")] = "date"
    json_date_format: Annotated[
        Literal[
            "double",
            "epoch",
            "epoch_ms",
            "epoch_millis",
            "epoch_milliseconds",
            "iso8601",
            "java_sql_timestamp",
        ],
        key(help="how the time is written"),
    ] = "double"
    compress: Annotated[Literal["", "gzip", "zstd", "snappy"], key(help="gzip, zstd or snappy")] = ""
    header: Annotated[
        tuple[tuple[str, ...], ...],
        key(kind=Kind.WORDS, words=2, repeated=True, secret=True, help="a header: its name and its value"),
    ] = ()
    header_tag: Annotated[str, key(help="a header to hold the tag")] = ""
    allow_duplicated_headers: Annotated[
        bool, key(help="a header that is set twice is sent twice; off: as it was set last")
    ] = True
    log_response_payload: Annotated[bool, key(help="show what the server says when it refuses")] = True
    proxy: Annotated[str, key(help="http://HOST:PORT of a proxy")] = ""
    response_timeout: Annotated[
        float, key(name="http.response_timeout", kind=Kind.SECONDS, help="how long an answer may take")
    ] = 60.0
    body_key: Annotated[str, key(help="the field that is a request's body: one request for each record")] = ""
    headers_key: Annotated[str, key(help="the field with that request's headers")] = ""
    gelf_timestamp_key: Annotated[str, key(help="the field that is GELF's timestamp")] = ""
    gelf_host_key: Annotated[str, key(help="the field that is GELF's host")] = ""
    gelf_short_message_key: Annotated[str, key(help="the field that is GELF's short_message")] = ""
    gelf_full_message_key: Annotated[str, key(help="the field that is GELF's full_message")] = ""
    gelf_level_key: Annotated[str, key(help="the field that is GELF's level")] = ""
    aws_service: Annotated[str, key(help="the service that requests are signed for")] = ""
    basic: BasicSettings = BasicSettings()
    bearer: BearerSettings = BearerSettings()
    oauth2: OAuth2Settings = OAuth2Settings()
    aws: AwsSettings = AwsSettings()
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings()


class HttpDialect(msgspec.Struct, frozen=True, kw_only=True):
    settings: HttpSettings
    date: Date | None
    body: Accessor | None = None
    """With it each record is a request, whose body it has here and whose headers it has in `headers`."""
    headers: Accessor | None = None

    def parts(self, tag: str, content: Content) -> list[Content]:  # noqa: ARG002 - the protocol's
        return [content] if self.body is None else in_parts(as_records(content), most_records=1)

    def encode(self, tag: str, content: Content, now: float) -> Encoded:  # noqa: ARG002 - the protocol's
        if self.body is not None:
            return self._own_request(tag, as_records(content))
        if self.settings.format == "gelf":
            return self._gelf(tag, as_records(content))
        body: bytes
        match self.settings.format:
            case "json":
                body = json_array(content, self.date)
            case "json_stream":
                body = json_stream(content, self.date)
            case "json_lines":
                body = json_lines(content, self.date)
            case "msgpack":
                body = pack_events(content)
            case _:
                assert_never(self.settings.format)
        return Encoded(request=self._request(tag, body), content=content)

    def judge(self, sent: Encoded, answer: Answer, now: float) -> Verdict:  # noqa: ARG002 - the protocol's
        return judge_status(answer, now=now, shown=None if self.settings.log_response_payload else "")

    def _gelf(self, tag: str, records: Records) -> Encoded:
        own = self.settings
        keys = GelfKeys(
            host=own.gelf_host_key or "host",
            short_message=own.gelf_short_message_key or "short_message",
            full_message=own.gelf_full_message_key or "full_message",
            timestamp=own.gelf_timestamp_key or "timestamp",
            level=own.gelf_level_key or "level",
        )
        texts: list[bytes] = []
        times: list[int] = []
        bodies: list[dict[str, Any]] = []
        rejected: list[tuple[str, Content]] = []
        for time, body in zip(records.times, records.bodies, strict=True):
            try:
                texts.append(encode_gelf(body, time, keys) + b"\n")
            except ValueError as error:
                rejected.append((f"it is no GELF message: {error}", Records(times=[time], bodies=[body])))
                continue
            times.append(time)
            bodies.append(body)
        return Encoded(
            request=self._request(tag, b"".join(texts)) if texts else None,
            content=Records(times=times, bodies=bodies) if texts else None,
            rejected=tuple(rejected),
        )

    def _own_request(self, tag: str, record: Records) -> Encoded:
        assert self.body is not None
        assert self.headers is not None
        [map_] = record.bodies
        body, headers = self.body.get(map_), self.headers.get(map_)
        if body is MISSING or not isinstance(body, str | bytes) or not isinstance(headers, dict):
            reason = (
                f"it has no body in {self.settings.body_key} or no headers in {self.settings.headers_key}"
            )
            return Encoded(request=None, content=None, rejected=((reason, record),))
        own = tuple(
            (name, value)
            for name, value in headers.items()
            if isinstance(value, str) and not _breaks_lines(name) and not _breaks_lines(value)
        )
        data = body.encode("utf-8", "replace") if isinstance(body, str) else body
        return Encoded(request=self._request(tag, data, own), content=record)

    def _request(self, tag: str, body: bytes, own: tuple[tuple[str, str], ...] | None = None) -> Request:
        """In Fluent Bit's order: what the record says or the format is, the tag, how it is packed, the user's."""
        settings = self.settings
        headers = list(own) if own is not None else [("Content-Type", _CONTENT_TYPES[settings.format])]
        if settings.header_tag and not _breaks_lines(tag):
            headers.append((settings.header_tag, tag))
        packed, encoding = compressed(body, settings.compress)
        headers += encoding
        headers += [(pair[0], pair[1] if len(pair) > 1 else "") for pair in settings.header]
        if not settings.allow_duplicated_headers:
            headers = list({name.lower(): (name, value) for name, value in headers}.values())
        path = settings.uri if settings.uri.startswith("/") else f"/{settings.uri}"
        return Request(method=settings.http_method, path=path, body=packed, headers=tuple(headers))


def _breaks_lines(text: str) -> bool:
    """Such a value would end its header and begin another. Fluent Bit leaves these headers out since 5.1.3."""
    return any(character in text for character in "\r\n\0")


def dialect(settings: HttpSettings) -> HttpDialect:
    """Raises ConfigurationError for keys that do not go together."""
    place = settings.place
    if bool(settings.body_key) != bool(settings.headers_key):
        present, missing = ("body_key", "headers_key") if settings.body_key else ("headers_key", "body_key")
        raise ConfigurationError(f"{place}: {present}: {missing} is needed too")
    accessors: list[Accessor | None] = []
    for name, text in (("body_key", settings.body_key), ("headers_key", settings.headers_key)):
        try:
            accessors.append(parse_accessor(text) if text else None)
        except ValueError as error:
            raise ConfigurationError(f"{place}: {name}: {error}") from error
    body, headers = accessors
    return HttpDialect(
        settings=settings,
        date=parse_date(settings.json_date_key, settings.json_date_format),
        body=body,
        headers=headers,
    )


def build(settings: HttpSettings, context: OutputContext) -> Output:
    place = settings.place
    authorization: Authorization | None = (
        settings.aws.authorization(settings.aws_service, origin(settings), place)
        or settings.basic.authorization(context.folder)
        or settings.bearer.authorization(context.folder)
    )
    if settings.oauth2.enable:
        authorization = client_credentials(
            settings.oauth2, context, place=place, net=settings.net, tls=settings.tls
        )
    sender = open_sender(
        context,
        place=place,
        host=settings.host,
        port=settings.port,
        net=settings.net,
        tls=settings.tls,
        workers=settings.workers,
        proxy=settings.proxy,
        answer_timeout=settings.response_timeout,
    )
    return HttpOutput(dialect(settings), sender, context.clock, authorization=authorization)


def origin(settings: HttpSettings) -> str:
    return f"{'https' if settings.tls.on else 'http'}://{settings.host}:{settings.port}"


PLUGIN = OutputPlugin(name="http", settings=HttpSettings, build=build)
