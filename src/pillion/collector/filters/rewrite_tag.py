"""The rewrite_tag filter: sends records on under another tag (plugins/filter_rewrite_tag/rewrite_tag.c)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, ClassVar

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import FilterSettings, Kind, key
from pillion.collector.configuration.values import parse_bool
from pillion.collector.filters.fieldnames import configured_field, configured_regex, values
from pillion.collector.filters.stateless import Stateless
from pillion.collector.parsers import RubyRegex
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import (
    Accessor,
    Body,
    Content,
    Records,
    Template,
    as_records,
    parse_template,
    select,
)

_WORDS = ("field", "pattern", "tag", "keep")


class RewriteTagSettings(FilterSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "emitter_name": "records go back to the first filter without an input of their own",
        "emitter_storage.type": "records wait where those of their input do",
        "emitter_mem_buf_limit": "records count as their input's, and its mem_buf_limit holds",
        "recursion_action": "records that a filter has emitted pass it by",
    }

    rule: Annotated[
        tuple[tuple[str, ...], ...],
        key(
            kind=Kind.WORDS,
            words=4,
            repeated=True,
            help="$field, pattern, new tag (with $accessors, $TAG, $TAG[n], $0…$9), and whether to keep the record",
        ),
    ] = ()

    def __post_init__(self) -> None:
        if any(len(words) != len(_WORDS) for words in self.rule):
            raise ValueError(
                "rule: wants a field, a pattern, a tag and true or false, as in `$log ^x y.$TAG false`"
            )


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    field: Accessor
    regex: RubyRegex
    tag: Template
    keep: bool

    @property
    def needs_body(self) -> bool:
        return any(isinstance(part, Accessor) for part in self.tag.parts)


class RewriteTag(Stateless):
    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        tags, stays = self._judge(tag, content)
        wanted = dict.fromkeys(new for new in tags if new)
        if not wanted:
            return Filtered(content=content)
        rest = select(content, stays)
        emitted: list[tuple[str, Content]] = []
        for new in wanted:
            picked = select(content, [each == new for each in tags])
            assert picked is not None
            # Bodies belong to one holder: what goes two ways is copied.
            emitted.append((new, deepcopy(picked) if isinstance(picked, Records) and any(stays) else picked))
        return Filtered(content=rest, emitted=tuple(emitted))

    def _judge(self, tag: str, content: Content) -> tuple[list[str], list[bool]]:
        """Each record's new tag, empty for those that no rule matches; and whether it goes on under the old one."""
        columns = [values(content, rule.field) for rule in self._rules]
        bodies: list[Body] = []
        if any(rule.needs_body for rule in self._rules):
            bodies = as_records(content).bodies
        tags: list[str] = []
        stays: list[bool] = []
        for index, row in enumerate(zip(*columns, strict=True)):
            new, keep = self._new_tag(tag, row, bodies[index] if bodies else {})
            tags.append(new)
            stays.append(keep or not new)
        return tags, stays

    def _new_tag(self, tag: str, row: tuple[Any, ...], body: Body) -> tuple[str, bool]:
        for rule, value in zip(self._rules, row, strict=True):
            found = rule.regex.search(value) if isinstance(value, str) else None
            if found is not None:
                return rule.tag.render(tag, body, (found[0], *found.groups())), rule.keep
        return "", True


def build(settings: RewriteTagSettings, context: FilterContext) -> Filter:  # noqa: ARG001 - the protocol's
    return RewriteTag(tuple(_rule(words, f"{settings.place}: rule") for words in settings.rule))


def _rule(words: tuple[str, ...], about: str) -> Rule:
    field, pattern, tag, keep = words
    try:
        return Rule(
            field=configured_field(field, about),
            regex=configured_regex(pattern, about),
            tag=parse_template(tag),
            keep=parse_bool(keep),
        )
    except ValueError as error:
        raise ConfigurationError(f"{about}: {error}") from None


PLUGIN = FilterPlugin(name="rewrite_tag", settings=RewriteTagSettings, build=build)
