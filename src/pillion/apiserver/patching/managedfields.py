"""`metadata.managedFields`: who owns which fields (apimachinery: util/managedfields/internal/managedfields.go)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from pillion.apiserver.patching.fieldset import FieldSet, parse_fields, union
from pillion.units import parse_time

MAX_UPDATERS = 10
"""Entries of operation Update an object keeps (fieldmanager.go, DefaultMaxUpdateManagers)."""
ANCIENT = "ancient-changes"
"""Owns what the oldest of too many updaters owned (capmanagers.go)."""


class Operation(StrEnum):
    APPLY = "Apply"
    UPDATE = "Update"


class Manager(NamedTuple):
    """Who: a manager is another one for each operation and subresource, an updater for each version as well."""

    name: str
    operation: Operation
    api_version: str = ""
    """Of an updater; an applier is the same whatever version it applies."""
    subresource: str = ""


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    fields: FieldSet
    api_version: str
    time: str | None = None
    """RFC 3339, as stored. None: nobody knows when."""


Managed = dict[Manager, Owned]


def manager_of(name: str, operation: Operation, api_version: str, subresource: str = "") -> Manager:
    version = api_version if operation is Operation.UPDATE else ""
    return Manager(name, operation, version, subresource)


def decode_managed(entries: Any) -> Managed:
    """The owners in an object's managedFields. Raises ValueError for what no server of ours has written."""
    managed: Managed = {}
    if entries is None:
        return managed
    if not isinstance(entries, list):
        raise ValueError("managedFields is not a list")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(f"managed fields entry {index} is not an object")
        manager, owned = _decode_entry(entry, index)
        managed[manager] = owned
    return managed


def _decode_entry(entry: dict[str, Any], index: int) -> tuple[Manager, Owned]:
    texts = {}
    for name in ("manager", "operation", "apiVersion", "fieldsType", "subresource", "time"):
        text = entry.get(name)
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{name} of managed fields entry {index} is not a string")
        texts[name] = text or ""
    if texts["operation"] not in ("Apply", "Update"):
        raise ValueError("operation must be `Apply` or `Update`")
    if not texts["apiVersion"]:
        raise ValueError("apiVersion must not be empty")
    if not texts["fieldsType"]:
        raise ValueError(f"missing fieldsType in managed fields entry {index}")
    if texts["fieldsType"] != "FieldsV1":
        raise ValueError(f'invalid fieldsType "{texts["fieldsType"]}" in managed fields entry {index}')
    if texts["time"]:
        parse_time(texts["time"])
    manager = manager_of(
        texts["manager"], Operation(texts["operation"]), texts["apiVersion"], texts["subresource"]
    )
    fields = entry.get("fieldsV1")
    return manager, Owned(
        fields={} if fields is None else parse_fields(fields),
        api_version=texts["apiVersion"],
        time=texts["time"] or None,
    )


def encode_managed(managed: Managed) -> list[dict[str, Any]]:
    """Appliers first, then by time, name, version and subresource."""
    entries = [_encode_entry(manager, owned) for manager, owned in managed.items()]
    return sorted(entries, key=_entry_order)


def _encode_entry(manager: Manager, owned: Owned) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "manager": manager.name,
        "operation": str(manager.operation),
        "apiVersion": owned.api_version,
        "time": owned.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned.fields,
        "subresource": manager.subresource,
    }
    return {name: part for name, part in entry.items() if part not in (None, "")}


def _entry_order(entry: dict[str, Any]) -> tuple[Any, ...]:
    return (
        entry["operation"],
        _seconds(entry.get("time")),
        entry.get("manager", ""),
        entry["apiVersion"],
        entry.get("subresource", ""),
    )


def _seconds(time: str | None) -> int:
    return math.floor(parse_time(time)) if time else 0


def cap_updaters(managed: Managed) -> Managed:
    """The oldest updaters of each version merged into one, until there are not too many."""
    updaters = [manager for manager in managed if manager.operation is Operation.UPDATE]
    too_many = len(updaters) - MAX_UPDATERS
    if too_many <= 0:
        return managed
    capped = dict(managed)
    first_of: dict[str, Manager] = {}
    for manager in _oldest_first(updaters, managed):
        if too_many <= 0:
            break
        owned = capped[manager]
        bucket = manager_of(ANCIENT, Operation.UPDATE, owned.api_version)
        first = first_of.setdefault(owned.api_version, manager)
        if first == manager:
            continue
        if bucket not in capped:
            capped[bucket] = capped.pop(first)
        del capped[manager]
        capped[bucket] = msgspec.structs.replace(owned, fields=union(capped[bucket].fields, owned.fields))
        too_many -= 1
    return capped


def _oldest_first(updaters: Iterable[Manager], managed: Managed) -> list[Manager]:
    return sorted(updaters, key=lambda manager: (_seconds(managed[manager].time), manager))
