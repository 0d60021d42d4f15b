"""Fluent Bit's configuration, classic and YAML, as typed settings with the place of every key.

    text ──► Document ──────► settings ────────► Configuration
             sections with    one struct per     what a collector is built from,
             places           section            with warnings and differences

`load` is the way in. Pure: files, environment and the list of plugins are handed in; what a plugin does with its
settings is not known here.
"""

from pillion.collector.configuration.configured import Configuration, Difference, PluginKind, PluginSection
from pillion.collector.configuration.failure import ConfigurationError, Place
from pillion.collector.configuration.loading import load

__all__ = [
    "Configuration",
    "ConfigurationError",
    "Difference",
    "Place",
    "PluginKind",
    "PluginSection",
    "load",
]
