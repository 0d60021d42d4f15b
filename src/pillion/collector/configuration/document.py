"""What both formats are read into: sections of keys and values as they were written, each with its place."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from pillion.collector.configuration.failure import Place

PROCESSORS = "processors"
"""A key of YAML's inputs, and the name of the groups that its entries become."""


class SectionKind(StrEnum):
    """In the order in which Fluent Bit tries them (src/config_format/flb_config_format.c, `get_section_type`)."""

    SERVICE = "service"
    PARSER = "parser"
    MULTILINE_PARSER = "multiline_parser"
    STREAM_PROCESSOR = "stream_processor"
    PLUGINS = "plugins"
    UPSTREAM_SERVERS = "upstream_servers"
    CUSTOM = "custom"
    INPUT = "input"
    FILTER = "filter"
    OUTPUT = "output"


class Property(msgspec.Struct, frozen=True):
    """One key. A list (YAML only) is a tuple of its items."""

    key: str
    """In lower case, and in snake case."""
    value: str | tuple[str, ...]
    place: Place

    @property
    def values(self) -> tuple[str, ...]:
        return (self.value,) if isinstance(self.value, str) else self.value


class Group(msgspec.Struct, frozen=True):
    """Keys below a key: the rules of a YAML multiline parser, each of `processors`."""

    name: str
    properties: tuple[Property, ...]
    place: Place


class Section(msgspec.Struct, frozen=True, kw_only=True):
    kind: SectionKind
    properties: tuple[Property, ...] = ()
    groups: tuple[Group, ...] = ()
    place: Place

    @property
    def title(self) -> str:
        return f"[{self.kind.value.upper()}]"

    def values(self, key: str) -> tuple[str, ...]:
        """Everything that was written for a key, in order."""
        return tuple(value for prop in self.properties if prop.key == key for value in prop.values)


class Variable(msgspec.Struct, frozen=True):
    """`@SET name=value`, or an entry of YAML's `env`."""

    name: str
    value: str
    place: Place


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration file with all that it includes."""

    sections: tuple[Section, ...] = ()
    variables: tuple[Variable, ...] = ()


class Files(Protocol):
    """The files that a configuration may name."""

    def load(self, path: str) -> bytes:
        """Raises OSError."""

    def exists(self, path: str) -> bool: ...

    def identity(self, path: str) -> str:
        """The same for two names of one file."""

    def matching(self, pattern: str) -> list[str]:
        """Existing paths, in alphabetical order."""
