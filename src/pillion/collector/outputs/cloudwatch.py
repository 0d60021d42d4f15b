"""The `cloudwatch_logs` output: Amazon CloudWatch Logs. Source: Fluent Bit's plugins/out_cloudwatch_logs (keys)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Differs, NetSettings, OutputSettings, TlsSettings, key
from pillion.collector.network.aws import AwsIdentity, Sigv4, endpoint
from pillion.collector.network.endpoint import open_sender
from pillion.collector.network.httpoutput import exchange
from pillion.collector.outputs.putlogevents import (
    Batch,
    Stream,
    batches,
    events,
    fault,
    group_request,
    judge_put,
    put_request,
    records_of,
    retention_request,
    stream_request,
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
from pillion.collector.records import Content
from pillion.collector.records.conversion import as_records, count
from pillion.collector.records.template import Template, parse_template
from pillion.http.message import Answer, NoAnswer, Request

if TYPE_CHECKING:
    from pillion.clock import Clock
    from pillion.http.sender import HttpSender

_LIMIT_BYTES = 1 << 20
_METRICS_ONLY = "it is about metrics; logs are all there is"


class CloudwatchSettings(OutputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "auto_retry_requests": "a connection that was closed is always tried again at once",
        "metric_namespace": _METRICS_ONLY,
        "metric_dimensions": _METRICS_ONLY,
        "extra_user_agent": "AWS keeps it for its own agents",
        "add_entity": "the entities of AWS' Pod association are not known here",
    }
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "events over 1 MB": (
            "dead letters",
            Differs(fluent_bit="cut", why="the rest of the event would be lost"),
        ),
        "records without log_key": (
            "dead letters",
            Differs(fluent_bit="discarded", why="they would be lost"),
        ),
    }

    region: Annotated[str, key(help="the AWS region")] = ""
    log_group_name: Annotated[str, key(help="the log group")] = ""
    log_stream_name: Annotated[str, key(help="the log stream")] = ""
    log_stream_prefix: Annotated[str, key(help="the log stream is this and the tag")] = ""
    log_group_template: Annotated[
        str, key(help="the log group, with record accessors; else log_group_name")
    ] = ""
    log_stream_template: Annotated[
        str, key(help="the log stream, with record accessors; else the other two")
    ] = ""
    log_key: Annotated[
        str, key(help="the field that is the message; the whole record as JSON unless it is set")
    ] = ""
    log_format: Annotated[str, key(help="x-amzn-logs-format: json/emf")] = ""
    auto_create_group: Annotated[bool, key(help="create the log group when it is missing")] = False
    log_retention_days: Annotated[int, key(help="of a log group that is created")] = 0
    log_group_class: Annotated[
        Literal["", "STANDARD", "INFREQUENT_ACCESS"], key(help="of a log group that is created")
    ] = ""
    endpoint: Annotated[str, key(help="another address of the service")] = ""
    port: Annotated[int, key()] = 0
    profile: Annotated[str, key(help="of the files in ~/.aws")] = ""
    role_arn: Annotated[str, key(help="a role to take on")] = ""
    external_id: Annotated[str, key(help="what that role asks for")] = ""
    sts_endpoint: Annotated[str, key(help="another address of the service that gives roles")] = ""
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings(on=True)


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record belongs. Pure."""

    settings: CloudwatchSettings
    group: Template | None = None
    stream: Template | None = None

    def streams(self, tag: str, content: Content) -> list[Stream]:
        """Of each record."""
        settings = self.settings
        name = settings.log_stream_name or f"{settings.log_stream_prefix}{tag}"
        usual = Stream(settings.log_group_name, name)
        if self.group is None and self.stream is None:
            return [usual] * count(content)
        return [
            Stream(
                (self.group and self.group.render_complete(tag, body)) or usual.group,
                (self.stream and self.stream.render_complete(tag, body)) or usual.name,
            )
            for body in as_records(content).bodies
        ]


