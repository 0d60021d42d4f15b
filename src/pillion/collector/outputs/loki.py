"""The `loki` output. Sources: Fluent Bit's plugins/out_loki (keys), Loki's documentation of its limits (answers)."""

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
from pillion.collector.network.authorization import BasicSettings, BearerSettings
from pillion.collector.network.endpoint import open_sender
from pillion.collector.network.httpoutput import Encoded, HttpOutput
from pillion.collector.network.judgement import judge_status
from pillion.collector.outputs.lokipush import (
    Label,
    Shape,
    parse_label,
    parse_label_map,
    push,
    removed_by,
)
from pillion.collector.plugin import Output, OutputContext, OutputPlugin, Refused, TooLarge, Verdict
from pillion.collector.records import Content
from pillion.collector.records.accessor import Accessor, parse_accessor
from pillion.collector.records.conversion import as_records, select
from pillion.http.message import Answer, Request, compressed

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_BYTES = 1 << 20
"""Of one push, as Loki's own clients. Its servers hand pushes on by gRPC, which takes 4 MB at once."""
_BLOCKED = 260
"""Loki's status for a tenant whose ingestion an administrator has blocked (`blocked_ingestion_status_code`)."""
_TRUE = frozenset({"on", "true", "yes"})
_FALSE = frozenset({"", "off", "false", "no"})


