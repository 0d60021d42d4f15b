"""The modify filter: a list of operations on a record's fields, under conditions (plugins/filter_modify/modify.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Entry, FilterSettings, Kind, key
from pillion.collector.filters.conditions import Condition, parse_condition
from pillion.collector.filters.fieldnames import configured_regex, put_last
from pillion.collector.filters.stateless import Bodywise, Stateless
from pillion.collector.parsers import RubyRegex
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import Body, Content, append_constants

Operation: TypeAlias = Callable[[Body], Body]
"""Gets a body of its own, and returns it or another. The order of the fields is Fluent Bit's, too."""

_ONE_WORD = ("remove", "remove_wildcard", "remove_regex", "move_to_start", "move_to_end")
_TWO_WORDS = ("set", "add", "add_if_not_present", "rename", "hard_rename", "copy", "hard_copy")


class ModifySettings(FilterSettings, frozen=True, kw_only=True):
    operations: Annotated[
        tuple[Entry, ...],
        key(
            kind=Kind.ENTRIES,
            keys=("condition", *_TWO_WORDS, *_ONE_WORD),
            help="operations, done in their order, when all conditions hold; wildcards are beginnings of names",
        ),
    ] = ()


# ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────────
def set_(name: str, value: str) -> Operation:
    def change(body: Body) -> Body:
        put_last(body, name, value)
        return body

    return change


def add(name: str, value: str) -> Operation:
    def change(body: Body) -> Body:
        body.setdefault(name, value)
        return body

    return change


def remove(name: str) -> Operation:
    def change(body: Body) -> Body:
        body.pop(name, None)
        return body

    return change


def remove_where(is_meant: Callable[[str], bool]) -> Operation:
    return lambda body: {name: value for name, value in body.items() if not is_meant(name)}


def rename(old: str, new: str) -> Operation:
    """Not when there is a field of the new name."""

    def change(body: Body) -> Body:
        if old not in body or new in body:
            return body
        return {new if name == old else name: value for name, value in body.items()}

    return change


def hard_rename(old: str, new: str) -> Operation:
    def change(body: Body) -> Body:
        if old not in body:
            return body
        return {new if name == old else name: value for name, value in body.items() if name != new}

    return change


def copy(old: str, new: str) -> Operation:
    """Right behind the original; not when there is a field of the new name."""

    def change(body: Body) -> Body:
        if old not in body or new in body:
            return body
        return _with_copy(body, old, new)

    return change


def hard_copy(old: str, new: str) -> Operation:
    return lambda body: _with_copy(body, old, new) if old in body else body


def _with_copy(body: Body, old: str, new: str) -> Body:
    copied: Body = {}
    for name, value in body.items():
        if name != new:
            copied[name] = value
            if name == old:
                copied[new] = value
    return copied


def move_to_start(prefix: str) -> Operation:
    return lambda body: dict(sorted(body.items(), key=lambda item: not item[0].startswith(prefix)))


def move_to_end(prefix: str) -> Operation:
    return lambda body: dict(sorted(body.items(), key=lambda item: item[0].startswith(prefix)))


# ── the filter ───────────────────────────────────────────────────────────────────────────────────────────────────────
class Modify(Bodywise):
    def __init__(self, operations: tuple[Operation, ...], conditions: tuple[Condition, ...]) -> None:
        super().__init__(self._apply)
        self._operations = operations
        self._conditions = conditions

    def _apply(self, body: Body) -> Body:
        for condition in self._conditions:
            if not condition(body):
                return body
        for operation in self._operations:
            body = operation(body)
        return body


class SetOnly(Stateless):
    """Nothing but `Set`: the chunk stays text."""

    def __init__(self, constants: Body) -> None:
        self._constants = constants

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        return Filtered(content=append_constants(content, self._constants))


def build(settings: ModifySettings, context: FilterContext) -> Filter:  # noqa: ARG001 - the protocol's
    entries = [entry for entry in settings.operations if entry.key != "condition"]
    conditions = tuple(parse_condition(entry) for entry in settings.operations if entry.key == "condition")
    operations = tuple(map(parse_operation, entries))
    if operations and not conditions and all(entry.key == "set" for entry in entries):
        constants: Body = {}
        for entry in entries:
            put_last(constants, *entry.words)
        return SetOnly(constants)
    return Modify(operations, conditions)


def parse_operation(entry: Entry) -> Operation:
    """Raises ConfigurationError."""
    about = f"{entry.place}: {entry.key}"
    wanted = 1 if entry.key in _ONE_WORD else 2
    if len(entry.words) != wanted:
        raise ConfigurationError(
            f"{about}: wants {'a field' if wanted == 1 else 'two words'}; what has blanks in it goes into quotes"
        )
    first, last = entry.words[0], entry.words[-1]
    match entry.key:
        case "set":
            return set_(first, last)
        case "add" | "add_if_not_present":
            return add(first, last)
        case "remove":
            return remove(first)
        case "remove_wildcard":
            return remove_where(lambda name: name.startswith(first))
        case "remove_regex":
            return remove_where(_matcher(configured_regex(first, about)))
        case "move_to_start":
            return move_to_start(first)
        case "move_to_end":
            return move_to_end(first)
        case "rename":
            return rename(first, last)
        case "hard_rename":
            return hard_rename(first, last)
        case "copy":
            return copy(first, last)
        case _:
            return hard_copy(first, last)


def _matcher(regex: RubyRegex) -> Callable[[str], bool]:
    return lambda name: regex.search(name) is not None


PLUGIN = FilterPlugin(name="modify", settings=ModifySettings, build=build)
