"""The `splunk` output: the HTTP Event Collector (HEC), with its acknowledgement.

Sources: Fluent Bit's plugins/out_splunk (keys, bodies); Splunk's "Format events for HTTP Event Collector", "About HTTP
Event Collector Indexer Acknowledgment" and "Troubleshoot HTTP Event Collector" (answers).
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

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
from pillion.collector.network.authorization import BasicSettings, Token
from pillion.collector.network.endpoint import open_sender
from pillion.collector.network.httpoutput import exchange
from pillion.collector.network.judgement import judge_status
from pillion.collector.outputs.embedding import enclose
from pillion.collector.plugin import Again, Delivered, Output, OutputContext, OutputPlugin, Verdict
from pillion.collector.records import Body, Content, Records, Texts
from pillion.collector.records.accessor import Accessor, parse_accessor
from pillion.collector.records.bodies import encode_body, encode_value
from pillion.collector.records.conversion import as_records, as_texts, count, select
from pillion.collector.records.dates import format_times
from pillion.collector.records.fields import MISSING
from pillion.collector.records.template import Template, parse_template
from pillion.http.credentials import secret
from pillion.http.message import Answer, NoAnswer, Request, compressed

if TYPE_CHECKING:
    from pillion.clock import Clock
    from pillion.collector.network.authorization import Authorization
    from pillion.http.sender import HttpSender

_LIMIT_BYTES = 2 << 20
_EVENT_PATH, _ACK_PATH = "/services/collector/event", "/services/collector/ack"
_CHANNEL = "X-Splunk-Request-Channel"
_CHANNEL_IS_MISSING = 10
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
"""Seconds between two questions whether events are indexed; each wait is twice the last."""


class SplunkSettings(OutputSettings, frozen=True, kw_only=True):
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "one event that Splunk refuses": (
            "a dead letter; the others are sent",
            Differs(fluent_bit="fails its whole request", why="the others would be lost with it"),
        ),
    }
    without_effect: ClassVar[Mapping[str, str]] = {
        "http_buffer_size": "an answer is read in full",
        "http_debug_bad_request": "requests hold records, which are not printed",
    }

    host: Annotated[str, key(help="the server's name or address")] = "127.0.0.1"
    port: Annotated[int, key()] = 8088
    splunk_token: Annotated[str, key(secret=True, help="the HEC token")] = ""
    splunk_token_file: Annotated[str, key(help="a file with it, read again when it changes")] = ""
    channel: Annotated[str, key(help="X-Splunk-Request-Channel; one is made when the server wants one")] = ""
    acknowledgement: Annotated[
        bool,
        key(
            help="wait until events are indexed, if the token has acknowledgement",
            differs=Differs(
                fluent_bit="off", why="200 says that events were received, not that they are indexed"
            ),
        ),
    ] = True
    acknowledgement_timeout: Annotated[
        float, key(kind=Kind.SECONDS, help="events not indexed by then are sent again")
    ] = 300.0
    compress: Annotated[Literal["", "gzip"], key(help="gzip")] = ""
    splunk_send_raw: Annotated[bool, key(help="records are whole HEC events, not what is in `event`")] = False
    event_key: Annotated[str, key(help="the field that is the event: $accessor")] = ""
    event_host: Annotated[str, key(help="host; may have record accessors")] = ""
    event_source: Annotated[str, key(help="source; may have record accessors")] = ""
    event_sourcetype: Annotated[str, key(help="sourcetype")] = ""
    event_sourcetype_key: Annotated[str, key(help="the field that is the sourcetype, where there is one")] = (
        ""
    )
    event_index: Annotated[str, key(help="index")] = ""
    event_index_key: Annotated[str, key(help="the field that is the index, where there is one")] = ""
    event_field: Annotated[
        tuple[tuple[str, ...], ...],
        key(kind=Kind.WORDS, words=2, repeated=True, help="an indexed field: its name and $accessor"),
    ] = ()
    basic: BasicSettings = BasicSettings()
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings()


class SplunkDialect(msgspec.Struct, frozen=True, kw_only=True):
    """Bodies and answers. Pure."""

    settings: SplunkSettings
    event: Template | None = None
    host: Template | None = None
    source: Template | None = None
    sourcetype: Template | None = None
    index: Template | None = None
    fields: tuple[tuple[str, Accessor], ...] = ()

    def encode(self, tag: str, content: Content, channel: str) -> Request:
        body, encoding = compressed(self.body(tag, content), self.settings.compress)
        headers = ((_CHANNEL, channel), *encoding) if channel else encoding
        return Request(path=_EVENT_PATH, body=body, headers=headers)

    def body(self, tag: str, content: Content) -> bytes:
        if self.event is None:
            if self.settings.splunk_send_raw:
                return as_texts(content).data
            if self._is_constant:
                return self._embedded(tag, as_texts(content))
        return b"".join(self._events(tag, as_records(content)))

    def judge(self, content: Content, answer: Answer, now: float) -> Verdict:
        said = _said(answer)
        bad = said.bad_event
        if answer.status == 400 and bad is not None and 0 <= bad < count(content):
            wrong = [number == bad for number in range(count(content))]
            rejected = select(content, wrong)
            assert rejected is not None
            rest = select(content, [not each for each in wrong])
            reason = f"HTTP 400: {said.text}"
            if rest is None:
                return Delivered(rejected=((reason, rejected),))
            # The others are taken without it. Those before it may have been taken already.
            return Again(reason=reason, after=0.0, remaining=rest, rejected=((reason, rejected),))
        return judge_status(answer, now=now, shown=said.text)

    @property
    def _is_constant(self) -> bool:
        templates = (self.host, self.source, self.sourcetype, self.index)
        return not self.fields and all(each is None or each.is_constant for each in templates)

    def _embedded(self, tag: str, texts: Texts) -> bytes:
        rest = b"," + self._meta(tag, {}) + b'"event":'
        if isinstance(texts.times, int):
            [time] = format_times([texts.times], "double")
            return enclose(texts.data, b'{"time":' + time + rest, b"}")
        return enclose(
            texts.data, [b'{"time":' + time + rest for time in format_times(texts.times, "double")], b"}"
        )

    def _events(self, tag: str, records: Records) -> list[bytes]:
        raw = self.settings.splunk_send_raw
        events = []
        for time, body in zip(format_times(records.times, "double"), records.bodies, strict=True):
            value = self.event.render(tag, body) if self.event is not None else ""
            event = encode_value(value) if value else encode_body(body)
            if raw:
                events.append(event + b"\n")
            else:
                events.append(b'{"time":' + time + b"," + self._meta(tag, body) + b'"event":' + event + b"}")
        return events

    def _meta(self, tag: str, body: Body) -> bytes:
        """`"host":"…",` and so on, each where it has a value."""
        settings = self.settings
        found: dict[str, Any] = {}
        for name, template, fallback in (
            ("host", self.host, ""),
            ("source", self.source, ""),
            ("sourcetype", self.sourcetype, settings.event_sourcetype),
            ("index", self.index, settings.event_index),
        ):
            value = (template.render(tag, body) if template is not None else "") or fallback
            if value:
                found[name] = value
        if self.fields:
            values = {name: accessor.get(body) for name, accessor in self.fields}
            found["fields"] = {name: value for name, value in values.items() if value is not MISSING}
        return encode_body(found)[1:-1] + b"," if found else b""


class _Said(msgspec.Struct, frozen=True):
    text: str = ""
    code: int = 0
    ack: int | None = msgspec.field(default=None, name="ackId")
    bad_event: int | None = msgspec.field(default=None, name="invalid-event-number")


class _Acks(msgspec.Struct, frozen=True):
    acks: dict[str, bool]


def _said(answer: Answer) -> _Said:
    try:
        return msgspec.json.decode(answer.body, type=_Said)
    except msgspec.DecodeError:
        return _Said(text=answer.text())


class SplunkOutput:
    def __init__(
        self, dialect: SplunkDialect, sender: HttpSender, clock: Clock, authorization: Authorization
    ) -> None:
        self._dialect = dialect
        self._sender = sender
        self._clock = clock
        self._authorization = authorization
        self._channel = dialect.settings.channel
        self._interrupted = threading.Condition()

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES

    def deliver(self, tag: str, content: Content) -> Verdict:
        interrupts = self._sender.interrupts
        channel = self._channel
        answer = exchange(self._sender, self._authorization, self._dialect.encode(tag, content, channel))
        if isinstance(answer, NoAnswer):
            return Again(reason=answer.reason)
        said = _said(answer)
        if answer.status == 400 and said.code == _CHANNEL_IS_MISSING and not channel:
            self._channel = str(uuid.uuid4())
            return Again(reason=f"HTTP 400: {said.text}; the next request names a channel", after=0.0)
        if answer.is_success and said.ack is not None and self._dialect.settings.acknowledgement:
            return self._wait_until_indexed(said.ack, channel, interrupts)
        return self._dialect.judge(content, answer, self._clock.now())

    def interrupt(self) -> None:
        self._sender.interrupt()
        with self._interrupted:
            self._interrupted.notify_all()

    def close(self) -> None:
        self._sender.close()

    def _wait_until_indexed(self, ack: int, channel: str, interrupts: int) -> Verdict:
        """A question that is not answered is asked again: the events were received."""
        ends = self._clock.now() + self._dialect.settings.acknowledgement_timeout
        request = Request(
            path=f"{_ACK_PATH}?channel={channel}",
            body=msgspec.json.encode({"acks": [ack]}),
            headers=(("Content-Type", "application/json"), (_CHANNEL, channel)),
        )
        wait = _FIRST_WAIT
        while self._sender.interrupts == interrupts:
            answer = exchange(self._sender, self._authorization, request)
            if isinstance(answer, Answer) and answer.is_success and _is_indexed(answer, ack):
                return Delivered()
            if self._clock.now() >= ends:
                return Again(reason="received, but not indexed in time (acknowledgement_timeout)")
            with self._interrupted:
                if self._sender.interrupts == interrupts:
                    self._interrupted.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        return Again(reason="interrupted: the collector stops; received, but not known to be indexed")


def _is_indexed(answer: Answer, ack: int) -> bool:
    try:
        return msgspec.json.decode(answer.body, type=_Acks).acks.get(str(ack), False)
    except msgspec.DecodeError:
        return False


def dialect(settings: SplunkSettings) -> SplunkDialect:
    """Raises ConfigurationError."""
    if settings.event_key and not settings.event_key.startswith("$"):
        raise ConfigurationError(f"{settings.place}: event_key: {settings.event_key} does not begin with $")
    try:
        return SplunkDialect(
            settings=settings,
            event=_template(settings.event_key),
            host=_template(settings.event_host),
            source=_template(settings.event_source),
            sourcetype=_template(settings.event_sourcetype_key),
            index=_template(settings.event_index_key),
            fields=tuple((pair[0], parse_accessor(pair[-1])) for pair in settings.event_field),
        )
    except ValueError as error:
        raise ConfigurationError(f"{settings.place}: event_*: {error}") from error


def _template(text: str) -> Template | None:
    return parse_template(text) if text else None


def build(settings: SplunkSettings, context: OutputContext) -> Output:
    authorization: Authorization | None = settings.basic.authorization(context.folder)
    if authorization is None:
        if not (settings.splunk_token or settings.splunk_token_file):
            raise ConfigurationError(f"{settings.place}: splunk_token: it is needed, or http_user")
        token = secret(settings.splunk_token, settings.splunk_token_file, context.folder)
        authorization = Token(token, scheme="Splunk")
    sender = open_sender(
        context,
        place=settings.place,
        host=settings.host,
        port=settings.port,
        net=settings.net,
        tls=settings.tls,
        workers=settings.workers,
    )
    return SplunkOutput(dialect(settings), sender, context.clock, authorization)


PLUGIN = OutputPlugin(name="splunk", settings=SplunkSettings, build=build)
