"""What a configuration amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec

from pillion.scraper.configuration.globalconfig import GlobalConfig
from pillion.scraper.configuration.ineffective import Alerting, Otlp, Runtime, Storage, Tracing
from pillion.scraper.configuration.schema import FilePath, NoNulls, Section
from pillion.scraper.configuration.scrapeconfig import ScrapeConfig
from pillion.scraper.configuration.writeconfig import RemoteWriteConfig


class Document(Section, frozen=True, kw_only=True, rename={"global_config": "global"}):
    """A file as it is written (config/config.go, Config)."""

    go_type: ClassVar[str] = "config.Config"
    go_decoded: ClassVar[str] = "config.plain"
    ineffective: ClassVar[Mapping[str, str]] = {"remote_read": ""}

    global_config: GlobalConfig = GlobalConfig()
    runtime: Runtime | None = None
    alerting: Alerting | None = None
    rule_files: tuple[str, ...] = ()
    scrape_config_files: tuple[FilePath, ...] = ()
    scrape_configs: Annotated[tuple[ScrapeConfig, ...], NoNulls("empty or null scrape config section")] = ()
    storage: Storage | None = None
    tracing: Tracing | None = None
    remote_write: Annotated[
        tuple[RemoteWriteConfig, ...], NoNulls("empty or null remote write config section")
    ] = ()
    otlp: Otlp | None = None


class ScrapeConfigFile(Section, frozen=True, kw_only=True):
    """One of `scrape_config_files`."""

    go_type: ClassVar[str] = "config.ScrapeConfigs"

    scrape_configs: Annotated[tuple[ScrapeConfig, ...], NoNulls("empty or null scrape config section")] = ()


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Ready to be run: defaults are in, `global` is inherited, rules can be compiled."""

    file: str
    global_config: GlobalConfig
    scrape_configs: tuple[ScrapeConfig, ...]
    """Those of scrape_config_files too."""
    remote_write: tuple[RemoteWriteConfig, ...]
    scrape_config_files: tuple[FilePath, ...] = ()
    warnings: tuple[str, ...] = ()
    """One line each: `FILE:LINE: key: text`."""
