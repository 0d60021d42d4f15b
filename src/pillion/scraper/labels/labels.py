"""A series' identity: its labels, sorted by name, no empty values, `__name__` among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Labels: TypeAlias = tuple[tuple[str, str], ...]


def labels_of(mapping: Mapping[str, str]) -> Labels:
    """Sorted, without the empty ones (an empty label is the same as none: Prometheus data model)."""
    return tuple(sorted((name, value) for name, value in mapping.items() if value))
