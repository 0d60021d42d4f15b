"""The bytes of a patch into a plain tree, bounded in depth, refused as Kubernetes refuses them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pillion.apiserver.patching.errors import PatchError, bad_request
from pillion.yamltree.composer import compose
from pillion.yamltree.nodes import build_tree

Tree = Any
"""dict[str, Tree], list[Tree], str, int, float, bool or None. Never changed in place; results share parts of it."""

MAX_DEPTH = 100
"""Levels of nesting, of patches and of what they make. A Pod needs about ten."""

_GO_KINDS = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}


def parse_json(body: bytes) -> Tree:
    """Raises PatchError with the text of Go's decoder as far as it can be told apart."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request(f"error decoding patch: {_syntax_error(body)}") from None
    check_depth(tree)
    return tree


def parse_object(body: bytes) -> dict[str, Tree]:
    """The body of a merge patch: an object, nothing else."""
    tree = parse_json(body)
    if not isinstance(tree, dict):
        raise wrong_kind(tree, "map[string]interface {}")
    return tree


def parse_applied(body: bytes) -> dict[str, Tree]:
    """The body of a server-side apply: YAML, of which JSON is a part."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        tree = _parse_yaml(body)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise bad_request(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
            f"json: cannot unmarshal {_GO_KINDS[type(tree)]} into Go value of type map[string]interface {{}}"
        )
    check_depth(tree)
    return tree


def wrong_kind(tree: Tree, go_type: str) -> PatchError:
    kind = "null" if tree is None else _GO_KINDS[type(tree)]
    return bad_request(f"error decoding patch: json: cannot unmarshal {kind} into Go value of type {go_type}")


def check_depth(tree: Tree) -> None:
    """Raises PatchError for what is nested too deep to walk."""
    if depth(tree) > MAX_DEPTH:
        raise bad_request(f"error decoding patch: nested more than {MAX_DEPTH} levels deep")


def depth(tree: Tree) -> int:
    """Levels of nesting; a scalar has none. Stops counting behind MAX_DEPTH."""
    levels = 0
    level = [tree]
    while level and levels <= MAX_DEPTH:
        inner: list[Tree] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        if not any(isinstance(value, dict | list) for value in level):
            break
        levels += 1
        level = inner
    return levels


def _parse_yaml(body: bytes) -> Tree:
    text = compose(body.decode("utf-8", errors="surrogateescape"), "patch")
    if text.syntax_error is not None:
        problem = text.syntax_error
        raise bad_request(
            "error decoding YAML: error converting YAML to JSON: "
            f"yaml: line {problem.mark.line}: {problem.message}"
        )
    return build_tree(text.documents[0].root) if text.documents else None


def _syntax_error(body: bytes) -> str:
    text = body.decode("utf-8", errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].lstrip()
        if not rest:
            return "unexpected end of JSON input"
        return f"invalid character {rest[0]!r} looking for beginning of value"
    except RecursionError:
        return "exceeded max depth"
    return "invalid UTF-8 in JSON input"
