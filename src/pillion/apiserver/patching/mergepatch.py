"""JSON merge patch: RFC 7386, as evanphx/json-patch v4 applies it for the API server."""

from __future__ import annotations

from pillion.apiserver.patching.bodies import Tree, parse_object


def apply_merge_patch(current: Tree, body: bytes) -> Tree:
    """Raises PatchError."""
    return merge(current, parse_object(body))


def merge(current: Tree, patch: Tree) -> Tree:
    """Objects are merged, null removes a member, all else replaces."""
    if not isinstance(patch, dict) or not isinstance(current, dict):
        return _without_nulls(patch)
    merged = dict(current)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def _without_nulls(value: Tree) -> Tree:
    """The library removes them from objects inside lists, too, where the RFC would leave them."""
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
