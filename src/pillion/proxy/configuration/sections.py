"""Mappings and lists of `proxy.yaml`: which keys there are, and how they become the values' structs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Container, Iterator
from typing import Any, TypeAlias

import msgspec

from pillion.proxy.configuration.failure import Wrong, nearest_name
from pillion.proxy.configuration.reading import At, Json, Kind, Reading, described
from pillion.proxy.configuration.scalars import Text
from pillion.yamltree import MappingNode, Node, SequenceNode

Complaint: TypeAlias = tuple[str, str, str]
"""The key, what is wrong with it, what to do."""
Fill: TypeAlias = Callable[[dict[str, Any], At], None]
"""Completes the fields that were read, before they become a struct."""
Shorten: TypeAlias = Callable[[Any, dict[str, Any]], None]
"""The other way: puts what a struct was completed from in the place of what was written for it."""
Problems: TypeAlias = Callable[[Any, Container[str]], Iterator[Complaint]]
"""What is wrong with a section by itself, given the keys that are written."""


class Unusable(Exception):  # noqa: N818 - never leaves this package: it has been complained about
    """There is no value."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """As in the file."""
    kind: Kind[Any]
    help: str
    """For the reference and for editors."""
    is_needed: bool = False
    stand_in: Any = None
    """Of a needed key that says nothing, so that the rest of the section is checked all the same. None: it is not."""
    default: str = ""
    """In words, when it is not the struct's."""
    elsewhere: str = ""
    """The field; default: the name in snake_case."""

    @property
    def field(self) -> str:
        return self.elsewhere or re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", self.name)


def _nothing_to_fill(_values: dict[str, Any], _at: At) -> None:
    pass


def _nothing_to_shorten(_section: Any, _written: dict[str, Any]) -> None:
    pass


