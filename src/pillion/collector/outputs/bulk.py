"""Bulk requests to Elasticsearch and OpenSearch: an action line and a document for each record. Pure.

Sources: Fluent Bit's plugins/out_es/es.c (`elasticsearch_format`) and plugins/out_opensearch/opensearch.c.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from pillion.collector.configuration.settings import Differs, NetSettings, OutputSettings, TlsSettings, key
from pillion.collector.network.authorization import BasicSettings
from pillion.collector.network.aws import AwsSettings
from pillion.collector.network.httpoutput import Encoded
from pillion.collector.network.judgement import judge_status
from pillion.collector.outputs.bulkanswer import judge_items, top_error
from pillion.collector.outputs.embedding import begin_with, enclose, has_key
from pillion.collector.plugin import Verdict
from pillion.collector.records import Content, Records, Texts
from pillion.collector.records.accessor import Accessor
from pillion.collector.records.bodies import encode_value
from pillion.collector.records.conversion import as_records, as_texts, count, times
from pillion.collector.records.dates import utc
from pillion.collector.records.template import Template
from pillion.http.message import Answer, Request, compressed

_LONGEST_PREFIX = 128


class BulkSettings(OutputSettings, frozen=True, kw_only=True):
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "records that are refused": (
            "each by its own result: tried again, or a dead letter",
            Differs(fluent_bit="the whole request is sent again", why="what was taken would be there twice"),
        ),
    }
    """What both outputs have."""

    index_by_record: ClassVar[bool] = False
    """Record accessors in `index` are replaced."""
    without_effect: ClassVar[Mapping[str, str]] = {
        "buffer_size": "an answer is read in full",
        "trace_output": "requests hold records, which are not printed",
        "trace_error": "what the server says of a record is with its dead letter",
    }

    host: Annotated[str, key(help="the server's name or address")] = "127.0.0.1"
    port: Annotated[int, key()] = 9200
    path: Annotated[str, key(help="before /_bulk, for a server behind a proxy")] = ""
    pipeline: Annotated[str, key(help="the server's pipeline for these documents")] = ""
    compress: Annotated[Literal["", "gzip"], key(help="gzip")] = ""
    index: Annotated[str, key(help="the index; strftime's % are replaced")] = "fluent-bit"
    type: Annotated[str, key(help="the documents' type, for servers before version 8")] = "_doc"
    suppress_type_name: Annotated[bool, key(help="name no type: servers since version 8 refuse one")] = False
    logstash_format: Annotated[bool, key(help="an index for each day: logstash_prefix-2026.01.31")] = False
    logstash_prefix: Annotated[str, key()] = "logstash"
    logstash_prefix_separator: Annotated[str, key()] = "-"
    logstash_prefix_key: Annotated[str, key(help="the field that is the prefix, where a record has it")] = ""
    logstash_dateformat: Annotated[str, key(help="strftime's format of the index's date")] = "%Y.%m.%d"
    time_key: Annotated[str, key(help="the field with the record's time")] = "@timestamp"
    time_key_format: Annotated[str, key(help="strftime's format of it, up to the second")] = (
        "%Y-%m-%dT%H:%M:%S"
    )
    time_key_nanos: Annotated[bool, key(help="nine digits after the second, not three")] = False
    include_tag_key: Annotated[bool, key(help="add the tag")] = False
    tag_key: Annotated[str, key(help="the field with the tag")] = "flb-key"
    current_time_index: Annotated[
        bool, key(help="index and time_key say when it is sent, not the record's time")
    ] = False
    generate_id: Annotated[
        bool, key(help="name each document by a hash of it, so that sending it again adds none")
    ] = False
    id_key: Annotated[str, key(help="the field that is the document's name")] = ""
    write_operation: Annotated[Literal["create", "index", "update", "upsert"], key()] = "create"
    replace_dots: Annotated[bool, key(help="dots in names of fields become underscores")] = False
    aws_service_name: Annotated[str, key(help="what requests are signed for: es, or aoss (serverless)")] = (
        "es"
    )
    basic: BasicSettings = BasicSettings()
    aws: AwsSettings = AwsSettings()
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings()


class BulkDialect(msgspec.Struct, frozen=True, kw_only=True):
    settings: BulkSettings
    path: str
    id: Accessor | None = None
    prefix: Template | None = None
    index: Template | None = None
    target: Template | None = None
    """The index of the records that have all of its fields."""

    def parts(self, tag: str, content: Content) -> list[Content]:  # noqa: ARG002 - the protocol's
        return [content]

    def encode(self, tag: str, content: Content, now: float) -> Encoded:
        body, encoding = compressed(self.bulk(tag, content, now), self.settings.compress)
        headers = (("Content-Type", "application/x-ndjson"), *encoding)
        return Encoded(request=Request(path=self.path, body=body, headers=headers), content=content)

    def judge(self, sent: Encoded, answer: Answer, now: float) -> Verdict:
        if not answer.is_success:
            return judge_status(answer, now=now, shown=top_error(answer))
        assert sent.content is not None
        is_edit = self.settings.write_operation in {"update", "upsert"}
        return judge_items(sent.content, answer, is_edit=is_edit)

    def bulk(self, tag: str, content: Content, now: float) -> bytes:
        """Action line, document; action line, document; …"""
        settings = self.settings
        source: Content = _without_dots(as_records(content)) if settings.replace_dots else content
        texts = as_texts(source)
        if settings.current_time_index:
            texts = Texts(data=texts.data, times=round(now * 1e9))
        members = self._members(tag, texts)
        if not settings.generate_id and self.id is None and settings.write_operation in {"create", "index"}:
            actions = self._actions(tag, content, texts, now)
            return begin_with(texts.data, _joined(actions, members))
        documents = begin_with(texts.data, members)
        actions = self._named(self._actions(tag, content, texts, now), content, documents)
        match settings.write_operation:
            case "update":
                return enclose(documents, _joined(actions, b'{"doc":'), b"}\n")
            case "upsert":
                return enclose(documents, _joined(actions, b'{"doc_as_upsert":true,"doc":'), b"}\n")
            case _:
                return enclose(documents, actions, b"\n")

    def _members(self, tag: str, texts: Texts) -> bytes | list[bytes]:
        """`{"@timestamp":"…","flb-key":"…",`: what every document begins with, unless the record says it itself."""
        settings = self.settings
        name = b"{" + encode_value(settings.time_key) + b":"
        moments = self._moments(texts.times)
        extra = b""
        owned: list[bool] | None = None
        if settings.include_tag_key:
            extra = encode_value(settings.tag_key) + b":" + encode_value(tag) + b","
            owned = has_key(texts, settings.tag_key)
        timed = has_key(texts, settings.time_key)
        if timed is None and owned is None:
            if isinstance(moments, bytes):
                return name + moments + b"," + extra
            return [name + moment + b"," + extra for moment in moments]
        amount = count(texts)
        each = [moments] * amount if isinstance(moments, bytes) else moments
        return [
            (b"{" if has_time else name + moment + b",") + (b"" if has_tag else extra)
            for moment, has_time, has_tag in zip(
                each, timed or [False] * amount, owned or [False] * amount, strict=True
            )
        ]

    def _moments(self, stamps: int | list[int]) -> bytes | list[bytes]:
        settings = self.settings
        last, text = None, ""
        written = []
        for stamp in [stamps] if isinstance(stamps, int) else stamps:
            second, rest = divmod(stamp, 1_000_000_000)
            if second != last:
                last, text = second, utc(second).strftime(settings.time_key_format)
            digits = f"{rest:09d}" if settings.time_key_nanos else f"{rest // 1_000_000:03d}"
            written.append(encode_value(f"{text}.{digits}Z"))
        return written[0] if isinstance(stamps, int) else written

    def _actions(self, tag: str, content: Content, texts: Texts, now: float) -> bytes | list[bytes]:
        """Action lines, without the document's name."""
        settings = self.settings
        if self.target is not None:
            targets = [self.target.render_complete(tag, body) for body in as_records(content).bodies]
            otherwise = utc(int(now)).strftime(settings.index)
            return [self._action(target or otherwise) for target in targets]
        if not settings.logstash_format:
            if self.index is None or settings.current_time_index:
                return self._action(utc(int(now)).strftime(settings.index))
            rendered = [self.index.render(tag, body) for body in as_records(content).bodies]
            return [self._action(index or settings.index) for index in rendered]
        prefixes: list[str] | None = None
        if self.prefix is not None:
            rendered = [self.prefix.render(tag, body) for body in as_records(content).bodies]
            prefixes = [_cut(text) or settings.logstash_prefix for text in rendered]
        if prefixes is None and isinstance(texts.times, int):
            return self._action(self._dated(settings.logstash_prefix, texts.times))
        known: dict[tuple[str, int], bytes] = {}
        actions = []
        stamps = times(texts)
        for prefix, stamp in zip(prefixes or [settings.logstash_prefix] * len(stamps), stamps, strict=True):
            second = stamp // 1_000_000_000
            action = known.get((prefix, second))
            if action is None:
                action = known[prefix, second] = self._action(self._dated(prefix, stamp))
            actions.append(action)
        return actions if len(set(known.values())) > 1 or not actions else actions[0]

    def _dated(self, prefix: str, stamp: int) -> str:
        settings = self.settings
        date = utc(stamp // 1_000_000_000).strftime(settings.logstash_dateformat)
        return f"{prefix}{settings.logstash_prefix_separator}{date}"

    def _action(self, index: str) -> bytes:
        operation = "update" if self.settings.write_operation == "upsert" else self.settings.write_operation
        type_ = b"" if self.settings.suppress_type_name else b',"_type":' + encode_value(self.settings.type)
        return b'{"' + operation.encode() + b'":{"_index":' + encode_value(index) + type_ + b"}}\n"

    def _named(self, actions: bytes | list[bytes], content: Content, documents: bytes) -> bytes | list[bytes]:
        """The action lines with the documents' names."""
        names: list[str | None]
        if self.id is not None:
            found = [self.id.get(body) for body in as_records(content).bodies]
            names = [name if isinstance(name, str) else None for name in found]
        elif self.settings.generate_id:
            names = list(_hashes(documents))
        else:
            return actions
        each = [actions] * len(names) if isinstance(actions, bytes) else actions
        return [
            action if name is None else action[:-3] + b',"_id":' + encode_value(name) + b"}}\n"
            for action, name in zip(each, names, strict=True)
        ]


def _joined(actions: bytes | list[bytes], members: bytes | list[bytes]) -> bytes | list[bytes]:
    if isinstance(actions, bytes):
        return actions + members if isinstance(members, bytes) else [actions + member for member in members]
    if isinstance(members, bytes):
        return [action + members for action in actions]
    return [action + member for action, member in zip(actions, members, strict=True)]


def _cut(prefix: str) -> str:
    encoded = prefix.encode("utf-8", "replace")
    return prefix if len(encoded) <= _LONGEST_PREFIX else encoded[:_LONGEST_PREFIX].decode("utf-8", "ignore")


def _hashes(documents: bytes) -> list[str]:
    """Equal documents of one delivery are as many documents: the second is named by its number, too."""
    seen: Counter[bytes] = Counter()
    names = []
    for line in documents.split(b"\n")[:-1]:
        seen[line] += 1
        salt = b"" if seen[line] == 1 else str(seen[line]).encode()
        name = hashlib.blake2b(line, digest_size=16, salt=salt[:16]).hexdigest()
        names.append(f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}")
    return names


def _without_dots(records: Records) -> Records:
    return Records(times=records.times, bodies=[_renamed(body) for body in records.bodies])


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.replace(".", "_"): _renamed(inner) for name, inner in value.items()}
    return [_renamed(inner) for inner in value] if isinstance(value, list) else value
