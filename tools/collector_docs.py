"""The reference of the collector's configuration, made from the settings of its plugins."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import msgspec

from pillion.collector.catalogue import FILTERS, INPUTS, OUTPUTS, Catalogue
from pillion.collector.configuration import PluginKind
from pillion.collector.configuration.conversion import Key, keys_of
from pillion.collector.configuration.differences import show
from pillion.collector.configuration.parsers import ParserSettings
from pillion.collector.configuration.service import ServiceSettings
from pillion.collector.configuration.settings import (
    FilterSettings,
    InputSettings,
    Kind,
    NetSettings,
    OutputSettings,
    Settings,
    TlsSettings,
    named,
)

_MADE = "Made from the program by `tools/generate_docs.py`."
_SHARED: dict[PluginKind, type[Settings]] = {
    PluginKind.INPUT: InputSettings,
    PluginKind.FILTER: FilterSettings,
    PluginKind.OUTPUT: OutputSettings,
}
_GROUPS: dict[type[msgspec.Struct], str] = {NetSettings: "Connections", TlsSettings: "TLS"}
"""Groups that several plugins have, and their headings."""
_KINDS = {
    Kind.SIZE: "size: `32k`, `5M` (powers of 1000)",
    Kind.BINARY_SIZE: "size: `32k`, `2M` (powers of 1024)",
    Kind.SECONDS: "time: `5`, `5s`, `2m`, `1h`",
    Kind.LIST: "list: `a, b`",
    Kind.WORDS: "words",
    Kind.ENTRIES: "words",
}
_TYPES = {bool: "on, off", int: "number", float: "number", str: "text"}


def plugins_page(kind: PluginKind) -> str:
    """Every plugin of a kind with its keys; those that all have come first, groups of several last."""
    shared = _SHARED[kind]
    about = f"{_MADE} Keys are Fluent Bit's, in any case. `pillion collect --check` tells the differences of one file."
    parts = [
        f"# {kind.value.capitalize()}s of the collector",
        about,
        f"## Every {kind.value}",
        _table(keys_of(shared)),
        *_others(named(shared, "without_effect"), named(shared, "refused")),
    ]
    used: dict[type[msgspec.Struct], None] = {}
    for name in sorted(Catalogue().names(kind)):
        if _exists(kind, name):
            settings = Catalogue().settings(kind, name)
            used |= dict.fromkeys(group for group in _groups(settings).values() if group in _GROUPS)
            parts += _plugin(name, settings, shared)
    for group in used:
        parts += [f"## {_GROUPS[group]}", _table(keys_of(group))]
        parts += _others(named(group, "without_effect"), named(group, "refused"))
    return "\n\n".join(parts) + "\n"


def _groups(settings: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """By the field that holds each."""
    return {
        field.name: field.type
        for field in msgspec.structs.fields(settings)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
    }


def service_page() -> str:
    parts = [
        "# `[SERVICE]` and parsers of the collector",
        _MADE,
        "## [SERVICE]",
        _table(keys_of(ServiceSettings)),
        *_others(named(ServiceSettings, "without_effect"), named(ServiceSettings, "refused")),
        "## [PARSER]",
        "In a file that `Parsers_File` names, or below `parsers` in YAML.",
        _table(keys_of(ParserSettings)),
    ]
    return "\n\n".join(parts) + "\n"


def _exists(kind: PluginKind, name: str) -> bool:
    modules = {PluginKind.INPUT: INPUTS, PluginKind.FILTER: FILTERS, PluginKind.OUTPUT: OUTPUTS}[kind]
    return (
        importlib.util.find_spec(f"pillion.collector.{kind.value}s.{modules[name].split('.')[0]}") is not None
    )


def _plugin(name: str, settings: type[Settings], shared: type[Settings]) -> Iterator[str]:
    yield f"## {name}"
    groups = {field: group for field, group in _groups(settings).items() if group in _GROUPS}
    known = {key.name for key in keys_of(shared)}
    keys = [key for key in keys_of(settings) if key.name not in known and key.group not in groups]
    if keys:
        yield _table(keys)
    if groups:
        links = (f"[{_GROUPS[group]}](#{_GROUPS[group].lower()})" for group in groups.values())
        yield f"And the keys of {' and '.join(links)}."
    said = [shared, *groups.values()]
    yield from _others(
        *(
            {
                key: reason
                for key, reason in named(settings, attribute).items()
                if not any(key in named(other, attribute) for other in said)
            }
            for attribute in ("without_effect", "refused")
        )
    )
    behaves = [
        f"* {subject}: {ours}; Fluent Bit: {differs.fluent_bit} ({differs.why})"
        for part in settings.__mro__
        for subject, (ours, differs) in vars(part).get("behaves", {}).items()
    ]
    if behaves:
        yield "In another way than in Fluent Bit:"
        yield "\n".join(behaves)


def _others(without_effect: dict[str, str], refused: dict[str, str]) -> Iterator[str]:
    """Keys of Fluent Bit that are not fields, by their reasons."""
    for heading, keys in (("Taken and without effect", without_effect), ("Refused", refused)):
        reasons: dict[str, list[str]] = {}
        for key, reason in keys.items():
            reasons.setdefault(reason, []).append(f"`{key}`")
        if reasons:
            yield f"{heading}:"
            yield "\n".join(f"* {', '.join(sorted(names))}: {reason}" for reason, names in reasons.items())


def _table(keys: list[Key] | tuple[Key, ...]) -> str:
    rows = ["| key | takes | default | |", "| --- | --- | --- | --- |"]
    for key in keys:
        names = ", ".join(f"`{name}`" for name in key.names)
        rows.append(f"| {names} | {_takes(key)} | {_default(key)} | {_help(key)} |")
    return "\n".join(rows)


def _takes(key: Key) -> str:
    takes = ", ".join(f"`{choice}`" for choice in key.choices if choice) if key.choices else ""
    takes = takes or (_KINDS[key.kind] if key.kind is not None else _TYPES[key.type])
    return f"{takes}; several times" if key.repeated or key.kind is Kind.ENTRIES else takes


def _default(key: Key) -> str:
    if key.required:
        return "needed"
    shown = show(key, key.default)
    return "" if shown == "none" else f"`{shown}`"


def _help(key: Key) -> str:
    """With the difference from Fluent Bit; `|` would end the cell."""
    said = key.help
    if key.differs is not None:
        said += f"{'. ' if said else ''}Fluent Bit: {key.differs.fluent_bit} ({key.differs.why})"
    return said.replace("|", "\\|")
