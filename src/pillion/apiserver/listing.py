"""`list`: a consistent page of objects, at a revision the client can trust.

Sources: apiserver, storage/etcd3/store.go (GetList), storage/continue.go; apimachinery meta/internalversion/validation.
"""

from __future__ import annotations

import base64
import binascii
import bisect
from collections import OrderedDict
from typing import Any

import msgspec

from pillion.apiserver import selectors, statuses
from pillion.apiserver.requests import Request
from pillion.objects import FieldError
from pillion.objects.fielderrors import Path, forbidden, not_supported
from pillion.store import Listing, Revision, Store, Stored

_SNAPSHOTS_KEPT = 8
_EXPIRED_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You must start a new list "
    "without the continue parameter."
)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Stored]
    revision: Revision
    continue_token: str = ""
    remaining: int | None = None
    """How many follow; unknown when a selector decides."""

    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if self.continue_token:
            metadata["continue"] = self.continue_token
            if self.remaining is not None:
                metadata["remainingItemCount"] = self.remaining
        return metadata


class _Token(msgspec.Struct):
    v: str
    rv: int
    start: str


class Lister:
    """Pages over the store. Keeps the last few listings that were not shown whole, so that the next page is of the
    same moment as the first: an object is never shown twice, and none is missing, whatever happens between."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: OrderedDict[tuple[str, str | None, int], tuple[Stored, ...]] = OrderedDict()

    def list(self, request: Request) -> Page:
        """Raises ApiError."""
        resource = request.target.resource
        namespace = request.target.namespace or None
        labels = selectors.parse_labels(request.option("labelSelector"))
        fields = selectors.parse_fields(
            request.option("fieldSelector"), selectors.selectable_fields(resource.storage), resource.qualified
        )
        _check_version_options(request)
        limit = request.number("limit") or 0
        token = request.option("continue")
        if token:
            listing, start = self._resume(resource.storage, namespace, token)
        else:
            listing, start = self._fresh(request, resource.storage, namespace), 0
        matches = selectors.matcher(labels, fields, resource.storage)
        items = listing.items
        if limit <= 0:
            chosen = items[start:] if matches is None else filter(matches, items[start:])
            return Page(items=list(chosen), revision=listing.revision)
        return self._page(listing, start, limit, matches, (resource.storage, namespace))

    def _fresh(self, request: Request, storage: str, namespace: str | None) -> Listing:
        listing = self._store.list(storage, namespace)
        asked = parse_revision(request.option("resourceVersion"))
        if asked is None or asked == 0:
            return listing
        current = self._store.revision
        if asked > current:
            raise statuses.resource_version_too_large(asked, current)
        if request.option("resourceVersionMatch") == "Exact" and asked < current:
            kept = self._snapshots.get((storage, namespace, asked))
            if kept is None:
                raise statuses.expired(
                    f"The resourceVersion for the provided list is too old: {asked}, current: {current}"
                )
            return Listing(kept, Revision(asked), 0)
        return listing

    def _resume(self, storage: str, namespace: str | None, token: str) -> tuple[Listing, int]:
        decoded = _decode_token(token)
        namespace_of, _, name = decoded.start.partition("/")
        after = (namespace_of, name)
        snapshot = self._snapshots.get((storage, namespace, decoded.rv))
        if snapshot is None:
            if decoded.rv != -1:
                raise statuses.expired(_EXPIRED_CONTINUE)
            listing = self._store.list(storage, namespace)
            return listing, _index_after(listing.items, after)
        return Listing(snapshot, Revision(decoded.rv), 0), _index_after(snapshot, after)

    def _page(
        self,
        listing: Listing,
        start: int,
        limit: int,
        matches: selectors.Matches | None,
        scope: tuple[str, str | None],
    ) -> Page:
        chosen: list[Stored] = []
        index = start
        items = listing.items
        while index < len(items) and len(chosen) < limit:
            if matches is None or matches(items[index]):
                chosen.append(items[index])
            index += 1
        if index >= len(items):
            return Page(items=chosen, revision=listing.revision)
        self._snapshots[(*scope, listing.revision)] = items
        self._snapshots.move_to_end((*scope, listing.revision))
        while len(self._snapshots) > _SNAPSHOTS_KEPT:
            self._snapshots.popitem(last=False)
        last = items[index - 1].key
        return Page(
            items=chosen,
            revision=listing.revision,
            continue_token=_encode_token(listing.revision, f"{last.namespace}/{last.name}"),
            remaining=len(items) - index if matches is None else None,
        )


def _index_after(items: tuple[Stored, ...], after: tuple[str, str]) -> int:
    return bisect.bisect_right(items, after, key=lambda stored: (stored.key.namespace, stored.key.name))


def _encode_token(revision: int, start: str) -> str:
    raw = msgspec.json.encode(_Token("meta.k8s.io/v1", revision, start))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_token(token: str) -> _Token:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        decoded = msgspec.json.decode(raw, type=_Token)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise statuses.bad_request(f"invalid continue token: continue key is not valid: {error}") from None
    if decoded.v != "meta.k8s.io/v1":
        raise statuses.bad_request(
            "invalid continue token: continue key is not valid: server does not recognize this encoded version "
            f'"{decoded.v}"'
        )
    return decoded


def parse_revision(text: str) -> int | None:
    """A resourceVersion a client sends; None for an empty one. Raises ApiError."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 64):
        raise statuses.bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def _check_version_options(request: Request) -> None:
    version, match = request.option("resourceVersion"), request.option("resourceVersionMatch")
    errors: list[FieldError] = []
    path = Path("resourceVersionMatch")
    if match:
        if not version:
            errors.append(
                forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided")
            )
        if request.option("continue"):
            errors.append(forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            errors.append(not_supported(path, match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and version == "0":
            errors.append(
                forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
            )
    if "sendInitialEvents" in request.query:
        errors.append(forbidden(Path("sendInitialEvents"), "sendInitialEvents is forbidden for list"))
    if errors:
        raise statuses.invalid("ListOptions", "", errors, group="meta.k8s.io")
    if request.option("continue") and version not in ("", "0"):
        raise statuses.bad_request("specifying resource version is not allowed when using continue")
