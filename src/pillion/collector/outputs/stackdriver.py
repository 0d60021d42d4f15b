"""The `stackdriver` output: Google Cloud Logging.

Sources: Fluent Bit's plugins/out_stackdriver (keys); Google's reference of entries.write and its partial errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

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
from pillion.collector.network.delivery import deliver_parts, in_parts
from pillion.collector.network.endpoint import open_sender, parse_address
from pillion.collector.network.google import GoogleSettings, Identity
from pillion.collector.network.httpoutput import Encoded, exchange, with_rejected
from pillion.collector.network.judgement import judge_status
from pillion.collector.outputs.logentry import EntryShape, Projects, entries
from pillion.collector.outputs.monitoredresource import ResourceShape, lacking, resource_of
from pillion.collector.parsers.ruby import compile_ruby
from pillion.collector.plugin import Again, Delivered, Output, OutputContext, OutputPlugin, Refused, Verdict
from pillion.collector.records import Content
from pillion.collector.records.accessor import Accessor, parse_accessor
from pillion.collector.records.bodies import encode_body
from pillion.collector.records.conversion import count, select
from pillion.errors import HostError, PeerError
from pillion.http.message import Answer, NoAnswer, Request, compressed

if TYPE_CHECKING:
    from pillion.clock import Clock
    from pillion.http.sender import HttpSender

_SCOPE = "https://www.googleapis.com/auth/logging.write"
_BASE_URL = "https://logging.googleapis.com"
_PATH = "/v2/entries:write"
_MOST_BYTES = 8_000_000
"""Of one request; Google takes 10 MB."""
_LIMIT_BYTES = 4 << 20
_EACH = 300
"""Bytes that an entry has beside its record, about."""
_PARTIAL = "google.logging.v2.WriteLogEntriesPartialErrors"
_LATER = frozenset({1, 2, 4, 8, 10, 13, 14})
"""google.rpc.Code: cancelled, unknown, deadline, exhausted, aborted, internal, unavailable."""
_REGEX = (
    r"(?<pod_name>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)"
    r"_(?<namespace_name>[^_]+)_(?<container_name>.+)-(?<docker_id>[a-z0-9]{64})\.log$"
)


class StackdriverSettings(OutputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "test_log_entry_format": "it is for Fluent Bit's own tests",
    }
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "records that Google refuses": (
            "dead letters, each with Google's reason",
            Differs(fluent_bit="discarded", why="they would be lost"),
        ),
        "HTTP 401 and 403": (
            "tried again",
            Differs(fluent_bit="discarded", why="a role that is granted late would cost all records until then"),
        ),
    }  # fmt: skip

    cloud_logging_base_url: Annotated[str, key(help="another address of the service")] = ""
    export_to_project_id: Annotated[str, key(help="the project whose logs these are; else our own")] = ""
    resource: Annotated[
        Literal[
            "global", "gce_instance", "generic_node", "generic_task", "k8s_container", "k8s_node", "k8s_pod",
            "k8s_cluster",
        ],
        key(help="the type of monitored resource"),
    ] = "global"  # fmt: skip
    resource_labels: Annotated[
        tuple[str, ...], key(kind=Kind.LIST, help="its labels: name=value or name=$accessor")
    ] = ()
    location: Annotated[str, key(help="of generic_node and generic_task")] = ""
    namespace: Annotated[str, key(help="of generic_node and generic_task")] = ""
    node_id: Annotated[str, key(help="of generic_node")] = ""
    job: Annotated[str, key(help="of generic_task")] = ""
    task_id: Annotated[str, key(help="of generic_task")] = ""
    k8s_cluster_name: Annotated[str, key(help="of k8s_…")] = ""
    k8s_cluster_location: Annotated[str, key(help="of k8s_…")] = ""
    tag_prefix: Annotated[str, key(help="what tags begin with; for k8s_… the resource and a dot")] = ""
    custom_k8s_regex: Annotated[
        str,
        key(
            help="finds a k8s_…'s labels in the rest of the tag; pod_namespace_container-id.log unless it is set"
        ),
    ] = ""
    labels: Annotated[tuple[str, ...], key(kind=Kind.LIST, help="name=value, of every entry")] = ()
    labels_key: Annotated[str, key(help="the field with an entry's labels")] = "logging.googleapis.com/labels"
    project_id_key: Annotated[str, key(help="the field with an entry's project")] = (
        "logging.googleapis.com/projectId"
    )
    log_name_key: Annotated[str, key(help="the field with an entry's log; else the tag")] = (
        "logging.googleapis.com/logName"
    )
    severity_key: Annotated[str, key()] = "logging.googleapis.com/severity"
    trace_key: Annotated[str, key()] = "logging.googleapis.com/trace"
    span_id_key: Annotated[str, key()] = "logging.googleapis.com/spanId"
    trace_sampled_key: Annotated[str, key()] = "logging.googleapis.com/traceSampled"
    http_request_key: Annotated[str, key()] = "logging.googleapis.com/http_request"
    text_payload_key: Annotated[str, key(help="the field that is textPayload when it is the only one")] = ""
    autoformat_stackdriver_trace: Annotated[
        bool, key(help="a trace is an id: write projects/…/traces/ before it")
    ] = False
    stackdriver_agent: Annotated[str, key(help="User-Agent")] = ""
    compress: Annotated[Literal["", "gzip"], key(help="gzip")] = ""
    google: GoogleSettings = GoogleSettings()
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings(on=True)


class StackdriverDialect(msgspec.Struct, frozen=True, kw_only=True):
    """Pure. `facts`: project_id, zone and instance_id, as far as they are known."""

    settings: StackdriverSettings
    resource: ResourceShape
    entry: EntryShape
    path: str = _PATH

    def encode(self, tag: str, content: Content, facts: dict[str, str]) -> Encoded:
        """Raises ValueError when it cannot be said whose records they are."""
        resource = resource_of(self.resource, facts, tag, content)
        own = facts.get("project_id", "")
        projects = Projects(own=own, logs=self.settings.export_to_project_id or own)
        text, problems = entries(self.entry, projects, tag, content)
        rejected = _apart(content, dict(enumerate(problems)))
        if problems:
            rest = select(content, [not problem for problem in problems])
            if rest is None:
                return Encoded(request=None, content=None, rejected=rejected)
            content = rest
        body, encoding = compressed(
            b'{"partialSuccess":true,"resource":' + encode_body(resource) + b',"entries":[' + text + b"]}",
            self.settings.compress,
        )
        headers = [("Content-Type", "application/json"), *encoding]
        if self.settings.stackdriver_agent:
            headers.append(("User-Agent", self.settings.stackdriver_agent))
        return Encoded(
            request=Request(path=self.path, body=body, headers=tuple(headers)),
            content=content,
            rejected=rejected,
        )

    def judge(self, sent: Content, answer: Answer, now: float) -> Verdict:
        if answer.is_success:
            return Delivered()
        error = _error(answer)
        wrong = {number: each for number, each in error.entries().items() if number < count(sent)}
        if not wrong:
            again = frozenset({401, 403, 408, 425, 429})
            return judge_status(answer, now=now, shown=error.message or answer.text(), again=again)
        rejected = _apart(
            sent,
            {
                number: f"HTTP {answer.status}: {each.message}"
                for number, each in wrong.items()
                if each.code not in _LATER
            },
        )
        later = [number in wrong and wrong[number].code in _LATER for number in range(count(sent))]
        remaining = select(sent, later)
        if remaining is None:
            return Delivered(rejected=rejected)
        reason = f"HTTP {answer.status}: {wrong[later.index(True)].message}"
        return Again(reason=reason, remaining=remaining, rejected=rejected)


class _EntryError(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Detail(msgspec.Struct, frozen=True):
    type: str = msgspec.field(default="", name="@type")
    errors: dict[str, _EntryError] = msgspec.field(default_factory=dict, name="logEntryErrors")


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    details: list[_Detail] = []

    def entries(self) -> dict[int, _EntryError]:
        """By the entries' places in the request; the others were taken."""
        return {
            int(place): each
            for detail in self.details
            if detail.type.endswith(_PARTIAL)
            for place, each in detail.errors.items()
            if place.isascii() and place.isdigit()
        }


class _Wrong(msgspec.Struct, frozen=True):
    error: _Error = _Error()


def _error(answer: Answer) -> _Error:
    try:
        return msgspec.json.decode(answer.body, type=_Wrong).error
    except msgspec.DecodeError:
        return _Error()


def _apart(content: Content, reasons: dict[int, str]) -> tuple[tuple[str, Content], ...]:
    """The records that have a reason, by it."""
    amount = count(content)
    found = [
        (reason, select(content, [reasons.get(number) == reason for number in range(amount)]))
        for reason in dict.fromkeys(reason for reason in reasons.values() if reason)
    ]
    return tuple((reason, part) for reason, part in found if part is not None)


class StackdriverOutput:
    def __init__(
        self,
        dialect: StackdriverDialect,
        sender: HttpSender,
        clock: Clock,
        identity: Identity,
    ) -> None:
        self._dialect = dialect
        self._sender = sender
        self._clock = clock
        self._authorization = identity.authorization
        self._facts = identity.facts
        self._needed = (
            ("project_id", "zone", "instance_id")
            if dialect.resource.type == "gce_instance"
            else ("project_id",)
        )

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES

    def deliver(self, tag: str, content: Content) -> Verdict:
        before = self._sender.interrupts

        def attempt(part: Content) -> Verdict:
            if self._sender.interrupts != before:
                return Again(reason="interrupted: the collector stops")
            return self._attempt(tag, part)

        return deliver_parts(in_parts(content, most_bytes=_MOST_BYTES, each=_EACH), attempt)

    def interrupt(self) -> None:
        self._sender.interrupt()
        self._authorization.interrupt()
        self._facts.interrupt()

    def close(self) -> None:
        self._sender.close()
        self._facts.close()

    def _attempt(self, tag: str, part: Content) -> Verdict:
        try:
            facts = self._facts.read(self._needed)
        except (HostError, PeerError) as error:
            return Again(reason=str(error))
        try:
            encoded = self._dialect.encode(tag, part, facts)
        except ValueError as error:
            return Refused(reason=f"resource {self._dialect.resource.type}: {error}")
        if encoded.request is None or encoded.content is None:
            return Delivered(rejected=encoded.rejected)
        answer = exchange(self._sender, self._authorization, encoded.request)
        if isinstance(answer, NoAnswer):
            return with_rejected(Again(reason=answer.reason), encoded)
        return with_rejected(self._dialect.judge(encoded.content, answer, self._clock.now()), encoded)


