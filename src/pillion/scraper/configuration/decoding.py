"""YAML nodes into sections, as Prometheus' reader does it (goyaml v2, decode.go, UnmarshalStrict), with its messages.

What is wrong with single values and keys is gathered; a section with such a fault is not checked any further.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from collections.abc import Mapping as MappingType
from typing import Any, TypeVar

import msgspec

from pillion.scraper.configuration.failure import Complaints, Place, nearest
from pillion.scraper.configuration.schema import (
    Field,
    Section,
    class_variable,
    fields_of,
    known_keys,
)
from pillion.scraper.configuration.secret import Secret
from pillion.scraper.configuration.values import (
    Bytes,
    Milliseconds,
    Url,
    check_url,
    parse_duration,
    parse_size,
)
from pillion.scraper.configuration.yamlnodes import Mapping, Node, Scalar, Sequence, is_merge_key
from pillion.scraper.labels import Action, Regexp, RegexpError, regexp
from pillion.units import quote

S = TypeVar("S", bound=msgspec.Struct)

_PARSED: dict[Any, Callable[[str], Any]] = {Milliseconds: parse_duration, Bytes: parse_size, Regexp: regexp}
"""Types that are read from the text of a scalar, by functions that raise ValueError."""
_ZERO: dict[Any, Any] = {Milliseconds: Milliseconds(0), Bytes: Bytes(0), Secret: Secret()}
_GO_NUMBERS = {int: "int", float: "float64", bool: "bool"}
_SHOWN = 10
"""Characters of a value that a message shows whole."""
_UINTS = ("uint", "uint64")


class _Unusable(Exception):  # noqa: N818 - never leaves this module: the value has been complained about
    pass


class _Keys(msgspec.Struct):
    """The keys of a mapping, merges followed."""

    line: int
    values: dict[str, tuple[Scalar, Node]]


class Decoder:
    """Reads the sections of one file."""

    def __init__(self, file: str, complaints: Complaints) -> None:
        self.file = file
        self._complaints = complaints
        self._places: dict[int, tuple[object, _Keys]] = {}
        """By identity; the objects are kept so that none of them can be another."""
        self._faulty: set[int] = set()
        """Sections, by identity, that do not hold all that is written in them."""

    def section(self, cls: type[S], node: Node) -> S | None:
        """None, and a complaint, when it is no mapping."""
        try:
            return self._section(cls, node)
        except _Unusable:
            return None

    def items(self, cls: type[S], node: Node, no_nulls: str) -> tuple[S, ...]:
        """A list of sections that is a whole file; nothing, and a complaint, when it is no list."""
        field = Field("", "", cls, "", is_inline=False, no_nulls=no_nulls, default=())
        try:
            return self._list(cls, node, field)
        except _Unusable:
            return ()

    def place_of(self, section: object, key: str = "") -> Place:
        """Of a section that was read here, or of a key in it; of the section when the key is not written."""
        found = self._places.get(id(section))
        if found is None:
            return self.place(0)
        keys = found[1]
        return self.place(keys.values[key][0].line if key in keys.values else keys.line)

    def is_sound(self, section: object) -> bool:
        """There is no complaint about it yet: it can be checked together with others."""
        return id(section) not in self._faulty

    def place(self, line: int) -> Place:
        return Place(self.file, line)

    # ── sections ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _section(self, cls: type[S], node: Node) -> S:
        go_type = _go_decoded(cls)
        if not isinstance(node, Mapping):
            raise self._mismatch(node, go_type)
        before = len(self._complaints.faults)
        keys = _Keys(node.line, {})
        self._gather(node, keys, go_type)
        self._judge_keys(cls, keys, go_type)
        section = self._build(cls, keys)
        if len(self._complaints.faults) == before:
            section = self._checked(section, keys)
        self._places[id(section)] = (section, keys)
        if len(self._complaints.faults) != before:
            self._faulty.add(id(section))
        return section

    def _judge_keys(self, cls: type[msgspec.Struct], keys: _Keys, go_type: str) -> None:
        known, refused = known_keys(cls), class_variable(cls, "refused")
        ineffective = class_variable(cls, "ineffective")
        for key, (name, value) in keys.values.items():
            place = self.place(name.line)
            is_off = isinstance(value, Scalar) and (value.value is None or value.value is False)
            if key not in known:
                text = f"field {key} not found in type {go_type}"
                self._complaints.type_error(place, text, hint=nearest(key, known))
            elif key in refused and not _is_null(value):
                self._complaints.fault(place, refused[key], about=key)
            elif ineffective.get(key) and not is_off:
                self._complaints.warn(place, f"has no effect: {ineffective[key]}", about=key)

    def _build(self, cls: type[S], keys: _Keys) -> S:
        values: dict[str, Any] = {}
        for field in fields_of(cls):
            try:
                if field.is_inline:
                    part = self._build(field.type, keys)
                    self._places[id(part)] = (part, keys)
                    values[field.name] = self._with_defaults(field.default, part, keys)
                elif field.key in keys.values:
                    values[field.name] = self._value(field, keys.values[field.key][1])
                elif field.name == "place":
                    values["place"] = self.place(keys.line)
            except _Unusable:
                continue
        return cls(**values)

    def _with_defaults(self, default: Any, part: msgspec.Struct, keys: _Keys) -> Any:
        """An inline section whose defaults the section around it has changed."""
        changes = {
            field.name: getattr(default, field.name)
            for field in fields_of(type(part))
            if field.key not in keys.values and getattr(default, field.name) != getattr(part, field.name)
        }
        return msgspec.structs.replace(part, **changes) if changes else part

    def _checked(self, section: S, keys: _Keys) -> S:
        """With what follows from what is written, or with complaints."""
        if not isinstance(section, Section):
            return section
        before = len(self._complaints.faults)
        changes = {}
        for field in fields_of(type(section)):
            if field.is_inline:
                changes[field.name] = self._checked(getattr(section, field.name), keys)
        for key, text in section.problems():
            self._complaints.fault(
                self.place(keys.values[key][0].line if key in keys.values else keys.line), text
            )
        if len(self._complaints.faults) != before:
            return section
        completed: S = msgspec.structs.replace(section, **changes).completed()
        return completed

    def _gather(self, node: Mapping, keys: _Keys, go_type: str) -> None:
        """A merge counts where it stands: it replaces what is above it, and gives way to what is below."""
        written: set[str] = set()
        for key, value in node.pairs:
            if is_merge_key(key):
                self._merge(value, keys, go_type)
                continue
            if not isinstance(key, Scalar):
                self._mismatch(key, "string")
                continue
            if key.text in written:
                text = f"field {key.text} already set in type {go_type}"
                self._complaints.type_error(self.place(key.line), text)
                continue
            written.add(key.text)
            keys.values[key.text] = (key, value)

    def _merge(self, node: Node, keys: _Keys, go_type: str) -> None:
        sources = reversed(node.items) if isinstance(node, Sequence) else (node,)
        for source in sources:
            if isinstance(source, Mapping):
                self._gather(source, keys, go_type)
            else:
                text = "yaml: map merge requires map or sequence of maps as the value"
                self._complaints.fault(self.place(node.line), text)
                return

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _value(self, field: Field, node: Node) -> Any:
        return self._read(field.type, node, field)

    def _read(self, type_: Any, node: Node, field: Field) -> Any:
        origin = typing.get_origin(type_)
        if origin in (types.UnionType, typing.Union):
            inner = next(part for part in typing.get_args(type_) if part is not types.NoneType)
            return None if _is_null(node) else self._read(inner, node, field)
        if origin is tuple:
            return self._list(typing.get_args(type_)[0], node, field)
        if origin is MappingType:
            return self._map(typing.get_args(type_)[1], node, field)
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
            return type_() if _is_null(node) else self._section(type_, node)
        if not isinstance(node, Scalar):
            raise self._mismatch(node, _go_name(type_, field))
        return self._scalar(type_, node, field)

    def _scalar(self, type_: Any, node: Scalar, field: Field) -> Any:
        if type_ in _GO_NUMBERS:
            return self._number(type_, node, field.go_type or _GO_NUMBERS[type_])
        text = "" if node.value is None else node.text
        if node.value is None and type_ in _ZERO:
            return _ZERO[type_]
        try:
            if type_ in _PARSED:
                return _PARSED[type_](text)
            if type_ is Url:
                check_url(text)
        except RegexpError as error:
            raise self._fault(node, str(error), field) from None
        except ValueError as error:
            raise self._fault(node, str(error), field, _unit_hint(type_, text)) from None
        if type_ is Secret:
            return Secret(text)
        if type_ is Action:
            return self._action(text, node, field)
        return text

    def _action(self, text: str, node: Scalar, field: Field) -> Action:
        if not text:
            raise self._fault(node, "relabel action cannot be empty", field)
        if text.lower() not in list(Action):
            raise self._fault(node, f"unknown relabel action {quote(text)}", field, nearest(text, Action))
        return Action(text.lower())

    def _number(self, type_: Any, node: Scalar, go_type: str) -> Any:
        value = node.value
        if value is None:
            return type_(0)
        if type_ is bool:
            if isinstance(value, bool):
                return value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            is_fitting = value == value and abs(value) < (1 << 64) and not (go_type in _UINTS and value < 0)
            if is_fitting:
                return type_(value)
        raise self._mismatch(node, go_type)

    def _list(self, item_type: Any, node: Node, field: Field) -> tuple[Any, ...]:
        if _is_null(node):
            return ()
        if not isinstance(node, Sequence):
            raise self._mismatch(node, _go_list(item_type, field))
        items = []
        for item in node.items:
            if _is_null(item) and field.no_nulls:
                self._complaints.fault(self.place(item.line), field.no_nulls)
                continue
            try:
                items.append(self._read(item_type, item, field))
            except _Unusable:
                continue
        return tuple(items)

    def _map(self, value_type: Any, node: Node, field: Field) -> dict[str, Any]:
        if _is_null(node):
            return {}
        if not isinstance(node, Mapping):
            raise self._mismatch(node, field.go_type or "map[string]string")
        found: dict[str, Any] = {}
        values = msgspec.structs.replace(field, go_type="")
        for key, value in _map_pairs(node):
            if not isinstance(key, Scalar):
                self._mismatch(key, "string")
                continue
            if key.text in found:
                text = f"key {quote(key.text)} already set in map"
                self._complaints.type_error(self.place(key.line), text)
                continue
            try:
                found[key.text] = self._read(value_type, value, values)
            except _Unusable:
                continue
        return found

    # ── complaints ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _fault(self, node: Node, text: str, field: Field, hint: str = "") -> _Unusable:
        self._complaints.fault(self.place(node.line), text, about=field.key, hint=hint)
        return _Unusable()

    def _mismatch(self, node: Node, go_type: str) -> _Unusable:
        if isinstance(node, Scalar):
            shown = node.text if len(node.text.encode()) <= _SHOWN else f"{node.text[: _SHOWN - 3]}..."
            text = f"cannot unmarshal {node.tag} `{shown}` into {go_type}"
        else:
            text = f"cannot unmarshal {'!!seq' if isinstance(node, Sequence) else '!!map'} into {go_type}"
        self._complaints.type_error(self.place(node.line), text)
        return _Unusable()


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _map_pairs(node: Mapping) -> list[tuple[Node, Node]]:
    """Of a map of strings, the merged ones first and each key once."""
    merged: dict[str, tuple[Node, Node]] = {}
    for key, value in node.pairs:
        if is_merge_key(key):
            for source in reversed(value.items) if isinstance(value, Sequence) else [value]:
                if isinstance(source, Mapping):
                    merged |= {k.text: (k, v) for k, v in _map_pairs(source) if isinstance(k, Scalar)}
    written = [pair for pair in node.pairs if not is_merge_key(pair[0])]
    own = {key.text for key, _ in written if isinstance(key, Scalar)}
    return [pair for name, pair in merged.items() if name not in own] + written


def _unit_hint(type_: Any, text: str) -> str:
    if not text.isdecimal():
        return ""
    return f"write the unit: {text}s" if type_ is Milliseconds else f"write the unit: {text}B"


def _go_decoded(cls: type[msgspec.Struct]) -> str:
    name: str = class_variable(cls, "go_decoded") or class_variable(cls, "go_type")
    return name


def _go_name(type_: Any, field: Field) -> str:
    """A text that is parsed is a string while it is decoded."""
    return field.go_type or _GO_NUMBERS.get(type_, "string")


def _go_list(item_type: Any, field: Field) -> str:
    if isinstance(item_type, type) and issubclass(item_type, msgspec.Struct):
        return f"[]*{class_variable(item_type, 'go_type')}"
    return field.go_type or "[]string"
