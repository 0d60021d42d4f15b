"""Deletion: now, in a while, or once others agree.

Sources: apiserver, registry/rest/delete.go (BeforeDelete) and registry/generic/registry/store.go (Delete);
pkg/registry/core/namespace/storage/storage.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.conversion import from_storage
from pillion.apiserver.decoding import read_message
from pillion.apiserver.registry import Resource
from pillion.apiserver.strategies import strategy_of
from pillion.apiserver.writes import WriteOptions, Writes, encoder
from pillion.clock import Clock
from pillion.objects.fielderrors import Path, invalid, not_supported
from pillion.store import ConflictError, Key, NotFoundError
from pillion.units import Instant, format_time, parse_time

Tree = dict[str, Any]

_RETRIES = 5
_POLICIES = ("Background", "Foreground", "Orphan")
_POLICY_FINALIZERS = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}
_NAMESPACE_BUSY = (
    "The system is ensuring all content is removed from this namespace. Upon completion, this namespace will "
    "automatically be purged by the system."
)


class DeleteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """metav1.DeleteOptions."""

    grace_seconds: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    propagation: str | None = None
    orphan_dependents: bool | None = None


class Deleted(msgspec.Struct, frozen=True):
    tree: Tree
    """As it was last, or as it is now while it waits."""
    is_gone: bool


class _Preconditions(msgspec.Struct):
    uid: str | None = None
    resourceVersion: str | None = None


class _DeleteOptions(msgspec.Struct):
    gracePeriodSeconds: int | None = None
    preconditions: _Preconditions = msgspec.field(default_factory=_Preconditions)
    propagationPolicy: str | None = None
    orphanDependents: bool | None = None


def read_delete_options(tree: Tree) -> DeleteOptions:
    """From a body. Raises ApiError."""
    read = read_message(_DeleteOptions, tree, "DeleteOptions")
    options = DeleteOptions(
        grace_seconds=read.gracePeriodSeconds,
        uid=read.preconditions.uid,
        resource_version=read.preconditions.resourceVersion,
        propagation=read.propagationPolicy,
        orphan_dependents=read.orphanDependents,
    )
    errors = []
    path = Path("propagationPolicy")
    if options.propagation is not None and options.orphan_dependents is not None:
        errors.append(
            invalid(path, options.propagation, "orphanDependents and deletionPropagation cannot be both set")
        )
    elif options.propagation is not None and options.propagation not in _POLICIES:
        errors.append(not_supported(path, options.propagation, (*_POLICIES, "nil")))
    if errors:
        raise statuses.invalid("DeleteOptions", "", errors, group="meta.k8s.io")
    return options


class Deletions:
    def __init__(self, writes: Writes, clock: Clock) -> None:
        self._writes = writes
        self._clock = clock

    async def delete(
        self, resource: Resource, namespace: str, name: str, wanted: DeleteOptions, options: WriteOptions
    ) -> Deleted:
        """Raises ApiError."""
        key = Key(resource.storage, namespace, name)
        async with self._writes.locks.holding(key):
            for attempt in range(_RETRIES + 1):
                try:
                    return await self._delete(resource, key, wanted, options)
                except ConflictError:
                    if attempt == _RETRIES:
                        raise statuses.conflict(resource, name) from None
                except NotFoundError:
                    break
        raise statuses.not_found(resource, name)

    async def _delete(
        self, resource: Resource, key: Key, wanted: DeleteOptions, options: WriteOptions
    ) -> Deleted:
        store = self._writes.store
        current = self._writes.read(resource, key.namespace, key.name)
        old: Tree = from_storage(resource, msgspec.json.decode(current.value))
        _check_preconditions(resource, key.name, wanted, old["metadata"])
        await self._writes.admit_deletion(resource, key, old, options)
        metadata = dict(old["metadata"])
        new = {**old, "metadata": metadata}
        now = self._clock.now()
        if resource.storage == "namespaces":
            is_now = _terminate_namespace(resource, key.name, new, now)
        else:
            _set_propagation_finalizers(metadata, wanted)
            is_now = _set_deletion(resource, old, metadata, wanted, now)
        if options.is_dry_run or (new == old and not is_now):
            return Deleted(new, is_now)
        write = store.delete if is_now else store.update
        await write(key, encoder(resource, new), expected=current.revision)
        return Deleted(new, is_now)


def _check_preconditions(resource: Resource, name: str, wanted: DeleteOptions, metadata: Tree) -> None:
    for what, asked, actual in (
        ("UID", wanted.uid, metadata["uid"]),
        ("ResourceVersion", wanted.resource_version, metadata["resourceVersion"]),
    ):
        if asked is not None and asked != actual:
            raise statuses.conflict(
                resource,
                name,
                f"Precondition failed: {what} in precondition: {asked}, {what} in object meta: {actual}",
            )


def _set_propagation_finalizers(metadata: Tree, wanted: DeleteOptions) -> None:
    """What the garbage collector has to do before the object may go (deletionFinalizersForGarbageCollection)."""
    policy = wanted.propagation
    if wanted.orphan_dependents is not None:
        policy = "Orphan" if wanted.orphan_dependents else "Background"
    if policy is None:
        return
    kept = [name for name in metadata.get("finalizers", ()) if name not in _POLICY_FINALIZERS.values()]
    if policy in _POLICY_FINALIZERS:
        kept.append(_POLICY_FINALIZERS[policy])
    if kept:
        metadata["finalizers"] = kept
    else:
        metadata.pop("finalizers", None)


def _set_deletion(resource: Resource, old: Tree, metadata: Tree, wanted: DeleteOptions, now: Instant) -> bool:
    """Mark the object as being deleted. Whether nothing keeps it any longer."""
    grace = strategy_of(resource.storage).grace_seconds(old, wanted.grace_seconds)
    pending = metadata.get("deletionGracePeriodSeconds")
    if "deletionTimestamp" not in metadata:
        seconds = grace or 0
        if seconds == 0 and not metadata.get("finalizers"):
            return True
        metadata["deletionTimestamp"] = format_time(Instant(now + seconds))
        metadata["deletionGracePeriodSeconds"] = seconds
        if metadata.get("generation"):
            metadata["generation"] += 1
        return False
    # Grace is only ever shortened, and only when that is asked for.
    if pending and wanted.grace_seconds is not None and grace is not None and grace < pending:
        asked_at = parse_time(metadata["deletionTimestamp"]) - pending
        metadata["deletionTimestamp"] = format_time(Instant(asked_at + grace))
        metadata["deletionGracePeriodSeconds"] = pending = grace
    return not pending and not metadata.get("finalizers")


def _terminate_namespace(resource: Resource, name: str, new: Tree, now: Instant) -> bool:
    """Mark it; the namespace controller empties it and takes its finalizer away. Whether it may go at once."""
    metadata = new["metadata"]
    spec_finalizers = new.get("spec", {}).get("finalizers")
    if "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = format_time(now)
        new["status"] = {**new.get("status", {}), "phase": "Terminating"}
        return not spec_finalizers and not metadata.get("finalizers")
    if spec_finalizers:
        raise statuses.conflict(resource, name, _NAMESPACE_BUSY)
    return not metadata.get("finalizers")
