"""Sections into settings: keys by name, values by kind, everything that is wrong at once."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from pillion.collector.configuration.document import PROCESSORS, Property, Section, SectionKind
from pillion.collector.configuration.failure import Complaints, Fault, Place, nearest
from pillion.collector.configuration.settings import Differs, Entry, Kind, named
from pillion.collector.configuration.values import (
    parse_binary_size,
    parse_bool,
    parse_float,
    parse_int,
    parse_list,
    parse_seconds,
    parse_size,
    split_words,
)
from pillion.collector.configuration.variables import Variables, expand_all

_BOTH_QUOTES = "\"'"
_ALWAYS_TAKEN = "_debug."
"""Fluent Bit's own switches for debugging (`is_internal_debug_property`)."""


class Key(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One key of a settings struct."""

    field: str
    group: str
    """The field of the settings that holds this key's struct; empty when the key is the settings' own."""
    name: str
    """In lower case, as it is looked for."""
    names: tuple[str, ...]
    """With its aliases; of ENTRIES, all keys."""
    kind: Kind | None
    type: Any
    """The annotation without Annotated, None and the outer tuple of a repeated one."""
    choices: tuple[str, ...] = ()
    words: int = 0
    repeated: bool = False
    required: bool = False
    default: Any = None
    help: str = ""
    differs: Differs | None = None
    secret: bool = False

    def value_in(self, settings: msgspec.Struct) -> Any:
        return getattr(getattr(settings, self.group) if self.group else settings, self.field)


def keys_of(settings: type[msgspec.Struct]) -> tuple[Key, ...]:
    """In the order of the fields, those of groups where the group stands. `place` is none."""
    keys: list[Key] = []
    for field in msgspec.structs.fields(settings):
        if field.name == "place":
            continue
        inner, _ = _unwrap(field.type)
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            group = _default(field)
            keys += [_key(member, field.name, group) for member in msgspec.structs.fields(inner)]
        else:
            keys.append(_key(field))
    return tuple(keys)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """None when there is none."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def _key(field: msgspec.structs.FieldInfo, group: str = "", holder: msgspec.Struct | None = None) -> Key:
    inner, said = _unwrap(field.type)
    name = str(said.get("name") or field.name).lower()
    kind, repeated = said.get("kind"), bool(said.get("repeated"))
    if repeated and get_origin(inner) is tuple and kind is not Kind.LIST:
        inner = get_args(inner)[0]
    choices = tuple(map(str, get_args(inner))) if get_origin(inner) is Literal else ()
    names = tuple(known.lower() for known in said.get("keys", ())) or (name, *said.get("aliases", ()))
    return Key(
        field=field.name,
        group=group,
        name=name,
        names=tuple(known.lower() for known in names),
        kind=kind,
        type=inner,
        choices=choices,
        words=int(said.get("words", 0)),
        repeated=repeated,
        required=field.required,
        default=_default(field) if holder is None else getattr(holder, field.name),
        help=str(said.get("help", "")),
        differs=said.get("differs"),
        secret=bool(said.get("secret")),
    )


def _unwrap(annotation: Any) -> tuple[Any, dict[str, Any]]:
    """The type, and what `key(…)` says of it."""
    said: dict[str, Any] = {}
    if get_origin(annotation) is Annotated:
        annotation, *metas = get_args(annotation)
        for meta in metas:
            if isinstance(meta, msgspec.Meta) and meta.extra:
                said |= meta.extra
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        annotation = parts[0] if len(parts) == 1 else annotation
    return annotation, said


# ── one section ──────────────────────────────────────────────────────────────────────────────────────────────────────
SettingsT = TypeVar("SettingsT", bound=msgspec.Struct)
_RAW = {Kind.SIZE: parse_size, Kind.BINARY_SIZE: parse_binary_size, Kind.SECONDS: parse_seconds}
_PLAIN: dict[type, Callable[[str], Any]] = {bool: parse_bool, int: parse_int, float: parse_float, str: str}


def convert(
    section: Section,
    settings: type[SettingsT],
    variables: Variables,
    complaints: Complaints,
    *,
    title: str = "",
    ignored: Iterable[str] = ("name",),
    takes_last: bool = False,
) -> SettingsT | None:
    """The settings that a section says; None when it says something that cannot be.

    `title` names the section in complaints, `ignored` are keys that the caller reads. A key that stands several times
    and is not `repeated` is a fault, as in Fluent Bit, unless `takes_last`.
    """
    conversion = _Conversion(section, settings, variables, complaints, title or section.title)
    converted: SettingsT | None = conversion.convert(frozenset(ignored), takes_last=takes_last)
    return converted


class _Conversion:
    def __init__(
        self,
        section: Section,
        settings: type[Any],
        variables: Variables,
        complaints: Complaints,
        title: str,
    ) -> None:
        self._section = section
        self._settings = settings
        self._variables = variables
        self._complaints = complaints
        self._title = title
        self._fields = keys_of(settings)
        self._failed: set[str] = set()
        """Keys with a value that makes no sense."""
        self._keys = {name: known for known in self._fields for name in known.names}

    def convert(self, ignored: frozenset[str], *, takes_last: bool) -> Any:
        given: dict[str, list[Property]] = {}
        for prop in self._section.properties:
            known = self._keys.get(prop.key)
            if prop.key in ignored and known is None:
                continue
            if known is None:
                self._unknown(prop)
            else:
                given.setdefault(known.names[0], []).append(prop)
        self._refuse_groups()
        values: dict[Key, Any] = {}
        for known in self._fields:
            properties = given.get(known.names[0], [])
            self._convert_key(
                known, properties[-1:] if takes_last and not known.repeated else properties, values
            )
        return self._build(values)

    def _build(self, values: dict[Key, Any]) -> Any:
        missing = [known for known in self._fields if known.required and known not in values]
        for known in missing:
            if known.name not in self._failed:
                self._complaints.fatal(
                    Fault(place=self._section.place, about=self._title, text=f"{known.name} is missing")
                )
        if missing:
            return None
        own = {known.field: value for known, value in values.items() if not known.group}
        groups: dict[str, dict[str, Any]] = {}
        for known, value in values.items():
            if known.group:
                groups.setdefault(known.group, {})[known.field] = value
        try:
            built = self._settings(place=str(self._section.place), **own)
            changed = {
                name: msgspec.structs.replace(getattr(built, name), **members)
                for name, members in groups.items()
            }
            return msgspec.structs.replace(built, **changed) if changed else built
        except ValueError as error:
            self._complaints.fatal(Fault(place=self._section.place, about=self._title, text=str(error)))
            return None

    def _unknown(self, prop: Property) -> None:
        about = f"{self._title}: {prop.key}"
        if prop.key.startswith(_ALWAYS_TAKEN):
            return
        if prop.key in named(self._settings, "without_effect"):
            return
        refused = named(self._settings, "refused").get(prop.key)
        text = refused or f"there is no such key{nearest(prop.key, self._keys)}"
        self._complaints.fault(Fault(place=prop.place, about=about, text=text))

    def _refuse_groups(self) -> None:
        for group in self._section.groups:
            text = "is not supported"
            if group.name == PROCESSORS and self._section.kind is SectionKind.INPUT:
                continue
            if group.name == PROCESSORS:
                text = "processors of an output are not supported: write them as filters"
            elif group.name == "routes":
                text = "routes are not supported: route by tag, and with rewrite_tag by content"
            self._complaints.fault(Fault(place=group.place, about=f"{self._title}: {group.name}", text=text))

    def _convert_key(self, known: Key, properties: Sequence[Property], values: dict[Key, Any]) -> None:
        """One field's value into `values`, if there is one."""
        found: list[Any] = []
        for prop in properties:
            about = f"{self._title}: {prop.key}"
            for text in expand_all(prop.values, self._variables, prop.place, about, self._complaints):
                try:
                    found.append(self._value(known, prop, text))
                except ValueError as error:
                    self._failed.add(known.name)
                    complain = self._complaints.fatal if known.required else self._complaints.fault
                    complain(Fault(place=prop.place, about=about, text=str(error)))
        if not found:
            return
        if known.kind is Kind.LIST:
            values[known] = tuple(item for items in found for item in items)
        elif known.repeated or known.kind is Kind.ENTRIES:
            values[known] = tuple(found)
        else:
            values[known] = found[-1]
        if len(found) > 1 and not (known.repeated or known.kind in (Kind.ENTRIES, Kind.LIST)):
            place = properties[-1].place
            text = f"stands {len(found)} times, Fluent Bit refuses that"
            self._complaints.fault(Fault(place=place, about=f"{self._title}: {known.name}", text=text))

    def _value(self, known: Key, prop: Property, text: str) -> Any:
        """Raises ValueError with what is wrong."""
        match known.kind:
            case Kind.SIZE | Kind.BINARY_SIZE | Kind.SECONDS:
                return _RAW[known.kind](text)
            case Kind.LIST:
                return parse_list(text)
            case Kind.WORDS:
                return split_words(text, known.words)
            case Kind.ENTRIES:
                words = split_words(text, known.words, quotes=_BOTH_QUOTES)
                return Entry(key=prop.key, words=words, place=str(prop.place), text=text)
            case None:
                return _choice(known, text) if known.choices else _PLAIN[known.type](text)


def _choice(known: Key, text: str) -> Any:
    for choice in get_args(known.type):
        if str(choice).lower() == text.lower():
            return choice
    said = ", ".join(choice for choice in known.choices if choice)
    raise ValueError(f"{_shown(text)} is not one of {said}{nearest(text, known.choices)}")


def _shown(text: str) -> str:
    """A value that may be a secret in the wrong place is not repeated in full."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def place_of(section: Section, key: str) -> Place:
    """Where a key stands; the section's place when it does not."""
    places = [prop.place for prop in section.properties if prop.key == key]
    return places[-1] if places else section.place
