"""Create, update, delete: from a client's object to a stored one (apiserver: registry/generic/registry/store.go).

The order is Kubernetes': decode and default, admit, prepare, validate, store. Everybody writes this way: clients over
HTTP, and pillion's own node and controllers.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.aside import run_aside
from pillion.apiserver.conversion import from_storage, to_storage
from pillion.apiserver.decoding import Decoded, Source, check_type, decode_object, model_of
from pillion.apiserver.locks import KeyedLocks
from pillion.apiserver.patching import settle_times, track
from pillion.apiserver.registry import Resource
from pillion.apiserver.seams import SYSTEM, Admission, AdmissionRequest, Operation, User
from pillion.apiserver.statuses import ApiError
from pillion.apiserver.strategies import strategy_of
from pillion.clock import Clock
from pillion.store import AlreadyExistsError, ConflictError, Key, NotFoundError, Revision, Store, Stored
from pillion.units import Instant, format_time

Tree = dict[str, Any]

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH, _GENERATED_NAME_MAX = 5, 63
_NAME_ATTEMPTS = 8
"""apiserver: registry/generic/registry/store.go, maxNameGenerationCreateAttempts."""
_RETRIES = 5
"""apiserver: endpoints/handlers/patch.go, MaxRetryWhenPatchConflicts."""

Change = Callable[[Tree | None], Tree]
"""From the present object, if there is one, to the wanted one; asked again when somebody else was faster.

