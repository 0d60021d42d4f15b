"""Prometheus' configuration, with the place of everything that is wrong. Pure.

    text ──► nodes ──────────► Document ────────────► Configuration
             with their lines  one struct a section,  defaults, `global` inherited,
                               unknown keys refused   warnings

A section's struct is its schema: the fields are the keys, the types say how values are read, and the defaults are
Prometheus' (3.x). `load` is the way in; files and the environment are handed in. `render` writes the configuration
back, without its secrets.
"""

from pillion.scraper.configuration.configured import Configuration
from pillion.scraper.configuration.failure import ConfigurationError, Place
from pillion.scraper.configuration.flags import Flags
from pillion.scraper.configuration.globalconfig import GlobalConfig
from pillion.scraper.configuration.groupfiles import decode_target_groups, read_target_groups
from pillion.scraper.configuration.httpclient import (
    Authorization,
    BasicAuth,
    Header,
    HttpClient,
    OAuth2,
    TlsConfig,
)
from pillion.scraper.configuration.loading import Files, load
from pillion.scraper.configuration.rendering import redacted, render
from pillion.scraper.configuration.scrapeconfig import ScrapeConfig
from pillion.scraper.configuration.secret import Secret
from pillion.scraper.configuration.targetgroups import FileSdConfig, HttpSdConfig, TargetGroup
from pillion.scraper.configuration.values import format_duration, parse_duration
from pillion.scraper.configuration.writeconfig import (
    WRITE_V1,
    WRITE_V2,
    MetadataConfig,
    QueueConfig,
    RemoteWriteConfig,
)

__all__ = [
    "WRITE_V1",
    "WRITE_V2",
    "Authorization",
    "BasicAuth",
    "Configuration",
    "ConfigurationError",
    "FileSdConfig",
    "Files",
    "Flags",
    "GlobalConfig",
    "Header",
    "HttpClient",
    "HttpSdConfig",
    "MetadataConfig",
    "OAuth2",
    "Place",
    "QueueConfig",
    "RemoteWriteConfig",
    "ScrapeConfig",
    "Secret",
    "TargetGroup",
    "TlsConfig",
    "decode_target_groups",
    "format_duration",
    "load",
    "parse_duration",
    "read_target_groups",
    "redacted",
    "render",
]
