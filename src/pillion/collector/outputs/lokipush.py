"""Loki's push requests: which stream a record belongs to, and what its line is. Pure.

Source: Fluent Bit's plugins/out_loki/loki.c (`pack_labels`, `pack_structured_metadata`, `pack_record`). Records with
the same labels share a stream here; Fluent Bit makes a stream for each record whose labels are its own.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pillion.collector.outputs.embedding import quoted
from pillion.collector.outputs.omission import without
from pillion.collector.records import Body, Content, Lines
from pillion.collector.records.accessor import Accessor
from pillion.collector.records.bodies import as_text, encode_body, encode_value
from pillion.collector.records.conversion import as_records, as_texts, times
from pillion.collector.records.template import Template, parse_template

_ODD = re.compile(r"[^A-Za-z0-9_]")
KUBERNETES_LABELS = Accessor(key="kubernetes", steps=("labels",))


class Label(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: Template


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How records become entries."""

    labels: tuple[Label, ...] = ()
    metadata: tuple[Label, ...] = ()
    metadata_maps: tuple[Accessor, ...] = ()
    """Maps whose members are structured metadata."""
    has_kubernetes_labels: bool = False
    removed: tuple[Accessor, ...] = ()
    """What the line does not repeat."""
    is_key_value: bool = False
    drops_single_key: bool = False
    is_raw: bool = False
    """With `drops_single_key`: a text is not quoted."""

    @property
    def has_metadata(self) -> bool:
        return bool(self.metadata or self.metadata_maps)

    @property
    def is_constant(self) -> bool:
        """Every record of a tag has the same labels, and its line is all of it."""
        return (
            all(label.value.is_constant for label in self.labels)
            and not self.has_kubernetes_labels
            and not self.has_metadata
            and not self.removed
            and not self.is_key_value
        )


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """The entries of one request, record for record."""

    labels: list[bytes] | bytes
    """JSON objects; one that all of them have."""
    times: list[int]
    lines: list[bytes]
    """The insides of JSON strings."""
    metadata: list[bytes] | None = None
    """JSON objects."""

    def body(self) -> bytes:
        """`{"streams":[{"stream":{…},"values":[["TIME","LINE"],…]},…]}`"""
        if isinstance(self.labels, bytes):
            streams = [_stream(self.labels, self._values())]
        else:
            grouped: dict[bytes, list[bytes]] = {}
            for labels, value in zip(self.labels, self._values(), strict=True):
                grouped.setdefault(labels, []).append(value)
            streams = [_stream(labels, values) for labels, values in grouped.items()]
        return b'{"streams":[' + b",".join(streams) + b"]}"

    def _values(self) -> list[bytes]:
        pairs = zip(self.times, self.lines, strict=True)
        if self.metadata is None:
            return [b'["%d","%b"]' % pair for pair in pairs]
        return [
            b'["%d","%b",%b]' % (*pair, metadata) for pair, metadata in zip(pairs, self.metadata, strict=True)
        ]


def push(shape: Shape, tag: str, content: Content) -> Push:
    if shape.is_constant and (lines := _whole_lines(shape, content)) is not None:
        return Push(labels=_labels(shape, tag, {}), times=times(content, len(lines)), lines=lines)
    records = as_records(content)
    return Push(
        labels=[_labels(shape, tag, body) for body in records.bodies],
        times=records.times,
        lines=[encode_value(line_of(shape, body))[1:-1] for body in records.bodies],
        metadata=[_metadata(shape, tag, body) for body in records.bodies] if shape.has_metadata else None,
    )


def _stream(labels: bytes, values: list[bytes]) -> bytes:
    return b'{"stream":' + labels + b',"values":[' + b",".join(values) + b"]}"


