"""The record_modifier filter: appends fields, removes fields (plugins/filter_record_modifier/filter_modifier.c)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Annotated

from pillion.collector.configuration.settings import FilterSettings, Kind, key
from pillion.collector.filters.fieldnames import prefixed, put_last
from pillion.collector.filters.stateless import Stateless
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import Body, Content, Records, append_constants, as_records


class RecordModifierSettings(FilterSettings, frozen=True, kw_only=True):
    record: Annotated[
        tuple[tuple[str, ...], ...],
        key(kind=Kind.WORDS, words=2, repeated=True, help="a field to append: its name and its value"),
    ] = ()
    remove_key: Annotated[
        tuple[str, ...],
        key(repeated=True, help="a field to remove, in any case; `x*` removes all that begin with x"),
    ] = ()
    allowlist_key: Annotated[
        tuple[str, ...],
        key(repeated=True, aliases=("whitelist_key",), help="a field to keep; all others are removed"),
    ] = ()
    uuid_key: Annotated[str, key(help="a field to append: a random UUID for each record")] = ""

    def __post_init__(self) -> None:
        if any(len(words) != len(("name", "value")) for words in self.record):
            raise ValueError("record: wants a name and a value, as in `host web-1`")
        if self.remove_key and self.allowlist_key:
            raise ValueError("remove_key and allowlist_key cannot be used together")


class RecordModifier(Stateless):
    def __init__(
        self,
        settings: RecordModifierSettings,
        *,
        new_uuid: Callable[[], object] = uuid.uuid4,
        dropped: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._constants = {words[0]: words[1] for words in settings.record}
        self._stays = _stays(settings)
        self._uuid_key = settings.uuid_key
        self._new_uuid = new_uuid
        self._dropped = dropped

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        if self._stays is None and not self._uuid_key:
            return Filtered(content=append_constants(content, self._constants))
        records = as_records(content)
        changed = [self._change(body) for body in records.bodies]
        if not any(changed):
            # Fluent Bit leaves a chunk as it is when nothing would be left of it (cb_modifier_filter).
            return Filtered(content=content)
        if all(changed):
            return Filtered(content=Records(times=records.times, bodies=changed))
        self._dropped(len(changed) - sum(map(bool, changed)))
        left = [(time, body) for time, body in zip(records.times, changed, strict=True) if body]
        return Filtered(content=Records(times=[time for time, _ in left], bodies=[body for _, body in left]))

    def _change(self, body: Body) -> Body:
        stays = self._stays
        changed = dict(body) if stays is None else {name: body[name] for name in body if stays(name)}
        for name, value in self._constants.items():
            put_last(changed, name, value)
        if self._uuid_key:
            put_last(changed, self._uuid_key, str(self._new_uuid()))
        return changed


def _stays(settings: RecordModifierSettings) -> Callable[[str], bool] | None:
    """None: all fields do. Names are compared without regard to case (`make_bool_map`)."""
    named = settings.remove_key or settings.allowlist_key
    if not named:
        return None
    is_named = prefixed(tuple(map(str.lower, named)))
    if settings.remove_key:
        return lambda name: not is_named(name.lower())
    return lambda name: is_named(name.lower())


def build(settings: RecordModifierSettings, context: FilterContext) -> Filter:
    return RecordModifier(settings, dropped=context.dropped)


PLUGIN = FilterPlugin(name="record_modifier", settings=RecordModifierSettings, build=build)
