"""What a configuration says, once it is read: settings of the service, of each plugin instance, and of the parsers."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from pillion.collector.configuration.failure import Place
from pillion.collector.configuration.parsers import MultilineParserSettings, ParserSettings
from pillion.collector.configuration.service import ServiceSettings
from pillion.collector.configuration.settings import FilterSettings, InputSettings, OutputSettings, Settings


class PluginKind(StrEnum):
    INPUT = "input"
    FILTER = "filter"
    OUTPUT = "output"


SettingsT = TypeVar("SettingsT", bound=Settings)


class PluginSection(msgspec.Struct, Generic[SettingsT], frozen=True, kw_only=True):
    """One `[INPUT]`, `[FILTER]` or `[OUTPUT]`."""

    kind: PluginKind
    plugin: str
    """Fluent Bit's name of the plugin: `tail`."""
    name: str
    """Of this instance: its alias, or `tail.0`, where the number counts the sections of its kind, as in Fluent Bit."""
    settings: SettingsT
    place: Place
    input: str = ""
    """Of a filter: the name of the input whose processor it is. It sees that input's records alone, whatever their
    tag, before the filters do."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Something that works in another way than in Fluent Bit, for this configuration."""

    place: Place
    subject: str
    """`[OUTPUT] http: retry_limit`"""
    ours: str
    fluent_bit: str
    why: str


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an instance of the collector is built from."""

    file: str
    """As it was named; empty when the command line says everything."""
    folder: str
    """Where relative paths of parsers files and scripts are looked for."""
    service: ServiceSettings
    inputs: tuple[PluginSection[InputSettings], ...] = ()
    """With the tag `tail.0` if they have none; of forward and http it stays empty: their senders choose."""
    filters: tuple[PluginSection[FilterSettings], ...] = ()
    """In order, the processors of inputs first. Those without a match are left out, as in Fluent Bit."""
    outputs: tuple[PluginSection[OutputSettings], ...] = ()
    """The only output beside the only input matches `*` when it says nothing, as in Fluent Bit."""
    parsers: tuple[ParserSettings, ...] = ()
    """Of different names."""
    multiline_parsers: tuple[MultilineParserSettings, ...] = ()
    warnings: tuple[str, ...] = ()
    """Sentences, each with its place."""
    differences: tuple[Difference, ...] = ()