class CloudwatchOutput:
    def __init__(self, naming: Naming, sender: HttpSender, clock: Clock, signer: Sigv4) -> None:
        self._naming = naming
        self._sender = sender
        self._clock = clock
        self._signer = signer

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES

    def deliver(self, tag: str, content: Content) -> Verdict:
        interrupts = self._sender.interrupts
        found = events(content, self._naming.settings.log_key)
        rejected: list[tuple[str, Content]] = []
        for reason in dict.fromkeys(reason for reason, _ in found.rejected):
            part = records_of(content, [number for why, number in found.rejected if why == reason])
            if part is not None:
                rejected.append((reason, part))
        waiting = batches(found.found, self._naming.streams(tag, content))
        while waiting:
            verdict: Verdict
            if self._sender.interrupts != interrupts:
                verdict = Again(reason="interrupted: the collector stops")
            else:
                verdict = self._put(waiting[0], content)
            match verdict:
                case Again():
                    numbers = [event.number for batch in waiting for event in batch.events]
                    return msgspec.structs.replace(
                        verdict, remaining=records_of(content, numbers), rejected=tuple(rejected)
                    )
                case Delivered():
                    rejected += verdict.rejected
                case Refused() | TooLarge():
                    part = records_of(content, [event.number for event in waiting[0].events])
                    if part is not None:
                        rejected.append((verdict.reason, part))
            del waiting[0]
        return Delivered(rejected=tuple(rejected))

    def interrupt(self) -> None:
        self._sender.interrupt()

    def close(self) -> None:
        self._sender.close()

    def _put(self, batch: Batch, content: Content) -> Verdict:
        request = put_request(batch, self._naming.settings.log_format)
        answer = self._ask(request)
        if isinstance(answer, Answer) and fault(answer)[0] == "ResourceNotFoundException":
            problem = self._create(batch.stream)
            if problem:
                return Again(reason=problem)
            answer = self._ask(request)
        if isinstance(answer, NoAnswer):
            return Again(reason=answer.reason)
        if fault(answer)[0] == "ResourceNotFoundException":
            return Again(reason="the log stream was created and is not there yet")
        return judge_put(batch, content, answer, self._clock.now())

    def _create(self, stream: Stream) -> str:
        """Why there is no stream now; empty when there is."""
        settings = self._naming.settings
        said = self._make(stream_request(stream))
        if said[0] != "ResourceNotFoundException":
            return _problem(f"cannot create the log stream {stream.name}", said)
        if not settings.auto_create_group:
            return f"there is no log group {stream.group}: create it, or write `auto_create_group on`"
        said = self._make(group_request(stream.group, settings.log_group_class))
        if problem := _problem(f"cannot create the log group {stream.group}", said):
            return problem
        if settings.log_retention_days > 0:
            said = self._make(retention_request(stream.group, settings.log_retention_days))
            if problem := _problem(f"cannot set the retention of the log group {stream.group}", said):
                return problem
        return _problem(f"cannot create the log stream {stream.name}", self._make(stream_request(stream)))

    def _make(self, request: Request) -> tuple[str, str]:
        """The exception's name and what it says; two empty texts when it was made, or is there already."""
        answer = self._ask(request)
        if isinstance(answer, NoAnswer):
            return "no answer", answer.reason
        if answer.is_success:
            return "", ""
        name, text = fault(answer)
        return (
            ("", "") if name == "ResourceAlreadyExistsException" else (name or f"HTTP {answer.status}", text)
        )

    def _ask(self, request: Request) -> Answer | NoAnswer:
        return exchange(self._sender, self._signer, request)


def _problem(what: str, said: tuple[str, str]) -> str:
    name, text = said
    return f"{what}: {name}: {text}" if name else ""


def naming(settings: CloudwatchSettings) -> Naming:
    """Raises ConfigurationError."""
    place = settings.place
    for name in ("log_group_name", "region"):
        if not getattr(settings, name):
            raise ConfigurationError(f"{place}: {name}: it is needed")
    if bool(settings.log_stream_name) == bool(settings.log_stream_prefix):
        raise ConfigurationError(f"{place}: log_stream_name: it or log_stream_prefix is needed, not both")
    group, stream = settings.log_group_template, settings.log_stream_template
    try:
        return Naming(
            settings=settings,
            group=parse_template(group) if group else None,
            stream=parse_template(stream) if stream else None,
        )
    except ValueError as error:
        raise ConfigurationError(f"{place}: log_group_template or log_stream_template: {error}") from error


def build(settings: CloudwatchSettings, context: OutputContext) -> Output:
    names = naming(settings)
    scheme, host, port = address(settings)
    sender = open_sender(
        context,
        place=settings.place,
        host=host,
        port=port,
        net=settings.net,
        tls=msgspec.structs.replace(settings.tls, on=scheme == "https"),
        workers=settings.workers,
    )
    identity = AwsIdentity(
        service="logs",
        region=settings.region,
        profile=settings.profile,
        role_arn=settings.role_arn,
        external_id=settings.external_id,
        sts_endpoint=settings.sts_endpoint,
    )
    signer = Sigv4(identity, f"{scheme}://{host}:{port}", settings.place)
    return CloudwatchOutput(names, sender, context.clock, signer)


def address(settings: CloudwatchSettings) -> tuple[str, str, int]:
    """Scheme, host and port. Raises ConfigurationError."""
    if not settings.endpoint:
        scheme = "https" if settings.tls.on else "http"
        return scheme, endpoint("logs", settings.region), settings.port or (443 if settings.tls.on else 80)
    text = settings.endpoint
    try:
        parts = urlsplit(text if "://" in text else f"{'https' if settings.tls.on else 'http'}://{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"{settings.place}: endpoint: {error}") from error
    if not host or parts.scheme not in {"http", "https"}:
        raise ConfigurationError(f"{settings.place}: endpoint: it is not HOST or http(s)://HOST:PORT")
    return parts.scheme, host, port or settings.port or (443 if parts.scheme == "https" else 80)


PLUGIN = OutputPlugin(name="cloudwatch_logs", settings=CloudwatchSettings, build=build)
