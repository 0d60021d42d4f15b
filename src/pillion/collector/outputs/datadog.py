"""The `datadog` output.

Sources: Fluent Bit's plugins/out_datadog (keys, bodies), Datadog's "Send logs" (API v2: limits, answers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

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
from pillion.collector.network.authorization import Token
from pillion.collector.network.delivery import in_parts
from pillion.collector.network.endpoint import open_sender
from pillion.collector.network.httpoutput import Encoded, HttpOutput
from pillion.collector.network.judgement import judge_status
from pillion.collector.outputs.datadogtags import ecs_tags, is_tag
from pillion.collector.outputs.embedding import begin_with, has_key
from pillion.collector.plugin import Output, OutputContext, OutputPlugin, Verdict
from pillion.collector.records import Body, Content, Lines, Records, Texts
from pillion.collector.records.bodies import encode_bodies, encode_value
from pillion.collector.records.conversion import as_records, as_texts, count, select, wrap
from pillion.http.credentials import secret
from pillion.http.message import Answer, Request, compressed

MOST_RECORDS = 1000
MOST_BYTES = 4_250_000
"""Of one request before compression. Datadog takes 5 MB; Vector stops here too, for what JSON adds."""
LONGEST = 1_000_000
"""Of one log. Datadog cuts what is longer, and says nothing."""


class DatadogSettings(OutputSettings, frozen=True, kw_only=True):
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "statuses": (
            "400, 401 and 403 make dead letters",
            Differs(fluent_bit="retries them", why="Datadog will not take such a request later either"),
        )
    }

    host: Annotated[str, key(help="the intake's name; see `site`")] = ""
    port: Annotated[int, key(help="443 with TLS, 80 without, unless it is set")] = 0
    site: Annotated[str, key(help="datadoghq.eu, us3.datadoghq.com, …: its intake is sent to")] = ""
    apikey: Annotated[str, key(secret=True, help="the API key")] = ""
    apikey_file: Annotated[str, key(help="a file with it, read again when it changes")] = ""
    compress: Annotated[
        str,
        key(
            help="gzip",
            differs=Differs(fluent_bit="false", why="Datadog recommends it; logs shrink to a sixth"),
        ),
    ] = "gzip"
    dd_service: Annotated[str, key(help="service")] = ""
    dd_source: Annotated[str, key(help="ddsource")] = ""
    dd_tags: Annotated[str, key(help="ddtags: name:value,…")] = ""
    dd_hostname: Annotated[str, key(help="hostname")] = ""
    dd_message_key: Annotated[str, key(help="the field that becomes `message`")] = "log"
    json_date_key: Annotated[str, key(help="the field with the record's time")] = "timestamp"
    include_tag_key: Annotated[bool, key(help="add the tag")] = False
    tag_key: Annotated[str, key(help="the field with the tag")] = "tagkey"
    provider: Annotated[str, key(help="ecs: fields about the task become tags")] = ""
    proxy: Annotated[str, key(help="http://HOST:PORT of a proxy")] = ""
    header: Annotated[
        tuple[tuple[str, ...], ...],
        key(kind=Kind.WORDS, words=2, repeated=True, secret=True, help="a header: its name and its value"),
    ] = ()
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings()


class DatadogDialect(msgspec.Struct, frozen=True, kw_only=True):
    settings: DatadogSettings

    def parts(self, tag: str, content: Content) -> list[Content]:
        each = len(b"".join(self._members(tag).values())) + len(self.settings.json_date_key) + 32
        return in_parts(content, most_records=MOST_RECORDS, most_bytes=MOST_BYTES, each=each)

    def encode(self, tag: str, content: Content, now: float) -> Encoded:  # noqa: ARG002 - the protocol's
        rejected: tuple[tuple[str, Content], ...] = ()
        entries = self.entries(tag, content)
        lines = entries[:-1].split(b"\n")
        if max(map(len, lines)) > LONGEST:
            fits = [len(line) <= LONGEST for line in lines]
            rest, long = select(content, fits), select(content, [not fit for fit in fits])
            rejected = (
                ((f"it is longer than {LONGEST} bytes, which Datadog would cut", long),) if long else ()
            )
            if rest is None:
                return Encoded(request=None, content=None, rejected=rejected)
            content = rest
            lines = [line for line, fit in zip(lines, fits, strict=True) if fit]
        body, encoding = compressed(
            b"[" + b",".join(lines) + b"]", "gzip" if self.settings.compress.lower() == "gzip" else ""
        )
        headers = [("DD-EVP-ORIGIN", "pillion"), ("Content-Type", "application/json"), *encoding]
        headers += [(pair[0], pair[1] if len(pair) > 1 else "") for pair in self.settings.header]
        request = Request(path="/api/v2/logs", body=body, headers=tuple(headers))
        return Encoded(request=request, content=content, rejected=rejected)

    def judge(self, sent: Encoded, answer: Answer, now: float) -> Verdict:  # noqa: ARG002 - the protocol's
        return judge_status(answer, now=now)

    def entries(self, tag: str, content: Content) -> bytes:
        """One JSON object per line."""
        settings = self.settings
        message = settings.dd_message_key
        if settings.provider == "ecs":
            return self._tagged(tag, as_records(content))
        texts: Texts
        if isinstance(content, Lines) and content.key == message:
            texts = Texts(
                data=wrap(Lines(data=content.data, time=content.time, key="message")), times=content.time
            )
        else:
            texts = as_texts(content)
            if has_key(texts, message) is not None or (
                settings.dd_tags and has_key(texts, "ddtags") is not None
            ):
                bodies = [self._renamed(body) for body in as_records(content).bodies]
                texts = Texts(data=encode_bodies(bodies), times=texts.times)
        return begin_with(texts.data, self._starts(tag, texts))

    def _starts(self, tag: str, texts: Texts) -> bytes | list[bytes]:
        """`{"timestamp":1700000000123,…`: what an entry begins with, without what the record says itself."""
        settings = self.settings
        members = self._members(tag)
        name = b"{" + encode_value(settings.json_date_key) + b":"
        own = {
            field: found
            for field in (settings.json_date_key, *members)
            if (found := has_key(texts, field)) is not None
        }
        stamps = [texts.times] if isinstance(texts.times, int) else texts.times
        millis = [b"%d" % ((stamp + 500_000) // 1_000_000) for stamp in stamps]
        if not own:
            rest = b"," + b"".join(members.values())
            return (
                name + millis[0] + rest
                if isinstance(texts.times, int)
                else [name + each + rest for each in millis]
            )
        amount = count(texts)
        millis = millis * amount if isinstance(texts.times, int) else millis
        starts = []
        for number, each in enumerate(millis):
            start = (
                b"{"
                if settings.json_date_key in own and own[settings.json_date_key][number]
                else name + each + b","
            )
            starts.append(
                start + b"".join([
                    text for field, text in members.items() if not (field in own and own[field][number])
                ])
            )  # fmt: skip
        return starts

    def _members(self, tag: str) -> dict[str, bytes]:
        """What is the same in all entries of a tag, but for the time."""
        found = self._facts(tag)
        if self.settings.dd_tags:
            found["ddtags"] = self.settings.dd_tags
        return {name: encode_value(name) + b":" + encode_value(value) + b"," for name, value in found.items()}

    def _facts(self, tag: str) -> dict[str, str]:
        settings = self.settings
        found = {
            "ddsource": settings.dd_source,
            "service": settings.dd_service,
            "hostname": settings.dd_hostname,
        }
        set_ = {name: value for name, value in found.items() if value}
        return {settings.tag_key: tag} | set_ if settings.include_tag_key else set_

    def _tagged(self, tag: str, records: Records) -> bytes:
        settings = self.settings
        entries: list[Body] = []
        for time, body in zip(records.times, records.bodies, strict=True):
            tags = ecs_tags(body)
            entry: Body = {settings.json_date_key: (time + 500_000) // 1_000_000} | self._facts(tag)
            entry |= self._renamed({name: value for name, value in body.items() if not is_tag(name, value)})
            if joined := ",".join(part for part in (tags, settings.dd_tags) if part):
                entry["ddtags"] = joined
            entries.append(entry)
        return encode_bodies(entries)

    def _renamed(self, body: Body) -> Body:
        """With `message`, and without the tags that the configuration has."""
        message, tagged = self.settings.dd_message_key, bool(self.settings.dd_tags)
        return {
            ("message" if name == message else name): value
            for name, value in body.items()
            if not (tagged and name == "ddtags")
        }


def build(settings: DatadogSettings, context: OutputContext) -> Output:
    if not (settings.apikey or settings.apikey_file):
        raise ConfigurationError(f"{settings.place}: apikey: it is needed")
    host = settings.host or f"http-intake.logs.{settings.site or 'datadoghq.com'}"
    if not settings.tls.on and host not in {"localhost", "127.0.0.1", "::1"}:
        context.notices.raise_(
            f"{context.name}: tls", f"{context.name} sends the API key to {host} without TLS: write `tls on`"
        )
    sender = open_sender(
        context,
        place=settings.place,
        host=host,
        port=settings.port or (443 if settings.tls.on else 80),
        net=settings.net,
        tls=settings.tls,
        workers=settings.workers,
        proxy=settings.proxy,
    )
    token = Token(secret(settings.apikey, settings.apikey_file, context.folder), header="DD-API-KEY")
    return HttpOutput(
        DatadogDialect(settings=settings), sender, context.clock, authorization=token, limit_bytes=MOST_BYTES
    )


PLUGIN = OutputPlugin(name="datadog", settings=DatadogSettings, build=build)