def line_of(shape: Shape, body: Body) -> str:
    rest = without(body, shape.removed)
    if shape.drops_single_key and len(rest) == 1:
        [value] = rest.values()
        if isinstance(value, str) and (shape.is_raw or shape.is_key_value):
            return value
        return _shown(value) if shape.is_key_value else encode_value(value).decode()
    if shape.is_key_value:
        return " ".join(f"{name}={_shown(value)}" for name, value in rest.items())
    return encode_body(rest).decode()


def label_name(accessor: Accessor) -> str:
    """`$kubernetes['labels']['app.io/name']` is kubernetes_labels_app_io_name."""
    return sanitized("_".join([accessor.key, *map(str, accessor.steps)]))


def sanitized(name: str) -> str:
    name = _ODD.sub("_", name)
    return f"_{name}" if name[:1].isdigit() else name


def parse_label(text: str) -> Label:
    """`NAME=VALUE`, `NAME=$accessor` or `$accessor`. Raises ValueError, with what is wrong."""
    if text.startswith("$"):
        if text[1:2].isdigit():
            raise ValueError(f"{text!r}: the name of a key does not begin with a digit")
        template = parse_template(text)
        names = [label_name(part) for part in template.parts if isinstance(part, Accessor)]
        if not names:
            raise ValueError(f"{text!r} is no record accessor")
        return Label(name="_".join(names), value=template)
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise ValueError(f"{text!r} is not NAME=VALUE")
    if not value.startswith("$"):
        return Label(name=name, value=Template(parts=(value,)))
    return Label(name=name, value=parse_template(value))


def removed_by(labels: tuple[Label, ...]) -> tuple[Accessor, ...]:
    """What was made a label is not in the line again."""
    firsts = [label.value.parts[0] for label in labels if label.value.parts]
    return tuple(part for part in firsts if isinstance(part, Accessor))


def parse_label_map(tree: Any, way: tuple[str, ...] = ()) -> list[Label]:
    """`label_map_path`'s file: nested as the record is, with names of labels at the ends. Raises ValueError."""
    if isinstance(tree, str) and way:
        return [Label(name=tree, value=Template(parts=(Accessor(key=way[0], steps=way[1:]),)))]
    if not isinstance(tree, dict):
        raise ValueError("it has something else than objects and names of labels")
    return [label for name, inner in tree.items() for label in parse_label_map(inner, (*way, name))]


def _whole_lines(shape: Shape, content: Content) -> list[bytes] | None:
    if not shape.drops_single_key:
        return quoted(as_texts(content).data)
    if shape.is_raw and isinstance(content, Lines):
        return quoted(content.data)
    return None


def _labels(shape: Shape, tag: str, body: Body) -> bytes:
    labels = {label.name: value for label in shape.labels if (value := label.value.render(tag, body))}
    if shape.has_kubernetes_labels:
        found = KUBERNETES_LABELS.get(body)
        if isinstance(found, dict):
            labels |= {sanitized(name): value for name, value in found.items() if isinstance(value, str)}
    return encode_body(labels or {"job": "fluent-bit"})


def _metadata(shape: Shape, tag: str, body: Body) -> bytes:
    """Loki takes texts only."""
    metadata: dict[str, str] = {}
    for accessor in shape.metadata_maps:
        found = accessor.get(body)
        if isinstance(found, dict):
            for name, value in found.items():
                metadata[sanitized(name)] = value if isinstance(value, str) else encode_value(value).decode()
    for label in shape.metadata:
        if value := label.value.render(tag, body):
            metadata[label.name] = value
    return encode_body(metadata)


def _shown(value: Any) -> str:
    """A value in a key_value line (`pack_format_line_value`): as Go's logfmt of Loki's first clients, unescaped."""
    match value:
        case str():
            return f'"{value}"'
        case bytes():
            return f'"{as_text(value)}"'
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.1f}" if value.is_integer() else f"{value:.16g}"
        case list():
            return '"[' + " ".join(map(_shown, value)) + ']"'
        case dict():
            return '"map[' + " ".join(f"{name}:{_shown(inner)}" for name, inner in value.items()) + ']"'
        case _:
            return str(value)