def _no_problems(_section: Any, _written: Container[str]) -> Iterator[Complaint]:
    yield from ()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping that becomes a struct. The struct's defaults are the file's."""

    cls: type[msgspec.Struct]
    title: str
    """Of its chapter in the reference."""
    help: str
    keys: tuple[Key, ...]
    fill: Fill = _nothing_to_fill
    shorten: Shorten = _nothing_to_shorten
    problems: Problems = _no_problems
    constraint: Json = {}
    """What JSON Schema can say beyond the keys."""

    @property
    def parts(self) -> tuple[Kind[Any], ...]:
        return tuple(key.kind for key in self.keys)

    @property
    def noun(self) -> str:
        names = [key.name for key in self.keys]
        return f"a mapping with {', '.join(names[:3])}{'…' if len(names) > 3 else ''}"

    @property
    def takes(self) -> str:
        return f"[{self.title}](#{self.title.lower().replace(' ', '-')})"

    def read(self, node: Node, at: At, reading: Reading) -> Any:
        if not isinstance(node, MappingNode):
            raise Wrong(f"expected {self.noun}, found {described(node)}")
        lines = {name: pair.key.line for name, pair in node.pairs.items()}
        unread = {name for name, _ in node.repeated}
        values = self._values(node, at, reading, unread)
        missing = [key for key in self.keys if key.is_needed and key.field not in values]
        for key in missing:
            if key.name not in unread:
                reading.fault(at.key(key.name, at.line), "is missing", f"write {key.kind.noun}")
                unread.add(key.name)
            values[key.field] = key.stand_in
        if any(key.stand_in is None for key in missing):
            raise Unusable
        self.fill(values, at)
        if "line" in self.cls.__struct_fields__:
            values["line"] = at.line
        section = self.cls(**values)
        for name, text, remedy in self.problems(section, lines) if not unread else ():
            reading.fault(at.key(name, lines.get(name, at.line)) if name else at, text, remedy)
            unread.add(name)
        reading.remember(section, at, lines, unread)
        return section

    def _values(self, node: MappingNode, at: At, reading: Reading, unread: set[str]) -> dict[str, Any]:
        """By fields. Adds to `unread`."""
        known = {key.name: key for key in self.keys}
        values: dict[str, Any] = {}
        for name, pair in node.pairs.items():
            here = at.key(name, pair.key.line)
            key = known.get(name)
            if key is None:
                meant = nearest_name(name, known)
                unread |= {name, meant}
                remedy = f"did you mean {meant}?" if meant else f"known here: {', '.join(known)}"
                reading.fault(here, "unknown key", remedy)
                continue
            try:
                value = values[key.field] = key.kind.read(pair.node, here, reading)
            except Wrong as wrong:
                reading.fault(here, wrong.text, wrong.remedy)
                unread.add(name)
            except Unusable:
                unread.add(name)
            else:
                unread |= set() if reading.is_sound(value) else {name}
        return values

    def write(self, value: Any) -> Any:
        """Everything that holds, defaults too; not what is not there."""
        written = {}
        for key in self.keys:
            if key.field not in self.cls.__struct_fields__:
                continue
            found = getattr(value, key.field)
            if found is not None and found != () and found != "":
                written[key.name] = key.kind.write(found)
        self.shorten(value, written)
        return written

    def schema(self) -> Json:
        return {"$ref": f"#/$defs/{self.definition_name}"}

    @property
    def definition_name(self) -> str:
        return "".join(word[0].upper() + word[1:] for word in self.title.split())

    def definition(self) -> Json:
        """What its schema refers to."""
        properties = {}
        for key in self.keys:
            about: Json = {"description": key.help}
            if (default := self.default(key)) is not None:
                about["default"] = default
            properties[key.name] = key.kind.schema() | about
        needed = [key.name for key in self.keys if key.is_needed]
        schema: Json = {"description": self.help, "type": "object", "additionalProperties": False}
        schema["properties"] = properties
        return schema | ({"required": needed} if needed else {}) | self.constraint

    def default(self, key: Key) -> Any:
        """What holds when the key is not written, as the file would say it; None: nothing, or it is told in words."""
        if key.is_needed or key.default or key.field not in self.cls.__struct_fields__:
            return None
        default = _defaults(self.cls)[key.field]
        return None if default is msgspec.NODEFAULT or default in (None, (), "") else key.kind.write(default)


def chapters(kind: object) -> dict[str, Section]:
    """Every section in a kind by its title, itself first."""
    found: dict[str, Section] = {kind.title: kind} if isinstance(kind, Section) else {}
    for part in getattr(kind, "parts", ()):
        found = found | {title: section for title, section in chapters(part).items() if title not in found}
    return found


@functools.cache
def _defaults(cls: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.default for field in msgspec.structs.fields(cls)}


class ListOf(msgspec.Struct, frozen=True, kw_only=True):
    """A list that is not empty: an empty one would say the same as none, or the opposite."""

    item: Kind[Any]
    said: str
    """Of several: `routes`."""
    empty: str = "remove the key"
    """What to do about an empty list."""
    are_apart: bool = False
    """A bad item says nothing about the others: they are read and checked on."""

    @property
    def parts(self) -> tuple[Kind[Any], ...]:
        """The kinds inside."""
        return (self.item,)

    @property
    def noun(self) -> str:
        return f"a list of {self.said}"

    @property
    def takes(self) -> str:
        return f"list of {self.said if isinstance(self.item, Text) else self.item.takes}"

    def read(self, node: Node, at: At, reading: Reading) -> tuple[Any, ...]:
        if not isinstance(node, SequenceNode):
            remedy = (
                "put a dash before it"
                if not isinstance(node, MappingNode) and described(node) != "nothing"
                else ""
            )
            raise Wrong(f"expected {self.noun}, found {described(node)}", remedy)
        if not node.items:
            raise Wrong("is empty", self.empty)
        items: list[Any] = []
        for index, item in enumerate(node.items):
            here = at.item(index, item.mark.line)
            try:
                items.append(self.item.read(item, here, reading))
            except Wrong as wrong:
                reading.fault(here, wrong.text, wrong.remedy)
            except Unusable:
                continue
        are_sound = all(reading.is_sound(item) for item in items) and len(items) == len(node.items)
        if not self.are_apart and not are_sound:
            raise Unusable
        return tuple(items)

    def write(self, value: Any) -> Any:
        return [self.item.write(item) for item in value]

    def schema(self) -> Json:
        return {"type": "array", "minItems": 1, "items": self.item.schema()}
