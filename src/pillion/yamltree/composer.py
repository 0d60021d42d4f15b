"""Text into documents: libyaml's events composed into nodes that know their place.

Composed here rather than by PyYAML, whose composer forgets duplicate keys, reads another dialect of YAML 1.1 and lets a
small text of aliases grow without bound.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator

import msgspec
import yaml
from yaml import events

from pillion.units.yamlscalars import Value, resolve_plain
from pillion.yamltree.nodes import MappingNode, Mark, Node, Pair, ScalarNode, SequenceNode
from pillion.yamltree.problem import Problem
from pillion.yamltree.scalars import key_text
from pillion.yamltree.syntax import explain

MAX_DEPTH = 100
"""Levels of nesting. A Pod needs about ten."""
MAX_ALIASED = 100_000
"""How many nodes the aliases of one document may stand for. The "billion laughs" need a billion."""

_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


class Document(msgspec.Struct, frozen=True):
    root: Node
    problems: tuple[Problem, ...]
    """What the text says twice or says in a way no JSON can; field paths are those of the document."""


class Text(msgspec.Struct, frozen=True):
    """A whole text as composed: the documents before a syntax error, and the error."""

    documents: tuple[Document, ...]
    syntax_error: Problem | None


Resolve = Callable[[str], Value]
"""What a plain scalar means: the dialect of YAML."""


def compose(text: str, file: str, resolve: Resolve = resolve_plain) -> Text:
    """Every document of a text. Documents that say nothing are left out. Unless told otherwise, kubectl's dialect."""
    documents: list[Document] = []
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[: error.start]
        mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Text(
            (), Problem(file=file, mark=mark, message="the text is not UTF-8", hint="save it as UTF-8")
        )
    try:
        for document in _compose_documents(text, file, resolve):
            documents.append(document)  # noqa: PERF402 - keeps what came before a syntax error
    except yaml.YAMLError as error:
        return Text(tuple(documents), explain(error, text, file))
    except _Refused as refused:
        return Text(tuple(documents), refused.problem)
    return Text(tuple(documents), None)


def _compose_documents(text: str, file: str, resolve: Resolve) -> Iterator[Document]:
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        text = _SURROGATES.sub(_join_surrogates, text)
    parser = yaml.CSafeLoader(text)
    try:
        while not isinstance(parser.peek_event(), events.StreamEndEvent):
            event = parser.get_event()
            if isinstance(event, events.DocumentStartEvent):
                composer = _Composer(parser, file, resolve)
                root = composer.compose_node("", 0)
                if not (isinstance(root, ScalarNode) and root.value is None):
                    yield Document(root, tuple(composer.problems))
    finally:
        parser.dispose()


def _join_surrogates(match: re.Match[str]) -> str:
    r"""JSON's `\ud83d\ude00` as YAML's `\U0001f600`: YAML knows no surrogates."""
    high, low = int(match[2], 16), int(match[3], 16)
    return f"{match[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


