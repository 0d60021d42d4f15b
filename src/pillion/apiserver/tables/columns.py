"""A table's columns and rows (apimachinery: meta/v1 Table)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pillion.units import Instant, human_duration, parse_time

NONE, UNKNOWN = "<none>", "<unknown>"

Cell = str | int | bool | None


class Column(msgspec.Struct, frozen=True):
    name: str
    description: str
    type: str = "string"
    format: str = ""
    priority: int = 0
    """0: always shown; 1: only with `-o wide`."""


class Row(msgspec.Struct, frozen=True):
    cells: tuple[Cell, ...]
    conditions: tuple[dict[str, str], ...] = ()


class Printer(msgspec.Struct, frozen=True):
    """How one kind is shown in rows."""

    columns: tuple[Column, ...]
    print_row: Callable[[bytes, Instant], Row]
    """From the object's JSON."""


NAME = Column("Name", "The object's name, unique in its namespace.", format="name")
AGE = Column("Age", "Time since the object was created.")


def wide(name: str, description: str, kind: str = "string") -> Column:
    return Column(name, description, type=kind, priority=1)


_TREES = msgspec.json.Decoder(dict[str, Any])


def of_trees(
    columns: tuple[Column, ...], cells: Callable[[dict[str, Any], Instant], tuple[Cell, ...]]
) -> Printer:
    """A printer over plain trees, for kinds whose rows need no types."""
    return Printer(columns, lambda value, now: Row(cells(_TREES.decode(value), now)))


def name_of(tree: dict[str, Any]) -> str:
    return str((tree.get("metadata") or {}).get("name", ""))


def age_of(tree: dict[str, Any], now: Instant) -> str:
    return since((tree.get("metadata") or {}).get("creationTimestamp"), now)


def since(text: str | None, now: Instant) -> str:
    """How long ago, in the printers' words."""
    return human_duration(now - parse_time(text)) if text else UNKNOWN


def format_labels(labels: dict[str, str] | None) -> str:
    """`a=b,c=d`, sorted (apimachinery: util/labels FormatLabels)."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE
