"""A series' identity: its labels, sorted by name, no empty values, `__name__` among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Labels: TypeAlias = tuple[tuple[str, str], ...]


def as_text(found: str) -> str:
    """What the environment or the file system has, as a label: bytes that are no UTF-8 came as lone surrogates, which
    nothing could encode any more; each becomes a replacement character."""
    return found if found.isascii() else found.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def labels_of(mapping: Mapping[str, str]) -> Labels:
    """Sorted, without the empty ones (an empty label is the same as none: Prometheus data model)."""
    return tuple(sorted((name, value) for name, value in mapping.items() if value))
