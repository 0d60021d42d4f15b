"""The table of messages: what each numbered field is called and how its bytes are read."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources

import msgspec


class Leaf(StrEnum):
    """What is a value in JSON, with its letter in the table."""

    STRING = "s"
    INTEGER = "i"
    BOOLEAN = "?"
    BYTES = "b"
    QUANTITY = "Q"
    INT_OR_STRING = "N"
    TIME = "T"
    MICRO_TIME = "M"
    FIELDS = "F"
    STRINGS = "X"


class Multiplicity(StrEnum):
    ONE = ""
    LIST = "["
    MAP = "{"
    INLINE = "+"


class MessageField(msgspec.Struct, frozen=True):
    name: str
    kind: Leaf | str
    """A leaf, or the name of a message."""
    multiplicity: Multiplicity
    is_kept: bool
    """In JSON also when it is empty."""


Message = dict[int, MessageField]

_LEAVES = {leaf.value: leaf for leaf in Leaf}
_MARKS = {mark.value: mark for mark in Multiplicity if mark.value}


@cache
def messages() -> dict[str, Message]:
    """All messages by the names of their models: `core_v1.Pod`."""
    text = resources.files(__package__).joinpath("messages.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return dict(_parse(line) for line in lines)


def _parse(line: str) -> tuple[str, Message]:
    name, _, fields = line.partition(": ")
    module = name.rpartition(".")[0]
    message: Message = {}
    for field in fields.split(", "):
        number, wire_name, kind = field.split(" ")
        multiplicity = _MARKS.get(kind[0], Multiplicity.ONE)
        inner = kind.strip("[]{}+!")
        leaf_or_message = _LEAVES.get(inner) or (inner if "." in inner or not module else f"{module}.{inner}")
        message[int(number)] = MessageField(wire_name, leaf_or_message, multiplicity, kind.endswith("!"))
    return name, message
