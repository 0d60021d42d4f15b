"""Tables: what `kubectl get` prints, computed by the server.

Knows columns and cells; neither lists nor watches.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from pillion.apiserver.tables.columns import Column, Printer
from pillion.apiserver.tables.kinds import BY_STORAGE, OTHERS
from pillion.apiserver.tables.pods import PODS
from pillion.units import Instant

__all__ = ["IncludeObject", "Printer", "as_metadata", "build_table", "printer_of"]

_PRINTERS = BY_STORAGE | {"pods": PODS}


class IncludeObject(StrEnum):
    """What a row carries besides its cells (`includeObject`)."""

    METADATA = "Metadata"
    OBJECT = "Object"
    NONE = "None"


class _WithMetadata(msgspec.Struct):
    metadata: msgspec.Raw


_METADATA = msgspec.json.Decoder(_WithMetadata)


def printer_of(storage: str) -> Printer:
    return _PRINTERS.get(storage, OTHERS)


def as_metadata(value: bytes, version: str = "v1") -> bytes:
    """An object without anything but its metadata (PartialObjectMetadata)."""
    metadata = bytes(_METADATA.decode(value).metadata)
    return (
        b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%s","metadata":' % version.encode()
        + metadata
        + b"}"
    )


def build_table(
    printer: Printer,
    values: Iterable[bytes],
    *,
    now: Instant,
    list_metadata: dict[str, Any],
    version: str = "v1",
    include: IncludeObject = IncludeObject.METADATA,
    with_columns: bool = True,
) -> bytes:
    """A Table as JSON. Rows carry the objects' own bytes: nothing is encoded twice."""
    rows = []
    for value in values:
        row = printer.print_row(value, now)
        encoded: dict[str, Any] = {"cells": row.cells}
        if row.conditions:
            encoded["conditions"] = row.conditions
        if include is IncludeObject.METADATA:
            encoded["object"] = msgspec.Raw(as_metadata(value, version))
        elif include is IncludeObject.OBJECT:
            encoded["object"] = msgspec.Raw(value)
        rows.append(encoded)
    return msgspec.json.encode(
        {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": list_metadata,
            "columnDefinitions": [_definition(column) for column in printer.columns]
            if with_columns
            else None,
            "rows": rows,
        }
    )


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }
