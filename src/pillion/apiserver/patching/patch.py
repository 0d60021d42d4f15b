"""A patch of any type applied to an object (apiserver: endpoints/handlers/patch.go)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from pillion.apiserver.patching.bodies import check_depth, parse_applied
from pillion.apiserver.patching.errors import PatchError, merge_failure
from pillion.apiserver.patching.jsonpatch import apply_json_patch
from pillion.apiserver.patching.mergepatch import apply_merge_patch
from pillion.apiserver.patching.serverside import apply_configuration
from pillion.apiserver.patching.strategic import apply_strategic_merge_patch
from pillion.apiserver.patching.tracking import Target
from pillion.units import Instant

Tree = dict[str, Any]


class PatchType(StrEnum):
    """By content type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class PatchContext(msgspec.Struct, frozen=True, kw_only=True):
    target: Target
    now: Instant
    manager: str = ""
    """`fieldManager`; server-side apply cannot do without one."""
    force: bool = False
    """Whether server-side apply takes fields from others."""


def apply_patch(content_type: str, current: Tree | None, patch: bytes, context: PatchContext) -> Tree:
    """The object as patched, neither decoded nor defaulted. Raises PatchError.

    `current` is as its clients see it, and None only for a server-side apply that may create the object. After a
    server-side apply the managedFields are as they have to be; after any other patch `track` makes them so. The result
    shares parts of `current`; neither may be changed in place.
    """
    if content_type == PatchType.APPLY:
        return apply_configuration(
            current,
            parse_applied(patch),
            context.target,
            manager=context.manager,
            force=context.force,
            now=context.now,
        )
    if current is None:
        raise merge_failure("only an apply patch can create an object")
    match content_type:
        case PatchType.JSON:
            patched = apply_json_patch(current, patch)
        case PatchType.MERGE:
            patched = apply_merge_patch(current, patch)
        case PatchType.STRATEGIC if context.target.model is not None:
            patched = apply_strategic_merge_patch(current, patch, context.target.model)
        case _:
            raise unsupported(context)
    if not isinstance(patched, dict):
        raise PatchError(
            422,
            "Invalid",
            ' "" is invalid: patch: Invalid value: json: cannot unmarshal into Go value of an object',
        )
    check_depth(patched)
    return patched


def unsupported(context: PatchContext) -> PatchError:
    """415, naming what the kind can be patched with."""
    accepted = [str(known) for known in PatchType if known is not PatchType.STRATEGIC or context.target.model]
    return PatchError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
    )
