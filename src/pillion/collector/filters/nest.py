"""The nest filter: fields into a map, or a map's fields out of it (plugins/filter_nest/nest.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pillion.collector.configuration.settings import FilterSettings, key
from pillion.collector.filters.fieldnames import prefixed, put_last
from pillion.collector.filters.stateless import Bodywise
from pillion.collector.plugin import Filter, FilterContext, FilterPlugin
from pillion.collector.records import Body


class NestSettings(FilterSettings, frozen=True, kw_only=True):
    operation: Annotated[
        Literal["nest", "lift"], key(help="nest: fields into a map; lift: a map's fields out of it")
    ]
    wildcard: Annotated[
        tuple[str, ...], key(repeated=True, help="a field to nest; `x*`: all that begin with x")
    ] = ()
    nest_under: Annotated[str, key(help="the map that fields are nested into")] = ""
    nested_under: Annotated[str, key(help="the map whose fields are lifted")] = ""
    add_prefix: Annotated[str, key(help="goes before the names of what is nested or lifted")] = ""
    remove_prefix: Annotated[str, key(help="is taken off the names of what is nested or lifted")] = ""

    def __post_init__(self) -> None:
        if self.add_prefix and self.remove_prefix:
            raise ValueError("add_prefix and remove_prefix cannot be used together")
        if not self.target:
            raise ValueError(f"{'nest_under' if self.operation == 'nest' else 'nested_under'} is missing")

    @property
    def target(self) -> str:
        """Fluent Bit takes either name for either operation."""
        own, other = self.nest_under, self.nested_under
        return own or other if self.operation == "nest" else other or own


def nest(target: str, wildcards: tuple[str, ...], renamed: Callable[[str], str]) -> Callable[[Body], Body]:
    is_meant = prefixed(wildcards)

    def change(body: Body) -> Body:
        inner: Body = {}
        outer: Body = {}
        for name, value in body.items():
            if is_meant(name):
                put_last(inner, renamed(name), value)
            else:
                outer[name] = value
        if not inner:
            return body
        put_last(outer, target, inner)
        return outer

    return change


def lift(target: str, renamed: Callable[[str], str]) -> Callable[[Body], Body]:
    """Anything but a map stays where it is."""

    def change(body: Body) -> Body:
        inner = body.get(target)
        if not isinstance(inner, dict):
            return body
        del body[target]
        for name, value in inner.items():
            put_last(body, renamed(name), value)
        return body

    return change


def _renaming(settings: NestSettings) -> Callable[[str], str]:
    add, remove = settings.add_prefix, settings.remove_prefix
    if add:
        return lambda name: add + name
    return lambda name: name.removeprefix(remove)


def build(settings: NestSettings, context: FilterContext) -> Filter:  # noqa: ARG001 - the protocol's
    renamed = _renaming(settings)
    if settings.operation == "nest":
        return Bodywise(nest(settings.target, settings.wildcard, renamed))
    return Bodywise(lift(settings.target, renamed))


PLUGIN = FilterPlugin(name="nest", settings=NestSettings, build=build)
