"""Whether an applied configuration fits its kind (structured-merge-diff, typed/validate.go).

The sentences are that library's, with Go's way of printing a value: clients of Kubernetes know them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pillion.apiserver.patching.elements import UnidentifiedError, item_element
from pillion.apiserver.patching.fieldset import field, format_element
from pillion.apiserver.patching.schema import Atom, Leaf, ListAtom, MapAtom, resolve

_GO_TYPES = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}"}


def validate(value: Any, atom: Atom) -> str:
    """What is wrong with it, or nothing."""
    problems = list(_problems(value, atom, ""))
    if len(problems) < 2:
        return "".join(problems)
    return "\n".join(["errors:", *(f"  {problem}" for problem in problems)])


def _problems(value: Any, atom: Atom, path: str) -> Iterator[str]:
    resolved = resolve(atom, value)
    if value is None:
        return
    match resolved:
        case MapAtom():
            yield from _map_problems(value, resolved, path)
        case ListAtom():
            yield from _list_problems(value, resolved, path)
        case _:
            problem = _leaf_problem(value, resolved)
            if problem:
                yield _at(path, problem)


def _map_problems(value: Any, atom: MapAtom, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _at(path, f"expected map, got {_go_pointer(value)}")
        return
    for name, inner in value.items():
        inside = f"{path}{format_element(field(name))}"
        child = atom.field(name)
        if child is None:
            yield _at(inside, "field not declared in schema")
            return
        yield from _problems(inner, child, inside)


def _list_problems(value: Any, atom: ListAtom, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield _at(path, f"expected list, got {_go_pointer(value)}")
        return
    seen = set()
    for index, item in enumerate(value):
        inside = f"{path}[{index}]"
        if not atom.is_atomic:
            try:
                element = item_element(atom, item)
            except UnidentifiedError as error:
                yield _at(path, f"element {index}: {error}")
                return
            inside = f"{path}{format_element(element)}"
            if element in seen:
                yield _at(path, f"duplicate entries for key {format_element(element)}")
            seen.add(element)
        yield from _problems(item, atom.item, inside)


def _leaf_problem(value: Any, leaf: Leaf) -> str:
    match leaf:
        case Leaf.STRING if not isinstance(value, str):
            return f"expected string, got {_go_syntax(value)}"
        case Leaf.NUMERIC if isinstance(value, bool) or not isinstance(value, int | float):
            return f"expected numeric (int or float), got {_GO_TYPES.get(type(value), 'map[string]interface {}')}"
        case Leaf.BOOLEAN if not isinstance(value, bool):
            return f"expected boolean, got {_go_pointer(value)}"
        case Leaf.UNTYPED if isinstance(value, dict | list):
            return f"expected scalar, got {_go_pointer(value)}"
        case _:
            return ""


def _at(path: str, problem: str) -> str:
    return f"{path}: {problem}" if path else problem


def _go_pointer(value: Any) -> str:
    return f"&{{{go_print(value)}}}"


def _go_syntax(value: Any) -> str:
    """`%#v` of the library's own wrapper, which is what reaches the client."""
    shown = f'"{value}"' if isinstance(value, str) else go_print(value)
    if isinstance(value, dict | list):
        shown = f"{_GO_TYPES.get(type(value), 'map[string]interface {}')}{{…}}"
    return f"&value.valueUnstructured{{Value:{shown}}}"


def go_print(value: Any) -> str:
    """`%v` of a JSON value."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return "map[" + " ".join(f"{name}:{go_print(value[name])}" for name in sorted(value)) + "]"
        case list():
            return "[" + " ".join(map(go_print, value)) + "]"
        case _:
            return str(value)
