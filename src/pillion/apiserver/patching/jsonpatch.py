"""JSON patch: RFC 6902 over RFC 6901 pointers, as evanphx/json-patch v4 reads them for the API server.

Where the library is looser than the RFC, so are we: an index may be negative and then counts from the end, and a member
that is not there is null: it can be tested for, copied and replaced. Any operation that fails fails the whole patch.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.apiserver.patching.bodies import MAX_DEPTH, Tree, depth, parse_json, wrong_kind
from pillion.apiserver.patching.errors import bad_request, too_many_operations, unprocessable

MAX_OPERATIONS = 10_000
"""apiserver: handlers/patch.go, maxJSONPatchOperations."""
MAX_COPIED_BYTES = 3 * 1024 * 1024
"""What all `copy` operations of a patch may add up to: the limit of a request's body (server/config.go)."""


class _RefusedError(Exception):
    """An operation does not apply; the client is not told which."""


def apply_json_patch(current: Tree, body: bytes) -> Tree:
    """Raises PatchError."""
    operations = parse_json(body)
    if not isinstance(operations, list):
        raise wrong_kind(operations, "[]handlers.jsonPatchOp")
    for operation in operations:
        if not isinstance(operation, dict):
            raise wrong_kind(operation, "handlers.jsonPatchOp")
        for name in ("op", "path", "from"):
            if not isinstance(operation.get(name, ""), str | None):
                raise bad_request(
                    f"error decoding patch: json: cannot unmarshal into Go struct field jsonPatchOp.{name} "
                    "of type string"
                )
    if len(operations) > MAX_OPERATIONS:
        raise too_many_operations(MAX_OPERATIONS, len(operations))
    document = _Document(current)
    try:
        for operation in operations:
            document.apply(operation)
    except _RefusedError:
        raise unprocessable() from None
    return document.root


class _Document:
    """Copies each container on its first write: what the caller holds stays as it is."""

    def __init__(self, root: Tree) -> None:
        self.root = root
        self._own: set[int] = set()
        # Keeps our copies alive, so that no other container can take over the id of one.
        self._copies: list[Tree] = []
        self._copied_bytes = 0

    def apply(self, operation: dict[str, Tree]) -> None:
        path = operation.get("path")
        if path is None:
            raise _RefusedError
        pointer = _parse_pointer(path)
        match operation.get("op"):
            case "add":
                self._add(pointer, operation.get("value"))
            case "remove":
                self._remove(pointer)
            case "replace":
                self._replace(pointer, operation.get("value"))
            case "move":
                self._move(_parse_pointer(operation.get("from")), pointer)
            case "copy":
                self._copy(_parse_pointer(operation.get("from")), pointer)
            case "test":
                if not same(self._get(pointer), operation.get("value")):
                    raise _RefusedError
            case _:
                raise _RefusedError

    def _add(self, pointer: list[str], value: Tree) -> None:
        _check_depth(pointer, value)
        if not pointer:
            raise _RefusedError
        parent = self._writable(pointer[:-1])
        if isinstance(parent, dict):
            parent[pointer[-1]] = value
        else:
            parent.insert(_index(pointer[-1], len(parent) + 1, end=len(parent)), value)

    def _remove(self, pointer: list[str]) -> Tree:
        if not pointer:
            raise _RefusedError
        parent = self._writable(pointer[:-1])
        if isinstance(parent, dict):
            if pointer[-1] not in parent:
                raise _RefusedError
            return parent.pop(pointer[-1])
        return parent.pop(_index(pointer[-1], len(parent)))

    def _replace(self, pointer: list[str], value: Tree) -> None:
        _check_depth(pointer, value)
        if not pointer:
            if not isinstance(value, dict | list):
                raise _RefusedError
            self.root = value
            return
        parent = self._writable(pointer[:-1])
        if isinstance(parent, dict):
            parent[pointer[-1]] = value
        else:
            parent[_index(pointer[-1], len(parent))] = value

    def _move(self, source: list[str], pointer: list[str]) -> None:
        if pointer[: len(source)] == source and pointer != source:
            raise _RefusedError  # RFC 6902 section 4.4: not into one of its own children
        self._add(pointer, self._remove(source))

    def _copy(self, source: list[str], pointer: list[str]) -> None:
        value = self._get(source)
        self._copied_bytes += len(msgspec.json.encode(value))
        if self._copied_bytes > MAX_COPIED_BYTES:
            raise _RefusedError
        # Both places show one container now: neither may be written without copying it again.
        self._own.clear()
        self._copies.clear()
        self._add(pointer, value)

    def _get(self, pointer: list[str]) -> Tree:
        value = self.root
        for position, name in enumerate(pointer):
            if isinstance(value, list):
                value = value[_index(name, len(value))]
            elif isinstance(value, dict) and (name in value or position == len(pointer) - 1):
                value = value.get(name)
            else:
                raise _RefusedError
        return value

    def _writable(self, pointer: list[str]) -> Any:
        """The container at this place, ours alone, and so is everything above it."""
        self.root = container = self._owned(self.root)
        for name in pointer:
            key = _index(name, len(container)) if isinstance(container, list) else name
            if isinstance(container, dict) and name not in container:
                raise _RefusedError
            container[key] = container = self._owned(container[key])
        return container

    def _owned(self, container: Tree) -> Any:
        if not isinstance(container, dict | list):
            raise _RefusedError
        if id(container) not in self._own:
            container = container.copy()
            self._copies.append(container)
            self._own.add(id(container))
        return container


def same(left: Tree, right: Tree) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _parse_pointer(text: Tree) -> list[str]:
    if text == "":
        return []
    if not isinstance(text, str) or not text.startswith("/"):
        raise _RefusedError
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _index(name: str, length: int, *, end: int | None = None) -> int:
    """A place in an array of this length; `-` is its end, where something may be added there."""
    if name == "-" and end is not None:
        return end
    digits = name[1:] if name.startswith(("-", "+")) else name
    if not digits.isdecimal() or not digits.isascii() or len(digits) > 9:
        raise _RefusedError
    number = int(name)
    if not -length <= number < length:
        raise _RefusedError
    return number + length if number < 0 else number


def _check_depth(pointer: list[str], value: Tree) -> None:
    if len(pointer) + depth(value) > MAX_DEPTH:
        raise _RefusedError