class _Composer:
    """One document. Paths are kept only to report problems."""

    def __init__(self, parser: yaml.CSafeLoader, file: str, resolve: Resolve) -> None:
        self.problems: list[Problem] = []
        self._parser = parser
        self._file = file
        self._resolve = resolve
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._composed = 0
        self._aliased = 0

    def compose_node(self, path: str, depth: int) -> Node:
        event = self._parser.get_event()
        assert isinstance(event, events.NodeEvent), "libyaml ends what it started"
        mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)  # type: ignore[union-attr]
        if isinstance(event, events.AliasEvent):
            return self._follow(event.anchor or "", mark, path)
        if depth > MAX_DEPTH:
            raise _Refused(self._problem(mark, path, f"nested more than {MAX_DEPTH} levels deep"))
        before = self._composed
        node = self._compose_content(event, mark, path, depth)
        self._composed += 1
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._composed - before)
        return node

    def _compose_content(self, event: events.NodeEvent, mark: Mark, path: str, depth: int) -> Node:
        match event:
            case events.ScalarEvent():
                self._composed += len(event.value) // 100  # a long text repeated is a bomb too
                return self._scalar(event, mark, path)
            case events.SequenceStartEvent():
                return self._sequence(mark, path, depth)
            case _:
                return self._mapping(mark, path, depth)

    def _follow(self, anchor: str, mark: Mark, path: str) -> Node:
        if anchor not in self._anchors:
            hint = f"write &{anchor} on something before it"
            raise _Refused(self._problem(mark, path, f"*{anchor} refers to nothing", hint))
        node, size = self._anchors[anchor]
        self._aliased += size
        self._composed += size
        if self._aliased > MAX_ALIASED:
            raise _Refused(self._problem(mark, path, "the aliases stand for too much text", "write it out"))
        return node

    def _sequence(self, mark: Mark, path: str, depth: int) -> SequenceNode:
        items: list[Node] = []
        while not isinstance(self._parser.peek_event(), events.SequenceEndEvent):
            items.append(self.compose_node(f"{path}[{len(items)}]", depth + 1))
        self._parser.get_event()
        return SequenceNode(mark, tuple(items))

    def _mapping(self, mark: Mark, path: str, depth: int) -> MappingNode:
        pairs: dict[str, Pair] = {}
        written: dict[str, Mark] = {}
        repeated: list[tuple[str, Pair]] = []
        while not isinstance(self._parser.peek_event(), events.MappingEndEvent):
            if self._at_merge_key():
                self._parser.get_event()
                # kubectl's reader goes by the order in the text: a merge below a key replaces it.
                pairs.update(self._merged(self.compose_node(path, depth + 1), path))
                continue
            key_node = self.compose_node(path, depth + 1)
            key = key_text(key_node.value) if isinstance(key_node, ScalarNode) else None
            inside = f"{path}.{key}" if path else key or ""
            value = self.compose_node(inside, depth + 1)
            if key is None:
                self._report(key_node.mark, path, "a key must be text", "put it in quotes")
            elif key in written:
                line = written[key].line
                repeated.append((key, Pair(key_node.mark, value)))
                self._report(key_node.mark, inside, "duplicate field", f"it is already set on line {line}")
            else:
                written[key] = key_node.mark
                pairs[key] = Pair(key_node.mark, value)
        self._parser.get_event()
        return MappingNode(mark, pairs, tuple(repeated))

    def _at_merge_key(self) -> bool:
        event = self._parser.peek_event()
        return (
            isinstance(event, events.ScalarEvent)
            and event.value == _MERGE
            and (event.implicit[0] if event.tag is None else event.tag == f"{_TAG}merge")
        )

    def _merged(self, node: Node, path: str) -> dict[str, Pair]:
        sources = node.items if isinstance(node, SequenceNode) else (node,)
        merged: dict[str, Pair] = {}
        for source in reversed(sources):  # of several, the first wins
            if isinstance(source, MappingNode):
                merged.update(source.pairs)
            else:
                self._report(source.mark, path, "<< needs a mapping, or a list of mappings")
        return merged

    def _scalar(self, event: events.ScalarEvent, mark: Mark, path: str) -> ScalarNode:
        text = event.value
        tag = (event.tag or "").removeprefix(_TAG)
        if tag == "binary":
            return ScalarNode(mark, self._binary(text, mark, path), text)
        if tag in ("bool", "int", "float", "null"):
            value = self._resolve(text)
            if not _fits(tag, value):
                self._report(mark, path, f"the tag !!{tag} does not fit the value")
        else:
            value = self._resolve(text) if event.tag is None and event.implicit[0] else text
        if isinstance(value, float) and not math.isfinite(value):
            self._report(mark, path, "neither infinity nor .nan is a number in JSON", "put it in quotes")
            value = text
        return ScalarNode(mark, value, text)

    def _binary(self, text: str, mark: Mark, path: str) -> str:
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode()
        except (binascii.Error, ValueError):
            self._report(mark, path, "!!binary must be base64 of UTF-8 text", "remove the tag in a Secret")
            return ""

    def _report(self, mark: Mark, path: str, message: str, hint: str = "") -> None:
        self.problems.append(self._problem(mark, path, message, hint))

    def _problem(self, mark: Mark, path: str, message: str, hint: str = "") -> Problem:
        return Problem(file=self._file, mark=mark, field=path, message=message, hint=hint)


def _fits(tag: str, value: object) -> bool:
    match tag:
        case "null":
            return value is None
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)
