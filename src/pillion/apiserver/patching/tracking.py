"""Field managers: every write keeps `metadata.managedFields` true.

The order of the steps is that of Kubernetes' chain of managers (apimachinery: util/managedfields/fieldmanager.go,
NewDefaultFieldManager). Objects are plain trees of one kind; neither is changed in place.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver.patching.comparison import Comparison, compare
from pillion.apiserver.patching.fieldset import FieldSet, build, difference, union
from pillion.apiserver.patching.managedfields import (
    Managed,
    Operation,
    Owned,
    cap_updaters,
    decode_managed,
    encode_managed,
    manager_of,
)
from pillion.apiserver.patching.ownership import take_over
from pillion.apiserver.patching.resetfields import is_reset, reset_fields
from pillion.apiserver.patching.schema import object_atom
from pillion.objects import DictMixin, kind_class
from pillion.units import Instant, format_time

Tree = dict[str, Any]

_SYSTEM_METADATA = (
    *("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName"),
    *("generation", "managedFields", "resourceVersion"),
)
_SYSTEM_FIELDS = build({"apiVersion": {}, "kind": {}, "metadata": {name: {} for name in _SYSTEM_METADATA}})
"""Nobody owns these (stripmeta.go)."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is written to."""

    model: type[DictMixin] | None
    """None: a kind we have no types of; its structure is deduced from its values."""
    api_version: str
    kind: str
    subresource: str = ""


def manager_name(field_manager: str, user_agent: str) -> str:
    """Who writes: the request's `fieldManager`, else the program its User-Agent begins with (handlers/create.go)."""
    if field_manager:
        return field_manager
    printable = "".join(c for c in user_agent.partition("/")[0] if c.isprintable())
    return printable.encode()[:128].decode(errors="ignore")


def track(
    live: Tree | None,
    new: Tree,
    manager: str,
    operation: str,
    subresource: str,
    api_version: str,
    now: Instant,
) -> Tree:
    """`new` with its managedFields after a create (`live` is None), an update or a patch by `manager`.

    `new` has its defaults, and not yet what admission adds: nobody owns that. After a server-side apply (`operation` is
    `Apply`) there is nothing left to do.
    """
    if operation == Operation.APPLY:
        return new
    kind = new.get("kind", "")
    target = Target(
        model=kind_class(api_version, kind), api_version=api_version, kind=kind, subresource=subresource
    )
    managed = _managed_before(live, new, target)
    if managed is None or (not managed and live is not None):
        return with_managed(new, {})
    before = blank(target) if live is None else as_go(bare(live))
    changes = compare(before, as_go(bare(new)), object_atom(target.model))
    counted = changes.without(reset_fields(target.kind, target.subresource))
    if not counted.is_same:
        managed = cap_updaters(_record(managed, counted, target, manager, now))
    return with_managed(new, managed)


def _record(managed: Managed, changes: Comparison, target: Target, manager: str, now: Instant) -> Managed:
    left = take_over(managed, changes)
    mine = difference(changes.changed, _SYSTEM_FIELDS)
    if mine:
        who = manager_of(manager or "unknown", Operation.UPDATE, target.api_version, target.subresource)
        previous = left[who].fields if who in left else {}
        left[who] = Owned(fields=union(previous, mine), api_version=target.api_version, time=format_time(now))
    return left


def strip_system_fields(fields: FieldSet) -> FieldSet:
    return difference(fields, _SYSTEM_FIELDS)


def _managed_before(live: Tree | None, new: Tree, target: Target) -> Managed | None:
    """None: the client asks for managedFields to be forgotten."""
    stored = _entries(live) if live is not None else None
    if not target.subresource:
        sent = _entries(new)
        if sent is not None and is_reset(sent):
            return {} if live is None else None
        if sent is not None and sent != stored:
            managed = _decode_or_nothing(sent)
            if managed:
                return managed
    return _decode_or_nothing(stored)


def _decode_or_nothing(entries: Any) -> Managed:
    try:
        return decode_managed(entries)
    except ValueError:
        return {}


def _entries(tree: Tree) -> Any:
    metadata = tree.get("metadata")
    return metadata.get("managedFields") if isinstance(metadata, dict) else None


def bare(tree: Tree) -> Tree:
    """Without managedFields."""
    metadata = tree.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return tree
    return tree | {"metadata": {name: part for name, part in metadata.items() if name != "managedFields"}}


def with_managed(tree: Tree, managed: Managed) -> Tree:
    plain = bare(tree)
    if not managed:
        return plain
    metadata = plain.get("metadata")
    entries = {"managedFields": encode_managed(managed)}
    return plain | {"metadata": (metadata if isinstance(metadata, dict) else {}) | entries}


_BLANKS: dict[str, Tree] = {
    "Pod": {"metadata": {}, "spec": {"containers": None}, "status": {}},
    "Event": {
        "metadata": {},
        "involvedObject": {},
        "regarding": {},
        "source": {},
        "deprecatedSource": {},
        **dict.fromkeys(("eventTime", "firstTimestamp", "lastTimestamp")),
        "reportingComponent": "",
        "reportingInstance": "",
    },
}
_BLANK: Tree = {"metadata": {}, "spec": {}, "status": {}}


def blank(target: Target) -> Tree:
    """What Go has before a create: the objects that are not pointers are there, and empty.

    They are then not new, and nobody owns them: `f:spec` has no `.`.
    """
    return _BLANKS.get(target.kind, _BLANK)


def as_go(tree: Tree) -> Tree:
    """With the objects that Go always has, for the same reason."""
    return tree if tree.keys() >= _BLANK.keys() else _BLANK | tree


def settle_times(live: Tree, new: Tree) -> Tree:
    """`new` with the managedFields of `live` when they differ only in times and nothing else has changed.

    So a write that changes nothing stays one (handlers: fieldmanager/equality.go).
    """
    stored, entries = _entries(live), _entries(new)
    if not isinstance(stored, list) or not isinstance(entries, list) or stored == entries:
        return new
    if _timeless(stored) != _timeless(entries) or bare(live) != bare(new):
        return new
    return live


def _timeless(entries: list[Any]) -> list[Any]:
    return [{name: part for name, part in entry.items() if name != "time"} for entry in entries]
