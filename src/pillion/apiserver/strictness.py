"""What a body says twice, or to nobody: the findings of strict field validation, in the order and words of Kubernetes.

Sources: sigs.k8s.io/json (UnmarshalStrict), sigs.k8s.io/yaml (YAMLToJSONStrict), apimachinery
runtime/serializer/json; the cases of Kubernetes' test/integration/apiserver/field_validation_test.go are our tests'.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pillion.yamltree.composer import compose
from pillion.yamltree.nodes import MappingNode, Node, SequenceNode

_YAML_ERRORS = "yaml: unmarshal errors:"
_OPERATION_FIELDS = ("op", "path", "from", "value")


class Findings(msgspec.Struct, frozen=True):
    """What the text alone shows. Which fields are unknown, the types tell."""

    occurrences: tuple[tuple[str, bool], ...] = ()
    """Of JSON that repeats a field: each field in the order of the text, and whether it was there before."""
    lines: tuple[str, ...] = ()
    """Of YAML: `line 5: key "name" already set in map`."""
    first: tuple[str, ...] = ()
    """Of a patch: what is wrong with the patch itself, before what is wrong with the object it makes."""
    in_order: bool = True
    """Unknown fields are met in the order of the text, rather than in that of their names."""

    def list(self, unknown: Sequence[str]) -> list[str]:
        """Each finding on its own, as warnings have them."""
        if self.in_order:
            return [*self.lines, *self.first, *self._in_text_order(unknown)]
        return [*self.lines, *self.first, *(_unknown(path) for path in sorted(unknown, key=_place))]

    def sentence(self, unknown: Sequence[str]) -> str:
        """All of them, as an error has them."""
        errors = self.list(unknown)[len(self.lines) :]
        if self.lines:
            errors.insert(0, "\n  ".join((_YAML_ERRORS, *self.lines)))
        return f"strict decoding error: {', '.join(errors)}"

    def _in_text_order(self, unknown: Sequence[str]) -> Iterator[str]:
        if not self.occurrences:
            yield from (_unknown(path) for path in unknown)
            return
        left = dict.fromkeys(unknown)
        strangers = tuple(f"{path}{mark}" for path in unknown for mark in ".[")
        for path, is_repeated in self.occurrences:
            if path.startswith(strangers):
                continue  # nobody looks into what nobody knows
            if path in left:
                if not is_repeated:
                    yield _unknown(path)
            elif is_repeated:
                yield _duplicate(path)


def _unknown(path: str) -> str:
    return f'unknown field "{path}"'


def _duplicate(path: str) -> str:
    return f'duplicate field "{path}"'


def _place(path: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorts as the fields of sorted JSON come."""
    parts = re.findall(r"\[(\d+)]|([^.\[\]]+)", path)
    return tuple((bool(name), int(index or 0), name) for index, name in parts)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written."""


def in_json(body: bytes) -> Findings:
    """Of a JSON body that is known to be well-formed."""
    return Findings(occurrences=tuple(_occurrences(body)))


def in_patch(body: bytes) -> Findings:
    """Of a merge patch of either kind: any field may be in it, but once."""
    repeated = dict.fromkeys(path for path, is_repeated in _occurrences(body) if is_repeated)
    return Findings(first=tuple(_duplicate(path) for path in repeated), in_order=False)


def in_json_patch(body: bytes) -> Findings:
    """Of a JSON patch: its operations have four fields, each once."""
    found: list[str] = []
    for path, is_repeated in _walk(_parse(body)[0], ""):
        index, _, name = path.partition(".")
        is_known = name.partition(".")[0].partition("[")[0] in _OPERATION_FIELDS
        if not is_known and "." not in name:
            found += [] if is_repeated else [f'json patch unknown field "{index}.{name}"']
        elif is_known and is_repeated:
            found.append(f"json patch {_duplicate(path)}")
    return Findings(first=tuple(found), in_order=False)


def in_applied(body: bytes) -> Findings:
    """Of the configuration of a server-side apply, which is read as YAML even where it is JSON."""
    try:
        if not any(_occurrences(body)):
            return Findings(in_order=False)
    except ValueError:
        pass
    documents = compose(body.decode(), "body").documents
    return in_yaml(documents[0].root) if documents else Findings(in_order=False)


def in_yaml(root: Node) -> Findings:
    """Of a YAML document."""
    found = sorted(set(_repeated_keys(root)))
    return Findings(
        lines=tuple(f'line {line}: key "{key}" already set in map' for line, key in found), in_order=False
    )


def _occurrences(body: bytes) -> Iterator[tuple[str, bool]]:
    """Nothing when no field is repeated: most bodies."""
    tree, repeats = _parse(body)
    return _walk(tree, "") if repeats else iter(())


def _parse(body: bytes) -> tuple[Any, bool]:
    repeats = False

    def keep(pairs: list[tuple[str, Any]]) -> _Pairs:
        nonlocal repeats
        repeats = repeats or len(dict(pairs)) != len(pairs)
        return _Pairs(pairs)

    return json.loads(body, object_pairs_hook=keep), repeats


def _walk(value: Any, path: str) -> Iterator[tuple[str, bool]]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, inner in value:
            inside = f"{path}.{name}" if path else name
            yield inside, name in seen
            seen.add(name)
            yield from _walk(inner, inside)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")


def _repeated_keys(node: Node) -> Iterator[tuple[int, str]]:
    match node:
        case MappingNode():
            for key, pair in node.repeated:
                yield pair.node.mark.line, key
                yield from _repeated_keys(pair.node)
            for pair in node.pairs.values():
                yield from _repeated_keys(pair.node)
        case SequenceNode():
            for item in node.items:
                yield from _repeated_keys(item)
        case _:
            return


def last_values(node: Node) -> Any:
    """The plain values; of a repeated key the last one counts, as in Go."""
    match node:
        case MappingNode():
            tree = {key: last_values(pair.node) for key, pair in node.pairs.items()}
            return tree | {key: last_values(pair.node) for key, pair in node.repeated}
        case SequenceNode():
            return [last_values(item) for item in node.items]
        case _:
            return node.value
