"""`watch`: the changes of a selection, from a moment the client names, none twice and none missing.

Sources: apiserver, endpoints/handlers/watch.go, storage/cacher; apimachinery meta/internalversion/validation.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from pillion.apiserver import listing, selectors, statuses
from pillion.apiserver.requests import Request
from pillion.objects import FieldError
from pillion.objects.fielderrors import Path, forbidden, not_supported
from pillion.store import Change, ChangeType, CompactedError, Revision, Store, Stored

BOOKMARK_PERIOD_SECONDS = 60.0
"""apiserver: storage/cacher, bookmarkFrequency."""
_SHORTEST_SECONDS = 1800
"""A watch without timeoutSeconds lives this long, up to twice (server/config.go: MinRequestTimeout)."""
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"

Show = Callable[[bytes], bytes]
"""From an object's stored JSON to what this client wants to see of it."""


class WatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a watch request asks for, checked."""

    storage: str
    namespace: str | None
    matches: selectors.Matches | None
    since: int | None
    """None: begin with the present objects."""
    sends_initial: bool
    ends_initial: bool
    """Tell with a bookmark where the initial objects end."""
    wants_bookmarks: bool
    timeout_seconds: float
    kind: str
    api_version: str


def plan_watch(request: Request) -> WatchPlan:
    """Raises ApiError."""
    resource = request.target.resource
    _check_options(request)
    fields = request.option("fieldSelector")
    if request.target.name:  # a watch of one object
        fields = ",".join(filter(None, (fields, f"metadata.name={request.target.name}")))
    since = listing.parse_revision(request.option("resourceVersion"))
    initial = request.flag("sendInitialEvents") if "sendInitialEvents" in request.query else None
    wants_bookmarks = request.flag("allowWatchBookmarks")
    timeout = request.number("timeoutSeconds")
    return WatchPlan(
        storage=resource.storage,
        namespace=request.target.namespace or None,
        matches=selectors.matcher(
            selectors.parse_labels(request.option("labelSelector")),
            selectors.parse_fields(fields, selectors.selectable_fields(resource.storage), resource.qualified),
            resource.storage,
        ),
        since=since if since and not initial else None,
        sends_initial=bool(initial) if initial is not None else not since,
        ends_initial=bool(initial) and wants_bookmarks,
        wants_bookmarks=wants_bookmarks,
        timeout_seconds=float(timeout) if timeout is not None and timeout > 0 else _default_timeout(),
        kind=resource.kind,
        api_version=resource.api_version,
    )


def _default_timeout() -> float:
    return _SHORTEST_SECONDS * (1 + random.random())  # noqa: S311 - spreads reconnections


def _check_options(request: Request) -> None:
    match = request.option("resourceVersionMatch")
    has_initial = "sendInitialEvents" in request.query
    errors: list[FieldError] = []
    path = Path("resourceVersionMatch")
    if match and not has_initial:
        errors.append(
            forbidden(
                path, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            )
        )
    if has_initial and match != "NotOlderThan":
        if match:
            errors.append(not_supported(path, match, ("NotOlderThan",)))
        else:
            detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            errors.append(forbidden(path, detail))
    if errors:
        raise statuses.invalid("ListOptions", "", errors, group="meta.k8s.io")


async def events(
    store: Store, plan: WatchPlan, show: Show, *, bookmark_seconds: float = BOOKMARK_PERIOD_SECONDS
) -> AsyncIterator[bytes]:
    """Watch events as JSON lines, until the watch times out. The caller closes the generator when the client goes."""
    initial: tuple[Stored, ...] = ()
    current = store.revision
    if plan.since is not None and plan.since > current:
        yield _error(statuses.resource_version_too_large(plan.since, current))
        return
    if plan.since is None:
        present = store.list(plan.storage, plan.namespace)
        since = current
        initial = present.items if plan.sends_initial else ()
    else:
        since = Revision(plan.since)
    try:
        watch = store.watch(plan.storage, plan.namespace, since=since)
    except CompactedError:
        yield _error(statuses.expired(f"too old resource version: {since} ({current})"))
        return
    try:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + plan.timeout_seconds
        for stored in initial:
            if plan.matches is None or plan.matches(stored):
                yield _event(ChangeType.ADDED, show(stored.value))
        if plan.ends_initial:
            yield _bookmark(plan, since, {_INITIAL_EVENTS_END: "true"})
        while True:
            # Whatever is older than this is in the watch's queue by now: it has been read when the queue is empty.
            delivered = store.revision
            change = await _next_change(watch, min(deadline, loop.time() + bookmark_seconds))
            if change is not None:
                line = _line(change, plan.matches, show)
                if line is not None:
                    yield line
            elif loop.time() >= deadline:
                return
            elif plan.wants_bookmarks:
                yield _bookmark(plan, delivered)
    except CompactedError as error:
        yield _error(statuses.expired(str(error)))
    except StopAsyncIteration:
        return  # the store closes
    finally:
        watch.close()


async def _next_change(watch: AsyncIterator[Change], until: float) -> Change | None:
    """None when it is time for a bookmark, or for the end."""
    try:
        async with asyncio.timeout_at(until):
            return await anext(watch)
    except TimeoutError:
        return None


def _line(change: Change, matches: selectors.Matches | None, show: Show) -> bytes | None:
    """What a change is to somebody who sees a selection: an object may enter it or leave it without being deleted."""
    stored, previous = change.stored, change.previous
    if matches is None:
        return _event(change.type, show(stored.value))
    was_selected = previous is not None and matches(previous)
    if change.type is ChangeType.DELETED:
        return _event(ChangeType.DELETED, show(stored.value)) if was_selected else None
    is_selected = matches(stored)
    if is_selected:
        kind = ChangeType.MODIFIED if was_selected else ChangeType.ADDED
        return _event(kind, show(stored.value))
    if was_selected:
        assert previous is not None
        return _event(ChangeType.DELETED, show(_at_revision(previous.value, stored.revision)))
    return None


def _at_revision(value: bytes, revision: int) -> bytes:
    """The last state that was selected, with the revision of the change that ended it."""
    tree = msgspec.json.decode(value)
    tree["metadata"]["resourceVersion"] = str(revision)
    return msgspec.json.encode(tree)


def _event(kind: str, value: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), value)


def _bookmark(plan: WatchPlan, revision: int, annotations: dict[str, str] | None = None) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    shown = {"kind": plan.kind, "apiVersion": plan.api_version, "metadata": metadata}
    return _event("BOOKMARK", msgspec.json.encode(shown))


def _error(error: statuses.ApiError) -> bytes:
    return _event("ERROR", statuses.encode(error))
