"""`[PARSER]` and `[MULTILINE_PARSER]` sections into their settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from pillion.collector.configuration.conversion import convert
from pillion.collector.configuration.document import Group, Section, SectionKind
from pillion.collector.configuration.failure import Complaints, Fault, Place
from pillion.collector.configuration.parsers import MultilineParserSettings, MultilineRule, ParserSettings
from pillion.collector.configuration.settings import key
from pillion.collector.configuration.values import split_words
from pillion.collector.configuration.variables import Variables

BUILT_IN_MULTILINE = ("docker", "cri", "go", "java", "json", "python", "ruby")
"""The multiline parsers that are always there (Fluent Bit's src/multiline)."""


class _MultilineKeys(msgspec.Struct, frozen=True, kw_only=True):
    place: str = ""
    name: Annotated[str, key()]
    type: Annotated[Literal["regex", "endswith", "equal", "eq"], key()]
    match_string: Annotated[str, key()] = ""
    negate: Annotated[bool, key()] = False
    key_content: Annotated[str, key()] = ""
    key_group: Annotated[str, key()] = ""
    key_pattern: Annotated[str, key()] = ""
    parser: Annotated[str, key()] = ""
    flush_timeout: Annotated[int, key(help="milliseconds")] = -1


class Definitions:
    """The parsers of all files, first come first served."""

    def __init__(self, variables: Variables, complaints: Complaints) -> None:
        self._variables = variables
        self._complaints = complaints
        self.parsers: dict[str, ParserSettings] = {}
        self.multiline_parsers: dict[str, MultilineParserSettings] = {}

    def add(self, sections: Iterable[Section]) -> None:
        for section in sections:
            if section.kind is SectionKind.PARSER:
                self.add_parsers(
                    [convert(section, ParserSettings, self._variables, self._complaints, ignored=())]
                )
            elif section.kind is SectionKind.MULTILINE_PARSER:
                self._add_multiline(section)

    def add_parsers(self, parsers: Iterable[ParserSettings | None]) -> None:
        """A name that is taken is left out, with a warning, as Fluent Bit does (`flb_parser_create`)."""
        for parser in parsers:
            if parser is None:
                continue
            known = self.parsers.setdefault(parser.name, parser)
            if known is not parser:
                self._warn_taken(parser.place, f"[PARSER] {parser.name}", known.place)

    def _warn_taken(self, place: str, about: str, taken: str) -> None:
        text = f"left out: {taken} has one of this name, and it comes first"
        self._complaints.warn(Fault(place=Place(place), about=about, text=text))

    def _add_multiline(self, section: Section) -> None:
        plain = msgspec.structs.replace(section, groups=())
        keys = convert(plain, _MultilineKeys, self._variables, self._complaints, ignored=("rule", "rules"))
        rules = self._rules(section)
        if keys is None:
            return
        title = f"{section.title} {keys.name}"
        if keys.type == "regex" and not rules and not section.values("rule"):
            self._fault(section.place, title, "type regex needs rules")
        elif keys.type != "regex" and not keys.match_string:
            self._fault(section.place, title, f"type {keys.type} needs match_string")
        parser = MultilineParserSettings(
            place=keys.place,
            name=keys.name,
            type="equal" if keys.type == "eq" else keys.type,
            match_string=keys.match_string,
            negate=keys.negate,
            rules=rules,
            key_content=keys.key_content,
            key_group=keys.key_group,
            key_pattern=keys.key_pattern,
            parser=keys.parser,
            flush_timeout=keys.flush_timeout / 1000 if keys.flush_timeout >= 0 else None,
        )
        known = self.multiline_parsers.setdefault(parser.name, parser)
        if known is not parser:
            self._warn_taken(parser.place, f"{section.title} {parser.name}", known.place)

    def _rules(self, section: Section) -> tuple[MultilineRule, ...]:
        """`rule "states" "/pattern/" "next"` of the classic format, `rules` of YAML. Variables stay as they are."""
        found: list[MultilineRule | None] = []
        for group in section.groups:
            if group.name in ("rules", "rule"):
                found.append(self._rule_of_group(group))
            else:
                self._fault(group.place, f"{section.title}: {group.name}", "must be a word")
        for prop in section.properties:
            if prop.key not in ("rule", "rules"):
                continue
            found += [self._rule_of_line(value, prop.place) for value in prop.values]
        return tuple(rule for rule in found if rule is not None)

    def _rule_of_line(self, line: str, place: Place) -> MultilineRule | None:
        try:
            words = split_words(line, 0)
        except ValueError as error:
            self._fault(place, "rule", str(error))
            return None
        if len(words) < 2:
            self._fault(place, "rule", 'write it as `rule "STATE" "/PATTERN/" "NEXT STATE"`')
            return None
        return _rule(words[0], words[1], words[2] if len(words) > 2 else "", place)

    def _rule_of_group(self, group: Group) -> MultilineRule | None:
        said = {prop.key: prop.values[0] for prop in group.properties if prop.values}
        missing = [name for name in ("state", "regex", "next_state") if not said.get(name)]
        if missing:
            self._fault(group.place, "rules", f"{' and '.join(missing)} missing")
            return None
        return _rule(said["state"], said["regex"], said["next_state"], group.place)

    def _fault(self, place: Place, about: str, text: str) -> None:
        self._complaints.fault(Fault(place=place, about=about, text=text))


def _rule(states: str, pattern: str, following: str, place: Place) -> MultilineRule:
    return MultilineRule(
        states=tuple(filter(None, (state.strip() for state in states.split(",")))),
        pattern=pattern,
        next=following,
        place=str(place),
    )
