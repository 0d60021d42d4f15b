"""Server-side apply: an applier says all it wants, and owns it (apimachinery: util/managedfields/internal)."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver.patching.comparison import compare, fields_of
from pillion.apiserver.patching.conflicts import conflict_error, except_for
from pillion.apiserver.patching.errors import bad_request, merge_failure
from pillion.apiserver.patching.fieldset import FieldSet, difference
from pillion.apiserver.patching.managedfields import (
    Managed,
    Manager,
    Operation,
    Owned,
    decode_managed,
    manager_of,
)
from pillion.apiserver.patching.ownership import Applied, apply
from pillion.apiserver.patching.resetfields import reset_fields
from pillion.apiserver.patching.schema import Atom, object_atom
from pillion.apiserver.patching.tracking import (
    Target,
    as_go,
    bare,
    blank,
    strip_system_fields,
    with_managed,
)
from pillion.apiserver.patching.validation import validate
from pillion.units import Instant, format_time

Tree = dict[str, Any]

KUBECTL = "kubectl"
"""The one manager that may take over, without a conflict, what it applied on the client's side before."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"
"""Owns what an object nobody kept track of had in it before its first apply (skipnonapplied.go)."""
_MAX_ANNOTATIONS_BYTES = 256 * 1024


def apply_configuration(
    live: Tree | None, config: Tree, target: Target, *, manager: str, force: bool, now: Instant
) -> Tree:
    """The object as the configuration wants it, with its managedFields. Raises PatchError.

    `live` is None when there is no object yet.
    """
    _check_config(config, target)
    atom = object_atom(target.model)
    problem = validate(config, atom)
    if problem:
        raise merge_failure(f"failed to create typed patch object ({_describe(config, target)}): {problem}")
    before = {} if live is None else bare(live)
    managed = _managed_before(live, before, target, now)
    who = manager_of(manager, Operation.APPLY, target.api_version, target.subresource)
    ignored = reset_fields(target.kind, target.subresource)
    applied = apply(before, config, atom, managed, who, target.api_version, ignored)
    if applied.conflicts and not force:
        _check_conflicts(applied, before, target, atom, manager)
    result = applied.object
    if manager == KUBECTL:
        result = _sync_last_applied(result, config)
    return with_managed(result, _stamp(applied, who, now))


def _check_config(config: Tree, target: Target) -> None:
    api_version, kind = config.get("apiVersion"), config.get("kind")
    if (api_version, kind) != (target.api_version, target.kind):
        raise bad_request(f"invalid object type: {_group_version_kind(api_version, kind)}")
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("managedFields"), list):
        raise bad_request("metadata.managedFields must be nil")


def _managed_before(live: Tree | None, before: Tree, target: Target, now: Instant) -> Managed:
    if live is None:
        return {}
    metadata = live.get("metadata")
    try:
        managed = decode_managed(metadata.get("managedFields") if isinstance(metadata, dict) else None)
    except ValueError as error:
        raise merge_failure(f"failed to decode managed fields: {error}") from None
    if managed:
        return managed
    changes = compare(blank(target), as_go(before), object_atom(target.model)).without(
        reset_fields(target.kind, target.subresource)
    )
    fields = strip_system_fields(changes.changed)
    if not fields:
        return {}
    first = manager_of(BEFORE_FIRST_APPLY, Operation.UPDATE, target.api_version, target.subresource)
    return {first: Owned(fields=fields, api_version=target.api_version, time=format_time(now))}


def _check_conflicts(applied: Applied, before: Tree, target: Target, atom: Atom, manager: str) -> None:
    conflicts = applied.conflicts
    if manager == KUBECTL:
        conflicts = except_for(conflicts, _applied_by_client(before, target, atom))
    if conflicts:
        raise conflict_error(conflicts)


def _applied_by_client(live: Tree, target: Target, atom: Atom) -> FieldSet:
    """Fields that still have the value `kubectl apply` gave them (lastappliedmanager.go)."""
    text = _last_applied(live)
    if not text:
        return {}
    try:
        last = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(last, dict) or last.get("apiVersion") != target.api_version or validate(last, atom):
        return {}
    changes = compare(last, live, atom)
    return difference(difference(fields_of(last, atom), changes.changed), changes.removed)


def _stamp(applied: Applied, who: Manager, now: Instant) -> Managed:
    """The applier's entry without the fields nobody owns, and with the time of its last change."""
    managed = dict(applied.managed)
    mine = managed.pop(who, None)
    if mine is not None:
        fields = strip_system_fields(mine.fields)
        if fields:
            time = format_time(now) if applied.changed else mine.time
            managed[who] = msgspec.structs.replace(mine, fields=fields, time=time)
    return managed


def _sync_last_applied(result: Tree, config: Tree) -> Tree:
    """Keep the client-side annotation of an object that has one true to what kubectl applied now.

    One that would grow too large is left out (lastappliedupdater.go, lastapplied.go).
    """
    if not _last_applied(result):
        return result
    annotations = {
        name: text for name, text in result["metadata"]["annotations"].items() if name != LAST_APPLIED
    }
    with_new = annotations | {LAST_APPLIED: _encode_config(config)}
    size = sum(len(name.encode()) + len(str(text).encode()) for name, text in with_new.items())
    kept = with_new if size <= _MAX_ANNOTATIONS_BYTES else annotations
    return result | {"metadata": result["metadata"] | {"annotations": kept}}


def _encode_config(config: Tree) -> str:
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("annotations"), dict):
        annotations = {name: text for name, text in metadata["annotations"].items() if name != LAST_APPLIED}
        config = config | {"metadata": metadata | {"annotations": annotations}}
    text = msgspec.json.encode(config, order="sorted").decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026") + "\n"


def _last_applied(tree: Tree) -> str:
    metadata = tree.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
    return text if isinstance(text, str) else ""


def _describe(config: Tree, target: Target) -> str:
    metadata = config.get("metadata")
    names = metadata if isinstance(metadata, dict) else {}
    kind = _group_version_kind(target.api_version, target.kind)
    return f"{_text(names.get('namespace'))}/{_text(names.get('name'))}; {kind}"


def _group_version_kind(api_version: Any, kind: Any) -> str:
    group, _, version = _text(api_version).rpartition("/")
    return f"{group}/{version}, Kind={_text(kind)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
