"""`create`, `update`, `patch`, `delete`, `deletecollection`: from a request to Writes and Deletions, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver import statuses, strictness
from pillion.apiserver.aside import run_aside
from pillion.apiserver.decoding import Source, model_of
from pillion.apiserver.deletion import DeleteOptions, Deletions, read_delete_options
from pillion.apiserver.listing import Lister, Page
from pillion.apiserver.negotiation import Body, read_body
from pillion.apiserver.patching import PatchContext, PatchError, PatchType, apply_patch, parse_applied
from pillion.apiserver.patching import Target as PatchTarget
from pillion.apiserver.reading import show_list, show_tree
from pillion.apiserver.registry import Resource, Service
from pillion.apiserver.requests import Request, check_write_options
from pillion.apiserver.responding import Answer
from pillion.apiserver.strategies import strategy_of
from pillion.apiserver.writes import WriteOptions, Writes
from pillion.clock import Clock
from pillion.objects.fielderrors import Path, forbidden

Tree = dict[str, Any]


class WriteVerbs:
    def __init__(self, writes: Writes, clock: Clock) -> None:
        self.writes = writes
        self.deletions = Deletions(writes, clock)
        self._clock = clock

    async def create(self, request: Request) -> Answer:
        """Raises ApiError."""
        check_write_options(request)
        resource, namespace = request.target.resource, request.target.namespace
        _refuse_unrun(resource, "")
        body = await read_body(request)
        if resource.namespaced and not namespace:
            namespace = _namespace_in(body.tree)
            if not namespace:
                raise statuses.bad_request("an empty namespace may not be set during creation")
        tree = await self.writes.create(
            resource, namespace, body.tree, _options(request, _source(request, body))
        )
        return show_tree(request, tree, self._clock.now(), code=201)

    async def update(self, request: Request) -> Answer:
        """Raises ApiError."""
        check_write_options(request)
        target = request.target
        _refuse_unrun(target.resource, target.name)
        body = await read_body(request)
        written = await self.writes.update(
            target.resource,
            target.namespace,
            target.name,
            lambda _current: body.tree,
            _options(request, _source(request, body)),
            subresource=target.subresource,
            creates=strategy_of(target.resource.storage).creates_on_update,
        )
        return show_tree(request, written.tree, self._clock.now(), code=201 if written.is_new else 200)

    async def patch(self, request: Request) -> Answer:
        """Raises ApiError."""
        check_write_options(request)
        target = request.target
        resource = target.resource
        _refuse_unrun(resource, target.name)
        content_type = request.content_type.split(";", 1)[0].strip()
        is_apply = content_type == PatchType.APPLY
        if "force" in request.query and not is_apply:
            errors = [forbidden(Path("force"), "may not be specified for non-apply patch")]
            raise statuses.invalid("PatchOptions", "", errors, group="meta.k8s.io")
        context = PatchContext(
            target=PatchTarget(
                model=model_of(resource),
                api_version=resource.api_version,
                kind=resource.kind,
                subresource=target.subresource,
            ),
            now=self._clock.now(),
            manager=request.option("fieldManager") if is_apply else request.field_manager,
            force=request.flag("force"),
        )

        body = await _read_configuration(resource, request) if is_apply else request.body
        options = _options(request, Source(size=len(body)))
        options.operation = "Apply" if is_apply else "Update"

        def change(current: Tree | None) -> Tree:
            try:
                patched = apply_patch(content_type, current, body, context)
            except PatchError as error:
                raise _refused_patch(resource, target.name, error) from error
            if not is_apply:
                options.source = _patch_source(content_type, body)
            return patched

        written = await self.writes.update(
            resource,
            target.namespace,
            target.name,
            change,
            options,
            subresource=target.subresource,
            creates=is_apply,
        )
        return show_tree(request, written.tree, self._clock.now(), code=201 if written.is_new else 200)

    async def delete(self, request: Request) -> Answer:
        """Raises ApiError."""
        target = request.target
        resource = target.resource
        if resource.service is Service.EMPTY:
            raise statuses.not_found(resource, target.name)
        wanted, options = await _delete_options(request)
        deleted = await self.deletions.delete(resource, target.namespace, target.name, wanted, options)
        if deleted.is_gone and not strategy_of(resource.storage).shows_deleted:
            status = statuses.success(resource, target.name, deleted.tree["metadata"]["uid"])
            return Answer(body=msgspec.json.encode(status), warnings=request.warnings)
        # Who asked for everything to be gone is told that it is not yet.
        is_late = not deleted.is_gone and wanted.orphan_dependents is False
        return show_tree(request, deleted.tree, self._clock.now(), code=202 if is_late else 200)

    async def delete_collection(self, request: Request) -> Answer:
        """Raises ApiError. Objects that somebody else removes meanwhile are no error."""
        resource = request.target.resource
        wanted, options = await _delete_options(request)
        if resource.service is Service.EMPTY:
            page = Page(items=[], revision=self.writes.store.revision)
        else:
            page = Lister(self.writes.store).list(request)
        values = []
        for stored in page.items:
            try:
                deleted = await self.deletions.delete(
                    resource, stored.key.namespace, stored.key.name, wanted, options
                )
            except statuses.ApiError as error:
                if error.code != 404:
                    raise
                continue
            values.append(msgspec.json.encode(deleted.tree))
        return show_list(request, values, page.metadata(), self._clock.now())


def _refused_patch(resource: Resource, name: str, error: PatchError) -> statuses.ApiError:
    details: Tree = {"name": name, "kind": resource.plural}
    if resource.group:
        details["group"] = resource.group
    if error.causes:
        details["causes"] = [msgspec.to_builtins(cause) for cause in error.causes]
    return statuses.ApiError(error.status, error.reason, error.message, details)


def _source(request: Request, body: Body) -> Source:
    return Source(size=len(request.body), findings=body.findings)


def _patch_source(content_type: str, body: bytes) -> Source:
    size = len(body)
    if content_type == PatchType.JSON:
        return Source(size=size, findings=strictness.in_json_patch(body), is_patched=True)
    patch = msgspec.json.decode(body) if content_type == PatchType.STRATEGIC else None
    return Source(size=size, findings=strictness.in_patch(body), is_patched=True, patch=patch)


async def _read_configuration(resource: Resource, request: Request) -> bytes:
    """The configuration of a server-side apply as JSON. Raises ApiError.

    What it says twice is refused before the apply rather than after it, as it is by patch.go's
    applyPatchToCurrentObject: who has made two mistakes is told of the other one first.
    """
    size, validation = len(request.body), request.field_validation
    try:
        tree = await run_aside(size, parse_applied, request.body)
    except PatchError as error:
        raise _refused_patch(resource, request.target.name, error) from error
    if validation != "Ignore":
        findings = await run_aside(size, strictness.in_applied, request.body)
        if findings.lines and validation == "Strict":
            problem = findings.sentence(()).removeprefix("strict decoding error: ")
            raise statuses.bad_request(
                f"error strict decoding YAML: error converting YAML to JSON: {problem}"
            )
        request.warnings.extend(findings.lines)
    return msgspec.json.encode(tree)


def _options(request: Request, source: Source) -> WriteOptions:
    return WriteOptions(
        user=request.user,
        manager=request.field_manager,
        field_validation=request.field_validation,
        is_dry_run=request.is_dry_run,
        source=source,
        warnings=request.warnings,
    )


async def _delete_options(request: Request) -> tuple[DeleteOptions, WriteOptions]:
    """From the body, else from the query (endpoints/handlers/delete.go)."""
    tree: Tree = {}
    is_dry_run = request.is_dry_run
    if request.body:
        tree = (await read_body(request)).tree
        kind = tree.get("kind") or "DeleteOptions"
        if kind != "DeleteOptions":
            raise statuses.bad_request(f"decoded object cannot be converted to DeleteOptions: {kind}")
        is_dry_run = is_dry_run or bool(tree.get("dryRun"))
    else:
        tree["gracePeriodSeconds"] = request.number("gracePeriodSeconds")
        tree["propagationPolicy"] = request.option("propagationPolicy") or None
        if "orphanDependents" in request.query:
            tree["orphanDependents"] = request.flag("orphanDependents")
    options = WriteOptions(user=request.user, is_dry_run=is_dry_run, warnings=request.warnings)
    return read_delete_options(tree), options


def _refuse_unrun(resource: Resource, name: str) -> None:
    """Kinds that pillion lists as empty are not accepted: an object that nobody acts on would look like a promise."""
    if resource.service is Service.EMPTY:
        raise statuses.refused(resource, name, f"pillion does not run {_plural_kind(resource)} yet")


def _plural_kind(resource: Resource) -> str:
    kind = resource.kind
    if kind.endswith("s") and resource.plural == kind.lower():
        return kind
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _namespace_in(tree: Tree) -> str:
    metadata = tree.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    return namespace if isinstance(namespace, str) else ""
