"""Plugin instances from their settings, and the surroundings each of them is given."""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pillion.clock import Clock
from pillion.collector import catalogue
from pillion.collector.configuration import Configuration, ConfigurationError, PluginSection
from pillion.collector.configuration.settings import OutputSettings
from pillion.collector.pipeline.matching import Pattern
from pillion.collector.plugin import Filter, FilterPlugin, Input, InputPlugin, Output, OutputPlugin
from pillion.collector.status import FilterStatus, InputStatus, Notices, OutputStatus

if TYPE_CHECKING:  # parsers are loaded when the configuration uses one
    from pillion.collector.configuration.parsers import ParserSettings
    from pillion.collector.multiline import MultilineParser
    from pillion.collector.parsers import Parser

LOG = "pillion.collector"
"""The root of our loggers; below it `input:tail:tail.0`, as Fluent Bit prints it."""
LEVELS = {
    "off": logging.CRITICAL + 10,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": 5,
}


class Plugins(Protocol):
    """Where plugins come from: the catalogue."""

    def input_plugin(self, name: str, /) -> InputPlugin[Any]: ...
    def filter_plugin(self, name: str, /) -> FilterPlugin[Any]: ...
    def output_plugin(self, name: str, /) -> OutputPlugin[Any]: ...


class Surroundings:
    """What all instances of one configuration share. Parsers are built when the first plugin asks for them."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        clock: Clock,
        environment: Mapping[str, str],
        folder: Path,
        notices: Notices,
        checkpoint_folder: Path | None,
        began: float | None = None,
        plugins: Plugins = catalogue,
    ) -> None:
        self.plugins = plugins
        self.clock = clock
        self.environment = environment
        self.folder = folder
        self.notices = notices
        self.checkpoint_folder = checkpoint_folder
        self.began = began
        self._parser_settings = {settings.name: settings for settings in configuration.parsers}
        self._multiline_settings = {
            settings.name.lower(): settings for settings in reversed(configuration.multiline_parsers)
        }
        self._parsers: dict[str, Parser] = {}
        self._multiline_parsers: dict[str, MultilineParser] = {}

    def parser(self, name: str, asked_by: str) -> Parser:
        if (parser := self._parsers.get(name)) is not None:
            return parser
        if (settings := self._parser_settings.get(name)) is None:
            raise ConfigurationError(f"{asked_by}: there is no parser {name!r}")
        from pillion.collector.parsers import build_parser

        parser = self._parsers[name] = build_parser(settings, parser_zone(settings, self.environment))
        return parser

    def multiline_parser(self, name: str, asked_by: str) -> MultilineParser:
        """In any case, unlike parsers (flb_ml_parser.c, `flb_ml_parser_get`)."""
        if (parser := self._multiline_parsers.get(name.lower())) is not None:
            return parser
        from pillion.collector.multiline import build, builtin

        if (settings := self._multiline_settings.get(name.lower())) is not None:
            parser = build(settings, lambda inner: self.parser(inner, settings.place))
        elif (known := builtin(name)) is not None:
            parser = known
        else:
            raise ConfigurationError(f"{asked_by}: there is no multiline parser {name!r}")
        self._multiline_parsers[name.lower()] = parser
        return parser


class InstanceContext:
    """`InputContext`, `FilterContext` and `OutputContext` of pillion.collector.plugin, by what is given."""

    def __init__(self, surroundings: Surroundings, section: PluginSection[Any]) -> None:
        self.name = section.name
        self.log = logging.getLogger(f"{LOG}.{section.kind}:{section.plugin}:{section.name}")
        self.log.setLevel(LEVELS.get(section.settings.log_level.lower(), logging.NOTSET))
        self.clock = surroundings.clock
        self.environment = surroundings.environment
        self.folder = surroundings.folder
        self.notices = surroundings.notices
        self._surroundings = surroundings
        self._place = section.settings.place

    def parser(self, name: str) -> Parser:
        return self._surroundings.parser(name, self._place)

    def multiline_parser(self, name: str) -> MultilineParser:
        return self._surroundings.multiline_parser(name, self._place)


class _Input(InstanceContext):
    def __init__(self, surroundings: Surroundings, section: PluginSection[Any], status: InputStatus) -> None:
        super().__init__(surroundings, section)
        self.status = status
        self.checkpoint_folder = surroundings.checkpoint_folder
        self.began = surroundings.began


class _Filter(InstanceContext):
    def __init__(self, surroundings: Surroundings, section: PluginSection[Any], status: FilterStatus) -> None:
        super().__init__(surroundings, section)
        self.status = status

    @property
    def dropped(self) -> Callable[[int], None]:
        return self._drop

    def _drop(self, records: int) -> None:
        self.status.dropped += records


class _Output(InstanceContext):
    def __init__(self, surroundings: Surroundings, section: PluginSection[Any], status: OutputStatus) -> None:
        super().__init__(surroundings, section)
        self.status = status
        self.concurrent = section.settings.workers > 1


def build_input(section: PluginSection[Any], status: InputStatus, surroundings: Surroundings) -> Input:
    """Raises ConfigurationError and HostError, as the two below."""
    built: Input = surroundings.plugins.input_plugin(section.plugin).build(
        section.settings, _Input(surroundings, section, status)
    )
    return built


def build_filter(section: PluginSection[Any], status: FilterStatus, surroundings: Surroundings) -> Filter:
    built: Filter = surroundings.plugins.filter_plugin(section.plugin).build(
        section.settings, _Filter(surroundings, section, status)
    )
    return built


def build_output(section: PluginSection[Any], status: OutputStatus, surroundings: Surroundings) -> Output:
    built: Output = surroundings.plugins.output_plugin(section.plugin).build(
        section.settings, _Output(surroundings, section, status)
    )
    return built


def pattern_of(section: PluginSection[Any]) -> Pattern:
    """Of its `match` and `match_regex`. Raises ConfigurationError."""
    settings = section.settings
    expression: re.Pattern[str] | None = None
    if settings.match_regex:
        from pillion.collector.parsers import compile_ruby

        try:
            expression = compile_ruby(settings.match_regex).pattern
        except ValueError as error:
            raise ConfigurationError(f"{settings.place}: match_regex: {error}") from error
    return Pattern(wildcard=settings.match or None, expression=expression)


def parser_zone(settings: ParserSettings, environment: Mapping[str, str]) -> datetime.tzinfo:
    """What a parser's times without a zone are in. Raises ConfigurationError."""
    if settings.time_zone:
        import zoneinfo

        try:
            return zoneinfo.ZoneInfo(settings.time_zone)
        except (OSError, ValueError, KeyError):  # zoneinfo.ZoneInfoNotFoundError is a KeyError
            text = f"there is no time zone {settings.time_zone!r} on this machine"
            raise ConfigurationError(f"{settings.place}: [PARSER] time_zone: {text}") from None
    return machine_zone(environment) if settings.time_system_timezone else datetime.UTC


def machine_zone(environment: Mapping[str, str]) -> datetime.tzinfo:
    """The machine's time zone: TZ, else /etc/localtime, else UTC."""
    import zoneinfo

    try:
        if named := environment.get("TZ", "").removeprefix(":"):
            return zoneinfo.ZoneInfo(named)
        with Path("/etc/localtime").open("rb") as file:
            return zoneinfo.ZoneInfo.from_file(file)
    except (OSError, ValueError, KeyError):  # zoneinfo.ZoneInfoNotFoundError is a KeyError
        return datetime.UTC


def identity(section: PluginSection[Any]) -> tuple[object, ...]:
    """What makes two sections the same instance. Keys that the pipeline itself obeys may change without harm."""
    ours: dict[str, object] = {"place": ""}
    if isinstance(section.settings, OutputSettings):
        ours |= {
            "match": "",
            "match_regex": "",
            "retry_limit": "",
            "storage_total_limit_size": 0,
            "storage_overflow": "block",
        }
    return section.plugin, section.name, msgspec.structs.replace(section.settings, **ours)
