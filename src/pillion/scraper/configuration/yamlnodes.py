"""YAML as Prometheus' reader sees it: scalars with their tags, lines, anchors followed, merge keys kept for who merges.

Composed from libyaml's events: PyYAML's composer knows another dialect and dies of deep nesting.
"""

from __future__ import annotations

import base64
import binascii

import msgspec
import yaml
from yaml import events
from yaml.reader import ReaderError

from pillion.units.yamlscalars import Value, resolve_plain

MAX_DEPTH = 100
"""Levels of nesting. A configuration needs about ten."""
MAX_NODES = 1_000_000
"""Nodes with those that aliases stand for, so that a small text cannot stand for a huge one."""

_TAG = "tag:yaml.org,2002:"


class Scalar(msgspec.Struct, gc=False):
    line: int
    text: str
    value: Value
    """What the text means without quotes."""
    tag: str
    """`!!str`, `!!int`, …"""


class Sequence(msgspec.Struct, gc=False):
    line: int
    items: list[Node]
    size: int = 1


class Mapping(msgspec.Struct, gc=False):
    line: int
    pairs: list[tuple[Node, Node]]
    size: int = 1
    """Nodes in it, aliases followed."""


Node = Scalar | Sequence | Mapping


class YamlError(ValueError):
    """The text is not YAML. `line` counts from 1; 0: not known."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def compose(text: str) -> Node | None:
    """The first document's root; None when the text says nothing. Raises YamlError in libyaml's words."""
    try:
        parser = yaml.CSafeLoader(text)
    except ReaderError as error:
        raise _unreadable(error, text) from None
    except UnicodeEncodeError as error:
        raise YamlError(text[: error.start].count("\n") + 1, "yaml: invalid Unicode character") from None
    try:
        return _Composer(parser).compose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        raise YamlError(line, f"yaml: line {line}: {error.problem or error.context}") from None
    except ReaderError as error:
        raise _unreadable(error, text) from None
    finally:
        parser.dispose()


def is_merge_key(node: Node) -> bool:
    return isinstance(node, Scalar) and node.tag == "!!merge"


def _unreadable(error: ReaderError, text: str) -> YamlError:
    line = text.encode(errors="replace")[: error.position].count(b"\n") + 1
    return YamlError(line, f"yaml: {error.reason}")


class _Composer:
    def __init__(self, parser: yaml.CSafeLoader) -> None:
        self._parser = parser
        self._anchors: dict[str, Node] = {}
        self._open: set[str] = set()
        self._nodes = 0

    def compose(self) -> Node | None:
        while not isinstance(event := self._parser.get_event(), events.StreamEndEvent):
            if isinstance(event, events.DocumentStartEvent):
                root = self._node(0)
                # goyaml reads one document; what may stand behind it is looked at for its syntax only.
                while not isinstance(self._parser.get_event(), events.StreamEndEvent):
                    pass
                return root
        return None

    def _node(self, depth: int) -> Node:
        event = self._parser.get_event()
        assert isinstance(event, events.NodeEvent), "libyaml ends what it started"
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        if isinstance(event, events.AliasEvent):
            return self._follow(event.anchor or "", line)
        if depth > MAX_DEPTH:
            raise YamlError(line, f"yaml: line {line}: nested more than {MAX_DEPTH} levels deep")
        anchor = event.anchor
        if anchor is not None:
            self._open.add(anchor)
        node = self._content(event, line, depth)
        self._count(1, line)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = node
        return node

    def _content(self, event: events.NodeEvent, line: int, depth: int) -> Node:
        if isinstance(event, events.ScalarEvent):
            return _scalar(event, line)
        if isinstance(event, events.SequenceStartEvent):
            sequence = Sequence(line, [])
            while not isinstance(self._parser.peek_event(), events.SequenceEndEvent):
                sequence.items.append(item := self._node(depth + 1))
                sequence.size += _size(item)
            self._parser.get_event()
            return sequence
        mapping = Mapping(line, [])
        while not isinstance(self._parser.peek_event(), events.MappingEndEvent):
            key, value = self._node(depth + 1), self._node(depth + 1)
            mapping.pairs.append((key, value))
            mapping.size += _size(key) + _size(value)
        self._parser.get_event()
        return mapping

    def _follow(self, anchor: str, line: int) -> Node:
        if anchor in self._open:
            raise YamlError(line, f"yaml: anchor '{anchor}' value contains itself")
        if anchor not in self._anchors:
            raise YamlError(line, f"yaml: unknown anchor '{anchor}' referenced")
        node = self._anchors[anchor]
        self._count(_size(node), line)
        return node

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise YamlError(line, "yaml: document contains excessive aliasing")


def _size(node: Node) -> int:
    return 1 if isinstance(node, Scalar) else node.size


def _scalar(event: events.ScalarEvent, line: int) -> Scalar:
    text = event.value
    tag = (event.tag or "").removeprefix(_TAG)
    is_plain = event.implicit[0] if event.tag is None else False
    if tag == "binary":
        try:
            text = base64.b64decode("".join(text.split()), validate=True).decode()
        except (binascii.Error, ValueError):
            raise YamlError(line, "yaml: !!binary value contains invalid base64 data") from None
        return Scalar(line, text, text, "!!binary")
    if (is_plain and text == "<<") or tag == "merge":
        return Scalar(line, text, text, "!!merge")
    if is_plain or tag in ("bool", "int", "float", "null"):
        value = resolve_plain(text)
        if tag == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if tag and _tag_of(value) != f"!!{tag}":
            raise YamlError(line, f"yaml: cannot decode {_tag_of(value)} `{text}` as a !!{tag}")
        return Scalar(line, text, value, _tag_of(value))
    return Scalar(line, text, text, "!!str")


def _tag_of(value: Value) -> str:
    match value:
        case None:
            return "!!null"
        case bool():
            return "!!bool"
        case int():
            return "!!int"
        case float():
            return "!!float"
        case _:
            return "!!str"
