"""Fluent Bit's names of plugins, and the modules that are them. A module is imported when a configuration names it."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import Any, assert_never

from pillion.collector.configuration import PluginKind
from pillion.collector.configuration.settings import Settings
from pillion.collector.plugin import FilterPlugin, InputPlugin, OutputPlugin

INPUTS = {
    "tail": "tail.plugin", "forward": "forward", "http": "http", "dummy": "dummy", "stdin": "stdin",
}  # fmt: skip
FILTERS = {
    "parser": "parser", "grep": "grep", "record_modifier": "record_modifier", "modify": "modify", "nest": "nest",
    "rewrite_tag": "rewrite_tag", "throttle": "throttle", "multiline": "multiline", "kubernetes": "kubernetes",
    "redact": "redact", "python": "python",
}  # fmt: skip
OUTPUTS = {
    "stdout": "stdout", "file": "file", "null": "null", "http": "http", "forward": "forward", "es": "elasticsearch",
    "opensearch": "opensearch", "loki": "loki", "splunk": "splunk", "datadog": "datadog",
    "cloudwatch_logs": "cloudwatch", "stackdriver": "stackdriver", "opentelemetry": "opentelemetry", "syslog": "syslog",
}  # fmt: skip


def input_plugin(name: str) -> InputPlugin[Any]:
    """Raises KeyError for a name that is not in INPUTS."""
    plugin: InputPlugin[Any] = import_module(f"pillion.collector.inputs.{INPUTS[name]}").PLUGIN
    return plugin


def filter_plugin(name: str) -> FilterPlugin[Any]:
    """Raises KeyError for a name that is not in FILTERS."""
    plugin: FilterPlugin[Any] = import_module(f"pillion.collector.filters.{FILTERS[name]}").PLUGIN
    return plugin


def output_plugin(name: str) -> OutputPlugin[Any]:
    """Raises KeyError for a name that is not in OUTPUTS."""
    plugin: OutputPlugin[Any] = import_module(f"pillion.collector.outputs.{OUTPUTS[name]}").PLUGIN
    return plugin


class Catalogue:
    """What `configuration.load` asks about plugins."""

    def names(self, kind: PluginKind) -> Collection[str]:
        match kind:
            case PluginKind.INPUT:
                return INPUTS.keys()
            case PluginKind.FILTER:
                return FILTERS.keys()
            case PluginKind.OUTPUT:
                return OUTPUTS.keys()
            case _:
                assert_never(kind)

    def settings(self, kind: PluginKind, name: str) -> type[Settings]:
        """Raises KeyError for a name that is not in `names`."""
        plugin: InputPlugin[Any] | FilterPlugin[Any] | OutputPlugin[Any]
        match kind:
            case PluginKind.INPUT:
                plugin = input_plugin(name)
            case PluginKind.FILTER:
                plugin = filter_plugin(name)
            case PluginKind.OUTPUT:
                plugin = output_plugin(name)
            case _:
                assert_never(kind)
        return plugin.settings
