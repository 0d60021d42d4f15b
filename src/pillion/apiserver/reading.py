"""`get` and `list`, in the form the client wants: objects, a Table, or metadata only."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.aside import run_aside
from pillion.apiserver.conversion import from_storage, is_stored_as_shown
from pillion.apiserver.listing import Lister, Page, parse_revision
from pillion.apiserver.negotiation import Form, Format, negotiate, reformat
from pillion.apiserver.registry import Resource, Service
from pillion.apiserver.requests import Request
from pillion.apiserver.responding import Answer
from pillion.apiserver.tables import IncludeObject, as_metadata, build_table, printer_of
from pillion.apiserver.watching import Show
from pillion.clock import Clock
from pillion.store import Key, Store
from pillion.units import Instant

Tree = dict[str, Any]

_LIST_FORMS = (Form.TABLE, Form.METADATA_LIST)
_OBJECT_FORMS = (Form.TABLE, Form.METADATA)


class Reads:
    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._lister = Lister(store)

    def get(self, request: Request) -> Answer:
        """Raises ApiError."""
        resource, target = request.target.resource, request.target
        stored = self.store.get(Key(resource.storage, target.namespace, target.name))
        if stored is None:
            raise statuses.not_found(resource, target.name)
        asked = parse_revision(request.option("resourceVersion"))
        if asked is not None and asked > self.store.revision:
            raise statuses.resource_version_too_large(asked, self.store.revision)
        return show_object(request, as_shown(resource, stored.value), self._clock.now())

    async def list(self, request: Request) -> Answer:
        """Raises ApiError."""
        resource = request.target.resource
        if resource.service is Service.EMPTY:
            page = Page(items=[], revision=self.store.revision)
        else:
            page = self._lister.list(request)
        size = sum(len(stored.value) for stored in page.items)
        return await run_aside(size, _show_page, request, page, self._clock.now())


def _show_page(request: Request, page: Page, now: Instant) -> Answer:
    values = [as_shown(request.target.resource, stored.value) for stored in page.items]
    return show_list(request, values, page.metadata(), now)


def as_shown(resource: Resource, value: bytes) -> bytes:
    """Stored bytes as this resource's group shows them: nearly always the same ones."""
    if is_stored_as_shown(resource):
        return value
    return msgspec.json.encode(from_storage(resource, msgspec.json.decode(value)))


def show_object(request: Request, value: bytes, now: Instant, *, code: int = 200) -> Answer:
    """Raises ApiError: not acceptable."""
    wanted = negotiate(request.accept, *_OBJECT_FORMS)
    body = value
    if wanted.form is Form.TABLE:
        metadata = {"resourceVersion": _revision_of(value)}
        body = _table(request, wanted, [value], metadata, now)
    elif wanted.form is Form.METADATA:
        body = as_metadata(value, wanted.version)
    return _answer(request, wanted, body, code)


def show_tree(request: Request, tree: Tree, now: Instant, *, code: int = 200) -> Answer:
    return show_object(request, msgspec.json.encode(tree), now, code=code)


def show_list(request: Request, values: list[bytes], metadata: Tree, now: Instant) -> Answer:
    """Raises ApiError: not acceptable."""
    wanted = negotiate(request.accept, *_LIST_FORMS)
    resource = request.target.resource
    if wanted.form is Form.TABLE:
        return _answer(request, wanted, _table(request, wanted, values, metadata, now))
    kind, api_version = resource.list_kind, resource.api_version
    if wanted.form is Form.METADATA_LIST:
        kind, api_version = "PartialObjectMetadataList", f"meta.k8s.io/{wanted.version}"
        values = [as_metadata(value, wanted.version) for value in values]
    head = msgspec.json.encode({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    # One copy less than adding them up: a list may be tens of megabytes, and nobody else is served meanwhile.
    body = b"".join((head[:-1], b',"items":[', b",".join(values), b"]}\n"))
    return _answer(request, wanted, body)


def plan_show(request: Request, now_of: Clock) -> tuple[Show, str]:
    """For a watch: what its client sees of each object, and the content type. Raises ApiError."""
    wanted = negotiate(request.accept, *_OBJECT_FORMS)
    resource = request.target.resource
    if wanted.form is Form.METADATA:
        return (lambda value: as_metadata(value, wanted.version)), wanted.media_type
    if wanted.form is not Form.TABLE:
        return (lambda value: as_shown(resource, value)), wanted.media_type
    has_columns = True

    def show_row(value: bytes) -> bytes:
        nonlocal has_columns
        metadata = {"resourceVersion": _revision_of(value)}
        # Only the first event names the columns (endpoints/handlers/response.go: transformResponseObject).
        table = _table(request, wanted, [value], metadata, now_of.now(), with_columns=has_columns)
        has_columns = False
        return table

    return show_row, wanted.media_type


def _table(
    request: Request,
    wanted: Format,
    values: list[bytes],
    metadata: Tree,
    now: Instant,
    *,
    with_columns: bool = True,
) -> bytes:
    given = request.option("includeObject")
    try:
        include = IncludeObject(given) if given else IncludeObject.METADATA
    except ValueError:
        raise statuses.bad_request(f'unrecognized includeObject value: "{given}"') from None
    storage = request.target.resource.storage
    return build_table(
        printer_of(storage),
        values,
        now=now,
        list_metadata=metadata,
        version=wanted.version,
        include=include,
        with_columns=with_columns,
    )


def _answer(request: Request, wanted: Format, body: bytes, code: int = 200) -> Answer:
    pretty = request.flag("pretty")
    return Answer(
        body=reformat(body, wanted.media_type, pretty=pretty),
        code=code,
        content_type=wanted.content_type,
        warnings=request.warnings,
    )


class _Metadata(msgspec.Struct):
    resourceVersion: str = ""


class _Versioned(msgspec.Struct):
    metadata: _Metadata


_VERSIONED = msgspec.json.Decoder(_Versioned)


def _revision_of(value: bytes) -> str:
    return _VERSIONED.decode(value).metadata.resourceVersion
