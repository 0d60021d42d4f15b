"""What the web server shows of the running scraper, and what it may ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from pillion.scraper.configuration import Configuration, Flags
    from pillion.scraper.labels import Labels
    from pillion.scraper.samples import Metadata
    from pillion.scraper.samples.window import Window


class Health(StrEnum):
    """Of a target (scrape/target.go, TargetHealth)."""

    UNKNOWN = "unknown"
    """Not scraped yet."""
    UP = "up"
    DOWN = "down"


class ActiveTarget(msgspec.Struct, frozen=True, kw_only=True):
    pool: str
    """Its job's name."""
    discovered: Mapping[str, str]
    """Labels before relabelling."""
    labels: Labels
    """Those that its series get."""
    url: str
    health: Health = Health.UNKNOWN
    last_error: str = ""
    last_scrape: float = 0.0
    """Seconds since the epoch; 0: never."""
    last_duration: float = 0.0
    """Seconds."""
    interval: int
    """Milliseconds, as `timeout`."""
    timeout: int
    metadata: tuple[Metadata, ...] = ()
    """Of the families on its last page."""


class DroppedTarget(msgspec.Struct, frozen=True, kw_only=True):
    pool: str
    discovered: Mapping[str, str]


class TargetsView(Protocol):
    """The targets as they are now."""

    def pools(self) -> Sequence[str]:
        """The jobs' names, sorted."""

    def active(self) -> Sequence[ActiveTarget]:
        """Sorted by pool."""

    def dropped(self) -> Sequence[DroppedTarget]:
        """Those of which something is kept (keep_dropped_targets), sorted by pool."""

    def dropped_counts(self) -> Mapping[str, int]:
        """How many relabelling dropped, for each pool; also those of which nothing is kept."""


class View(Protocol):
    """The running scraper."""

    @property
    def configuration(self) -> Configuration:
        """The one in force."""

    @property
    def flags(self) -> Flags:
        """What the command line said."""

    @property
    def window(self) -> Window:
        """What was scraped lately."""

    @property
    def targets(self) -> TargetsView:
        """Where it was scraped."""

    @property
    def started(self) -> float:
        """Seconds since the epoch."""

    @property
    def reloaded(self) -> float:
        """When the configuration was last read with success; seconds since the epoch."""

    @property
    def is_reload_successful(self) -> bool:
        """The last attempt to read the configuration."""

    @property
    def is_ready(self) -> bool:
        """Targets are scraped, and it is not ending."""

    def metrics(self) -> str:
        """Its own metrics as a page in Prometheus' text format."""

    async def reload(self) -> str:
        """Read the configuration again; why what is there now is not used, or nothing."""

    def quit(self) -> None:
        """End, as SIGTERM does; at once, without waiting."""
