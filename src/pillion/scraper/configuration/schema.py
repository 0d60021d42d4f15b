"""What a section's struct says about itself, for whoever reads it from YAML and writes it back.

The fields are the keys, their types say how a value is read, their defaults are Prometheus'. What else there is to know
of a section is in its class variables.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, NewType, Self

import msgspec

FilePath = NewType("FilePath", str)
"""A relative one begins at the folder of the configuration file."""
Count = Annotated[int, "uint"]
"""A whole number that is not negative; the string is Go's name of the type, for messages."""
INLINE = "inline"
"""Annotates a section whose keys stand among those of the section around it."""


class NoNulls(msgspec.Struct, frozen=True):
    """Annotates a list in which an empty item is an error, with Prometheus' words for it."""

    text: str


class Section(msgspec.Struct, frozen=True, kw_only=True):
    go_type: ClassVar[str] = ""
    """Prometheus' own name of the section's type: its messages name it."""
    go_decoded: ClassVar[str] = ""
    """The name that it has while it is read: `config.plain` for types that check themselves. Empty: `go_type`."""
    refused: ClassVar[Mapping[str, str]] = {}
    """Keys that Prometheus knows and that cannot be done here, with what to do instead."""
    ineffective: ClassVar[Mapping[str, str]] = {}
    """Keys that are accepted and do nothing here, with the reason; empty: not worth a warning."""
    unwritten: ClassVar[frozenset[str]] = frozenset()
    """Fields that are no keys."""

    def problems(self) -> Iterator[tuple[str, str]]:
        """The key to point at and Prometheus' words, for each thing that is wrong in the section by itself."""
        yield from ()

    def completed(self) -> Self:
        """With what follows from other keys; called when there are no problems."""
        return self


def class_variable(cls: type[msgspec.Struct], name: str) -> Any:
    """Of a section, or of a struct of a lower layer that declares some of them only."""
    return getattr(cls, name, getattr(Section, name))


class Field(msgspec.Struct, frozen=True):
    """A key of a section, or a section whose keys stand among its."""

    name: str
    key: str
    type: Any
    go_type: str
    """Go's name of the type, where it does not follow from ours."""
    is_inline: bool
    no_nulls: str
    default: Any


@functools.cache
def fields_of(cls: type[msgspec.Struct]) -> tuple[Field, ...]:
    """In the order of the struct; with `place`, which whoever reads the section fills in."""
    hints = typing.get_type_hints(cls, include_extras=True)
    unwritten = class_variable(cls, "unwritten") - {"place"}
    infos = (info for info in msgspec.structs.fields(cls) if info.name not in unwritten)
    return tuple(_field(info, hints[info.name]) for info in infos)


def _field(info: msgspec.structs.FieldInfo, hint: Any) -> Field:
    notes: tuple[Any, ...] = ()
    if typing.get_origin(hint) is Annotated:
        hint, *rest = typing.get_args(hint)
        notes = tuple(rest)
    return Field(
        name=info.name,
        key=info.encode_name,
        type=hint,
        go_type=next((note for note in notes if isinstance(note, str) and note != INLINE), ""),
        is_inline=INLINE in notes,
        no_nulls=next((note.text for note in notes if isinstance(note, NoNulls)), ""),
        default=info.default,
    )


@functools.cache
def known_keys(cls: type[msgspec.Struct]) -> frozenset[str]:
    """All that Prometheus knows in a section, whatever becomes of them here."""
    known: set[str] = set()
    for field in fields_of(cls):
        known |= known_keys(field.type) if field.is_inline else {field.key}
    known -= class_variable(cls, "unwritten")
    return frozenset(known | set(class_variable(cls, "refused")) | set(class_variable(cls, "ineffective")))


def words(text: str) -> frozenset[str]:
    """A set of names, written as text."""
    return frozenset(text.split())