Must not change its argument.
"""


class WriteOptions(msgspec.Struct, kw_only=True):
    user: User = SYSTEM
    manager: str = "pillion"
    """Who owns the fields this writes."""
    operation: str = "Update"
    """`Apply` for a server-side apply, whose patch has already written managedFields."""
    field_validation: str = "Ignore"
    is_dry_run: bool = False
    source: Source = Source()
    warnings: list[str] = msgspec.field(default_factory=list)
    """Filled on the way."""


class Written(msgspec.Struct, frozen=True):
    tree: Tree
    is_new: bool = False
    is_gone: bool = False
    """The update removed the last finalizer of an object that was being deleted."""


class Writes:
    def __init__(self, store: Store, clock: Clock, admission: Admission) -> None:
        self.store = store
        self._clock = clock
        self._admission = admission
        self.locks = KeyedLocks()

    def read(self, resource: Resource, namespace: str, name: str) -> Stored:
        """Raises ApiError: not found."""
        stored = self.store.get(Key(resource.storage, namespace, name))
        if stored is None:
            raise statuses.not_found(resource, name)
        return stored

    async def create(self, resource: Resource, namespace: str, body: Tree, options: WriteOptions) -> Tree:
        """Raises ApiError."""
        check_type(resource, body)
        decoded = await run_aside(
            options.source.size,
            decode_object,
            resource,
            body,
            validation=options.field_validation,
            warnings=options.warnings,
            source=options.source,
        )
        strategy_of(resource.storage).default(decoded.tree)
        metadata = decoded.tree.setdefault("metadata", {})
        _place(resource, namespace, metadata)
        if metadata.pop("resourceVersion", None):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        is_generated = not metadata.get("name") and bool(metadata.get("generateName"))
        for attempt in range(1, _NAME_ATTEMPTS + 1):
            if is_generated:
                metadata["name"] = generate_name(metadata["generateName"])
            try:
                return await self._create(resource, namespace, decoded, options)
            except ApiError as error:
                if not is_generated or error.reason != "AlreadyExists" or attempt == _NAME_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def _create(
        self, resource: Resource, namespace: str, decoded: Decoded, options: WriteOptions
    ) -> Tree:
        strategy = strategy_of(resource.storage)
        name = decoded.tree["metadata"].get("name", "")
        now = self._clock.now()
        # Before admission: nobody owns what it adds.
        size = options.source.size
        wanted = await run_aside(
            size, track, None, decoded.tree, options.manager, options.operation, "", resource.api_version, now
        )
        admitted = await self._admit(Operation.CREATE, resource, "", namespace, name, wanted, None, options)
        assert admitted is not None
        new = {**admitted, "metadata": dict(admitted["metadata"])}
        _fill_metadata(new["metadata"], now)
        strategy.prepare_create(new)
        created = _as_decoded(resource, new)
        errors = await run_aside(size, strategy.validate_create, resource, created)
        if errors:
            raise statuses.invalid(resource.kind, name, errors, group=resource.group)
        options.warnings += strategy.warnings(created)
        key = Key(resource.storage, namespace if resource.namespaced else "", name)
        async with self.locks.holding(key):
            if options.is_dry_run:
                if self.store.get(key) is not None:
                    raise statuses.already_exists(resource, name)
                return new
            try:
                await self.store.create(key, encoder(resource, new))
            except AlreadyExistsError:
                raise statuses.already_exists(resource, name) from None
        return new

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Change,
        options: WriteOptions,
        *,
        subresource: str = "",
        creates: bool = False,
    ) -> Written:
        """Put what `change` makes of the present object in its place.

        A resourceVersion that `change` returns and that is not the present one is a conflict; none, or the present
        one, is tried again when another write came between. Raises ApiError.
        """
        key = Key(resource.storage, namespace, name)
        async with self.locks.holding(key):
            for attempt in range(_RETRIES + 1):
                current = self.store.get(key)
                if current is None:
                    break
                try:
                    return await self._update(resource, current, change, options, subresource)
                except ConflictError:
                    if attempt == _RETRIES:
                        raise statuses.conflict(resource, name) from None
                except NotFoundError:
                    break
        if not creates or subresource:
            raise statuses.not_found(resource, name)
        body = change(None)
        metadata = body.get("metadata")
        if isinstance(metadata, dict):
            metadata.pop("resourceVersion", None)
            _name_as_addressed(metadata, name)
        return Written(await self.create(resource, namespace, body, options), is_new=True)

    async def _update(
        self, resource: Resource, current: Stored, change: Change, options: WriteOptions, subresource: str
    ) -> Written:
        strategy = strategy_of(resource.storage)
        old = _as_decoded(resource, from_storage(resource, msgspec.json.decode(current.value)))
        body = change(old.tree)
        check_type(resource, body)
        decoded = await run_aside(
            options.source.size,
            decode_object,
            resource,
            body,
            validation=options.field_validation,
            warnings=options.warnings,
            source=options.source,
        )
        new = decoded.tree
        strategy.default(new)
        _carry_metadata(resource, current, new.setdefault("metadata", {}), old.tree["metadata"])
        new = await run_aside(
            options.source.size,
            track,
            old.tree,
            new,
            options.manager,
            options.operation,
            subresource,
            resource.api_version,
            self._clock.now(),
        )
        namespace, name = current.key.namespace, current.key.name
        admitted = await self._admit(
            Operation.UPDATE, resource, subresource, namespace, name, new, old.tree, options
        )
        assert admitted is not None
        new = {**admitted, "metadata": dict(admitted["metadata"])}
        strategy.prepare_update(new, old.tree, subresource)
        new = settle_times(old.tree, new)
        updated = _as_decoded(resource, new)
        errors = await run_aside(
            options.source.size, strategy.validate_update, resource, updated, old, subresource
        )
        if errors:
            raise statuses.invalid(resource.kind, name, errors, group=resource.group)
        options.warnings += strategy.warnings(updated)
        is_gone = _is_done_deleting(resource, new)
        if options.is_dry_run or (new == old.tree and not is_gone):
            return Written(new, is_gone=is_gone)
        if is_gone:
            await self.store.delete(current.key, encoder(resource, new), expected=current.revision)
        else:
            await self.store.update(current.key, encoder(resource, new), expected=current.revision)
        return Written(new, is_gone=is_gone)

    async def admit_deletion(self, resource: Resource, key: Key, old: Tree, options: WriteOptions) -> None:
        """Raises ApiError."""
        await self._admit(Operation.DELETE, resource, "", key.namespace, key.name, None, old, options)

    async def _admit(
        self,
        operation: Operation,
        resource: Resource,
        subresource: str,
        namespace: str,
        name: str,
        new: Tree | None,
        old: Tree | None,
        options: WriteOptions,
    ) -> Tree | None:
        return await self._admission.admit(
            AdmissionRequest(
                operation=operation,
                resource=resource,
                subresource=subresource,
                namespace=namespace,
                name=name,
                object=new,
                old=old,
                user=options.user,
                dry_run=options.is_dry_run,
                warnings=options.warnings,
            )
        )


def generate_name(prefix: str) -> str:
    """Five letters and digits that spell no words (apiserver: storage/names/generate.go)."""
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(_SUFFIX_LENGTH))
    return prefix[: _GENERATED_NAME_MAX - _SUFFIX_LENGTH] + suffix


def encoder(resource: Resource, tree: Tree) -> Callable[[Revision], bytes]:
    """The stored bytes, once the revision is known; the tree learns its resourceVersion too."""
    stored = to_storage(resource, tree)

    def encode(revision: Revision) -> bytes:
        tree["metadata"]["resourceVersion"] = str(revision)
        stored["metadata"]["resourceVersion"] = str(revision)
        return msgspec.json.encode(stored)

    return encode


def _as_decoded(resource: Resource, tree: Tree) -> Decoded:
    model = model_of(resource)
    return Decoded(tree, msgspec.convert(tree, type=model) if model is not None else None)


def _place(resource: Resource, namespace: str, metadata: Tree) -> None:
    """The object goes where the URL says."""
    if not resource.namespaced:
        return
    given = metadata.setdefault("namespace", namespace)
    if given != namespace:
        raise statuses.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _name_as_addressed(metadata: Tree, name: str) -> None:
    """Raises ApiError when the object has another name than its URL."""
    given = metadata.setdefault("name", name)
    if given != name:
        raise statuses.bad_request(
            f"the name of the object ({given}) does not match the name on the URL ({name})"
        )


def _fill_metadata(metadata: Tree, now: Instant) -> None:
    """registry/rest/meta.go: FillObjectMetaSystemFields, and what a client may not bring."""
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(field, None)
    metadata["creationTimestamp"] = format_time(now)
    metadata["uid"] = str(uuid.uuid4())


def _carry_metadata(resource: Resource, current: Stored, new: Tree, old: Tree) -> None:
    """registry/rest/update.go: BeforeUpdate. Raises ApiError when this is another object, or an older one."""
    name = current.key.name
    _name_as_addressed(new, name)
    if resource.namespaced and new.setdefault("namespace", current.key.namespace) != current.key.namespace:
        raise statuses.bad_request(
            f"the namespace of the object ({new['namespace']}) does not match the namespace on the URL "
            f"({current.key.namespace})"
        )
    given = new.get("resourceVersion")
    if given and given != str(current.revision):
        raise statuses.conflict(resource, name)
    if new.get("uid", old["uid"]) != old["uid"]:
        raise statuses.conflict(
            resource,
            name,
            f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: {old['uid']}",
        )
    for field in (
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
    ):
        if field in old:
            new[field] = old[field]
        else:
            new.pop(field, None)
    new.pop("selfLink", None)


def _is_done_deleting(resource: Resource, tree: Tree) -> bool:
    """The last finalizer of an object that waited for nothing else is gone (ShouldDeleteDuringUpdate)."""
    metadata = tree["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if resource.storage == "namespaces":
        return not tree.get("spec", {}).get("finalizers")
    return bool(metadata.get("deletionGracePeriodSeconds") == 0)
