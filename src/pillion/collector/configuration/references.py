"""The parsers that plugins name: they exist, or it is said."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pillion.collector.configuration.configured import PluginSection
from pillion.collector.configuration.conversion import keys_of
from pillion.collector.configuration.definitions import BUILT_IN_MULTILINE
from pillion.collector.configuration.failure import Complaints, Fault, nearest
from pillion.collector.configuration.standard import STANDARD_PARSERS

_PARSER_KEY = re.compile(r"parser|parser_firstline|parser_\d+|docker_mode_parser|merge_parser")
_MULTILINE_KEY = "multiline.parser"
_STANDARD = {parser.name for parser in STANDARD_PARSERS}


def without_unknown_parsers(
    section: PluginSection[Any], known: tuple[set[str], set[str]], complaints: Complaints
) -> PluginSection[Any]:
    """The section, without the names of parsers that do not exist; each of them is complained of.

    `known`: the names of parsers and of multiline parsers; these count in any case.
    """
    changes: dict[str, Any] = {}
    parsers, multiline = known
    for key in keys_of(type(section.settings)):
        value = key.value_in(section.settings)
        if key.name == _MULTILINE_KEY:
            names = multiline | {*BUILT_IN_MULTILINE}
            known_as = {name.lower() for name in names}
        elif _PARSER_KEY.fullmatch(key.name):
            names = known_as = parsers
        else:
            continue
        written = (value,) if isinstance(value, str) else tuple(value or ())
        folded = key.name == _MULTILINE_KEY
        unknown = [
            name
            for name in written
            if isinstance(name, str) and name and (name.lower() if folded else name) not in known_as
        ]
        for name in unknown:
            _complain(section, key.name, name, names, complaints)
        if unknown:
            kept = tuple(name for name in written if name not in unknown)
            changes[key.field] = kept if isinstance(value, tuple) else ""
    if not changes:
        return section
    return msgspec.structs.replace(section, settings=msgspec.structs.replace(section.settings, **changes))


def _complain(
    section: PluginSection[Any], key: str, name: str, known: set[str], complaints: Complaints
) -> None:
    kind = "multiline parser" if key == _MULTILINE_KEY else "parser"
    hint = nearest(name, known)
    if kind == "parser" and name in _STANDARD and not hint:
        hint = "; it is one of the standard ones: add `Parsers_File parsers.conf` to [SERVICE]"
    about = f"[{section.kind.value.upper()}] {section.plugin}: {key}"
    complaints.fault(Fault(place=section.place, about=about, text=f"there is no {kind} {name!r}{hint}"))