def dialect(settings: StackdriverSettings) -> StackdriverDialect:
    """Raises ConfigurationError."""
    place = settings.place
    chosen = tuple(_label(text, f"{place}: resource_labels") for text in settings.resource_labels)
    if lacking(settings.resource, {name for name, _ in chosen}):
        chosen = ()  # as in Fluent Bit: too few of them are as good as none
    kubernetes = settings.resource.startswith("k8s_")
    labels = {
        "location": settings.k8s_cluster_location if kubernetes else settings.location,
        "cluster_name": settings.k8s_cluster_name, "namespace": settings.namespace, "node_id": settings.node_id,
        "job": settings.job, "task_id": settings.task_id,
    }  # fmt: skip
    labels = {name: value for name, value in labels.items() if value}
    if not chosen and (missing := lacking(settings.resource, set(labels))):
        names = {"location": "k8s_cluster_location", "cluster_name": "k8s_cluster_name"} if kubernetes else {}
        wanted = ", ".join(names.get(name, name) for name in missing)
        raise ConfigurationError(f"{place}: resource: {settings.resource} needs {wanted}")
    try:
        regex = compile_ruby(settings.custom_k8s_regex or _REGEX) if kubernetes else None
    except ValueError as error:
        raise ConfigurationError(f"{place}: custom_k8s_regex: {error}") from error
    fixed = dict(_label(text, f"{place}: labels") for text in settings.labels)
    resource = ResourceShape(
        type=settings.resource,
        labels=labels,
        chosen=chosen,
        prefix=settings.tag_prefix or (f"{settings.resource}." if kubernetes else ""),
        regex=regex,
    )
    entry = EntryShape(
        project_key=settings.project_id_key,
        labels_key=settings.labels_key,
        severity_key=settings.severity_key,
        trace_key=settings.trace_key,
        span_key=settings.span_id_key,
        sampled_key=settings.trace_sampled_key,
        log_name_key=settings.log_name_key,
        http_key=settings.http_request_key,
        text_key=settings.text_payload_key,
        labels={name: str(value) for name, value in fixed.items()},
        formats_traces=settings.autoformat_stackdriver_trace,
        is_kubernetes=kubernetes,
    )
    return StackdriverDialect(settings=settings, resource=resource, entry=entry)


def _label(text: str, place: str) -> tuple[str, str | Accessor]:
    name, sign, value = (part.strip() for part in text.partition("="))
    if not (name and sign and value):
        raise ConfigurationError(f"{place}: {text!r} is not name=value")
    if not (value.startswith("$") and place.endswith("resource_labels")):
        return name, value
    try:
        return name, parse_accessor(value)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}") from error


def build(settings: StackdriverSettings, context: OutputContext) -> Output:
    place = settings.place
    shape = dialect(settings)
    address = parse_address(settings.cloud_logging_base_url or _BASE_URL, f"{place}: cloud_logging_base_url")
    identity = settings.google.identity(
        context, scope=_SCOPE, place=place, net=settings.net, tls=settings.tls
    )
    sender = open_sender(
        context,
        place=place,
        host=address.host,
        port=address.port,
        net=settings.net,
        tls=msgspec.structs.replace(settings.tls, on=address.tls),
        workers=settings.workers,
    )
    shape = msgspec.structs.replace(shape, path=address.path.rstrip("/") + _PATH)
    return StackdriverOutput(shape, sender, context.clock, identity)


PLUGIN = OutputPlugin(name="stackdriver", settings=StackdriverSettings, build=build)
