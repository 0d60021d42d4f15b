"""The grep filter: keeps or drops records by regular expressions (plugins/filter_grep/grep.c)."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Entry, FilterSettings, Kind, key
from pillion.collector.filters.fieldnames import configured_field, configured_regex, values
from pillion.collector.filters.linesearch import matching_lines
from pillion.collector.filters.stateless import Stateless
from pillion.collector.parsers import RubyRegex
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import Accessor, Content, Lines, select

if TYPE_CHECKING:
    from collections.abc import Callable


_FEW = 4
"""Records for each value that they have, from which on it is looked at only once."""


class GrepSettings(FilterSettings, frozen=True, kw_only=True):
    rules: Annotated[
        tuple[Entry, ...],
        key(
            kind=Kind.ENTRIES,
            keys=("regex", "exclude"),
            words=2,
            help="a field and a pattern; regex keeps the records that match, exclude drops them",
        ),
    ] = ()
    logical_op: Annotated[
        Literal["legacy", "and", "or"],
        key(
            help="how several rules count; legacy: one after the other, the first regex that matches decides"
        ),
    ] = "legacy"

    def __post_init__(self) -> None:
        if self.logical_op != "legacy" and len({entry.key for entry in self.rules}) > 1:
            raise ValueError("logical_op: and and or take either regex or exclude, not both")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    keeps: bool
    """Regex; otherwise Exclude."""
    field: Accessor
    regex: RubyRegex

    def matches(self, content: Content) -> list[bool]:
        """A field that is no string matches nothing (src/flb_ra_key.c, `flb_ra_key_regex_match`)."""
        if isinstance(content, Lines) and not self.field.steps and self.field.key == content.key:
            return matching_lines(content, self.regex)
        found = values(content, self.field)
        try:
            distinct = set(found)
        except TypeError:  # a map or an array
            return list(map(self._matches, found))
        if len(distinct) * _FEW > len(found):
            return list(map(self._matches, found))
        known = {value: self._matches(value) for value in distinct}
        return [known[value] for value in found]

    def _matches(self, value: Any) -> bool:
        return isinstance(value, str) and self.regex.pattern.search(value) is not None


class Grep(Stateless):
    def __init__(
        self, rules: tuple[Rule, ...], logical_op: str, dropped: Callable[[int], None] = lambda _: None
    ) -> None:
        self._rules = rules
        self._logical_op = logical_op
        self._dropped = dropped

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        keep = self._keep(content)
        kept = select(content, keep) if keep else content
        if kept is not content:
            self._dropped(keep.count(False))
        return Filtered(content=kept)

    def _keep(self, content: Content) -> list[bool]:
        """One for each record; empty: all of them."""
        matches = [rule.matches(content) for rule in self._rules]
        if not matches:
            return []
        if self._logical_op == "legacy":
            return self._in_turn(matches) if len(matches) > 1 else self._first(matches[0])
        combine = and_ if self._logical_op == "and" else or_
        return self._first(reduce(lambda one, other: list(map(combine, one, other)), matches))

    def _first(self, found: list[bool]) -> list[bool]:
        return found if self._rules[0].keeps else [not each for each in found]

    def _in_turn(self, matches: list[list[bool]]) -> list[bool]:
        """grep_filter_data: a regex that fails and an exclude that matches drop a record, a regex that matches keeps it
        whatever comes after."""
        keep = [True] * len(matches[0])
        undecided = list(keep)
        for rule, found in zip(self._rules, matches, strict=True):
            for index, matched in enumerate(found):
                if not undecided[index]:
                    continue
                if rule.keeps:
                    keep[index] = matched
                    undecided[index] = False
                elif matched:
                    keep[index] = undecided[index] = False
        return keep


def build(settings: GrepSettings, context: FilterContext) -> Filter:
    return Grep(tuple(map(parse_rule, settings.rules)), settings.logical_op, context.dropped)


def parse_rule(entry: Entry) -> Rule:
    """The pattern is what follows the blank after the field, further blanks included, quotes too (flb_utils_split)."""
    about = f"{entry.place}: {entry.key}"
    field, _, pattern = entry.text.lstrip(" ").partition(" ")
    if not pattern:
        raise ConfigurationError(f"{about}: wants a field and a pattern, as in `log error`")
    return Rule(
        keeps=entry.key == "regex",
        field=configured_field(field if field.startswith("$") else f"${field}", about),
        regex=configured_regex(pattern, about),
    )


PLUGIN = FilterPlugin(name="grep", settings=GrepSettings, build=build)