class LokiSettings(OutputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {"buffer_size": "an answer is read in full"}

    host: Annotated[str, key(help="the server's name or address")] = "127.0.0.1"
    port: Annotated[int, key()] = 3100
    uri: Annotated[str, key(help="where records are pushed to")] = "/loki/api/v1/push"
    tenant_id: Annotated[str, key(help="X-Scope-OrgID, for a server with several tenants")] = ""
    tenant_id_key: Annotated[str, key(help="the field that is the tenant")] = ""
    labels: Annotated[
        tuple[str, ...], key(kind=Kind.LIST, help="labels: name=value, name=$accessor or $accessor")
    ] = ()
    label_keys: Annotated[tuple[str, ...], key(kind=Kind.LIST, help="fields that are labels: $accessor")] = ()
    label_map_path: Annotated[str, key(help="a JSON file that names labels, nested as records are")] = ""
    structured_metadata: Annotated[
        tuple[str, ...],
        key(kind=Kind.LIST, help="metadata of each line: name=value, name=$accessor or $accessor"),
    ] = ()
    structured_metadata_map_keys: Annotated[
        tuple[str, ...], key(kind=Kind.LIST, help="maps whose members are metadata of each line: $accessor")
    ] = ()
    auto_kubernetes_labels: Annotated[bool, key(help="the Pod's labels are labels")] = False
    remove_keys: Annotated[tuple[str, ...], key(kind=Kind.LIST, help="fields that are not in the line")] = ()
    drop_single_key: Annotated[
        str, key(help="on: a line of one field is that field's value; raw: not quoted either")
    ] = "off"
    line_format: Annotated[Literal["json", "key_value"], key(help="how a record becomes a line")] = "json"
    compress: Annotated[Literal["", "gzip"], key(help="gzip")] = ""
    header: Annotated[
        tuple[tuple[str, ...], ...],
        key(kind=Kind.WORDS, words=2, repeated=True, secret=True, help="a header: its name and its value"),
    ] = ()
    max_line_size: Annotated[
        int,
        key(
            kind=Kind.SIZE,
            help="longer lines become dead letters, as the server would refuse all that came with them; 0: none does",
            differs=Differs(fluent_bit="none", why="one line over Loki's limit would cost a whole push"),
        ),
    ] = 256 << 10
    basic: BasicSettings = BasicSettings()
    bearer: BearerSettings = BearerSettings()
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings()


class LokiDialect(msgspec.Struct, frozen=True, kw_only=True):
    settings: LokiSettings
    shape: Shape
    tenant: Accessor | None = None

    def parts(self, tag: str, content: Content) -> list[Content]:  # noqa: ARG002 - the protocol's
        """One for each tenant."""
        if self.tenant is None:
            return [content]
        records = as_records(content)
        owners = [self._tenant(body) for body in records.bodies]
        found = [select(records, [each == owner for each in owners]) for owner in dict.fromkeys(owners)]
        return [part for part in found if part is not None]

    def encode(self, tag: str, content: Content, now: float) -> Encoded:  # noqa: ARG002 - the protocol's
        pushed = push(self.shape, tag, content)
        limit = self.settings.max_line_size
        if limit and max(map(len, pushed.lines), default=0) > limit:
            return self._without_long_lines(tag, content, [len(line) <= limit for line in pushed.lines])
        body, encoding = compressed(pushed.body(), self.settings.compress)
        headers = [(pair[0], pair[1] if len(pair) > 1 else "") for pair in self.settings.header]
        headers += [("Content-Type", "application/json"), *encoding]
        if tenant := self._tenant_of(content):
            headers.append(("X-Scope-OrgID", tenant))
        request = Request(path=self.settings.uri, body=body, headers=tuple(headers))
        return Encoded(request=request, content=content)

    def _without_long_lines(self, tag: str, content: Content, fits: list[bool]) -> Encoded:
        long, rest = select(content, [not fit for fit in fits]), select(content, fits)
        reason = f"its line is longer than {self.settings.max_line_size} bytes (max_line_size)"
        rejected = ((reason, long),) if long is not None else ()
        if rest is None:
            return Encoded(request=None, content=None, rejected=rejected)
        return msgspec.structs.replace(self.encode(tag, rest, 0.0), rejected=rejected)

    def judge(self, sent: Encoded, answer: Answer, now: float) -> Verdict:  # noqa: ARG002 - the protocol's
        if answer.status == _BLOCKED:
            return Refused(reason=f"HTTP {_BLOCKED}: ingestion is blocked for this tenant")
        if answer.status == 500 and b"larger than max" in answer.body:
            return TooLarge(reason=f"HTTP 500: {answer.text()}")
        return judge_status(answer, now=now)

    def _tenant(self, body: dict[str, object]) -> str:
        assert self.tenant is not None
        value = self.tenant.get(body)
        return value if isinstance(value, str) and value else self.settings.tenant_id

    def _tenant_of(self, content: Content) -> str:
        if self.tenant is None:
            return self.settings.tenant_id
        return self._tenant(as_records(content).bodies[0])


def dialect(settings: LokiSettings, folder: Path) -> LokiDialect:
    """Raises ConfigurationError."""
    place = settings.place
    drop = settings.drop_single_key.lower()
    if drop not in _TRUE | _FALSE | {"raw"}:
        raise ConfigurationError(
            f"{place}: drop_single_key: {settings.drop_single_key} is not on, off or raw"
        )
    metadata = _labels(settings.structured_metadata, "structured_metadata", place)
    maps = _accessors(settings.structured_metadata_map_keys, "structured_metadata_map_keys", place)
    labels = _labels(settings.labels, "labels", place)
    for text in settings.label_keys:
        if not text.startswith("$"):
            raise ConfigurationError(f"{place}: label_keys: {text} does not begin with $")
    labels += _labels(settings.label_keys, "label_keys", place)
    if settings.label_map_path:
        labels += _label_map(folder / settings.label_map_path, place)
    plain = [text if text.startswith("$") else f"${text}" for text in settings.remove_keys]
    removed = [*removed_by(metadata), *maps, *removed_by(labels), *_accessors(plain, "remove_keys", place)]
    return LokiDialect(
        settings=settings,
        shape=Shape(
            labels=labels,
            metadata=metadata,
            metadata_maps=maps,
            has_kubernetes_labels=settings.auto_kubernetes_labels,
            removed=tuple(dict.fromkeys(removed)),
            is_key_value=settings.line_format == "key_value",
            drops_single_key=drop not in _FALSE,
            is_raw=drop == "raw",
        ),
        tenant=_accessors([settings.tenant_id_key], "tenant_id_key", place)[0]
        if settings.tenant_id_key
        else None,
    )


def build(settings: LokiSettings, context: OutputContext) -> Output:
    speech = dialect(settings, context.folder)
    sender = open_sender(
        context,
        place=settings.place,
        host=settings.host,
        port=settings.port,
        net=settings.net,
        tls=settings.tls,
        workers=settings.workers,
    )
    authorization = settings.basic.authorization(context.folder) or settings.bearer.authorization(
        context.folder
    )
    return HttpOutput(speech, sender, context.clock, authorization=authorization, limit_bytes=_LIMIT_BYTES)


def _labels(texts: tuple[str, ...], name: str, place: str) -> tuple[Label, ...]:
    try:
        return tuple(parse_label(text) for text in texts)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {name}: {error}") from error


def _accessors(texts: tuple[str, ...] | list[str], name: str, place: str) -> tuple[Accessor, ...]:
    try:
        return tuple(parse_accessor(text) for text in texts)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {name}: {error}") from error


def _label_map(file: Path, place: str) -> tuple[Label, ...]:
    try:
        return tuple(parse_label_map(msgspec.json.decode(file.read_bytes())))
    except OSError as error:
        raise ConfigurationError(f"{place}: label_map_path: cannot read {file}: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigurationError(f"{place}: label_map_path: {file} is no map of labels: {error}") from error


PLUGIN = OutputPlugin(name="loki", settings=LokiSettings, build=build)
