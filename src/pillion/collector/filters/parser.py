"""The parser filter: a field's text becomes fields (plugins/filter_parser/filter_parser.c)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pillion.collector.configuration.settings import FilterSettings, key
from pillion.collector.filters.fieldnames import configured_field, put_last
from pillion.collector.filters.stateless import Stateless
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import Accessor, Body, Content, Lines, Records, as_records
from pillion.collector.records.bodies import as_text

if TYPE_CHECKING:
    from pillion.collector.parsers import Parser


class ParserFilterSettings(FilterSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "unescape_key": "it is deprecated, and does nothing in Fluent Bit either",
    }

    key_name: Annotated[str, key(help="the field whose text is parsed; $accessor for one inside others")]
    parser: Annotated[
        tuple[str, ...], key(repeated=True, help="a parser by name; of several the first that fits")
    ]
    preserve_key: Annotated[bool, key(help="keep the field")] = False
    reserve_data: Annotated[bool, key(help="keep the other fields")] = False
    nest_under: Annotated[str, key(help="a field to put what was parsed into")] = ""


class ParserFilter(Stateless):
    def __init__(self, settings: ParserFilterSettings, field: Accessor, parsers: tuple[Parser, ...]) -> None:
        self._settings = settings
        self._field = field
        self._is_accessor = settings.key_name.startswith("$")
        self._parsers = parsers

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        if isinstance(content, Lines) and self._takes_lines_of(content.key):
            return Filtered(content=self._parsers[0].parse_lines(content))
        records = as_records(content)
        times: list[int] = []
        bodies: list[Body] = []
        for time, body in zip(records.times, records.bodies, strict=True):
            parsed = self._parse(body, time)
            times.append(time if parsed is None else parsed[0])
            bodies.append(body if parsed is None else self._merge(body, parsed[1]))
        return Filtered(content=Records(times=times, bodies=bodies))

    def _takes_lines_of(self, name: str) -> bool:
        """The field is all there is of the records, and nothing of them is kept."""
        settings = self._settings
        return (
            name == settings.key_name
            and len(self._parsers) == 1
            and not (settings.preserve_key or settings.nest_under)
        )

    def _parse(self, body: Body, time: int) -> tuple[int, Body] | None:
        text = self._field.get(body)
        if isinstance(text, bytes):
            text = as_text(text)
        if not isinstance(text, str):
            return None
        for parser in self._parsers:
            parsed = parser.parse(text, time)
            if parsed is not None:
                return parsed
        return None

    def _merge(self, body: Body, parsed: Body) -> Body:
        """What is kept comes after what was parsed, and wins (`flb_msgpack_expand_map`). A field that an accessor names
        is inside others: with reserve_data these are kept with it."""
        settings = self._settings
        merged = {settings.nest_under: parsed} if settings.nest_under else parsed
        if settings.reserve_data:
            for name, value in body.items():
                if self._is_accessor or settings.preserve_key or name != settings.key_name:
                    put_last(merged, name, value)
        elif settings.preserve_key and not self._is_accessor:
            put_last(merged, settings.key_name, body[settings.key_name])
        return merged


def build(settings: ParserFilterSettings, context: FilterContext) -> Filter:
    field = configured_field(settings.key_name, f"{settings.place}: key_name")
    return ParserFilter(settings, field, tuple(map(context.parser, settings.parser)))


PLUGIN = FilterPlugin(name="parser", settings=ParserFilterSettings, build=build)
