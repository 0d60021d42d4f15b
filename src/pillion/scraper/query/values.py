"""What expressions give at one instant."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Collection

    from pillion.scraper.labels import Labels

NAME = "__name__"

Vector: TypeAlias = list[tuple["Labels", float]]
Value: TypeAlias = float | str | Vector


class Range(msgspec.Struct, frozen=True):
    """Samples of one series, oldest first."""

    labels: Labels
    times: array[int]
    values: array[float]

    @classmethod
    def empty(cls, labels: Labels) -> Range:
        """To be filled."""
        return cls(labels, array("q"), array("d"))


def without_name(labels: Labels) -> Labels:
    return tuple([pair for pair in labels if pair[0] != NAME])


def only(labels: Labels, names: Collection[str]) -> Labels:
    return tuple([pair for pair in labels if pair[0] in names])


def excluding(labels: Labels, names: Collection[str]) -> Labels:
    """Without these and the name."""
    return tuple([pair for pair in labels if pair[0] not in names and pair[0] != NAME])


def format_labels(labels: Labels) -> str:
    """As messages show them (labels.Labels.String)."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels) + "}"
