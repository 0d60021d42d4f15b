"""All jobs of a configuration: what discovery finds for each goes to its pool."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pillion.scraper.discovery import Discovery
from pillion.scraper.scraping.pool import ScrapePool, labels_alive

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pillion.scraper import discovery
    from pillion.scraper.configuration import ScrapeConfig
    from pillion.scraper.labels import Labels
    from pillion.scraper.scraping.loop import Surroundings


class Jobs:
    def __init__(self, discovery_surroundings: discovery.Surroundings) -> None:
        self._discovery = discovery_surroundings
        self._jobs: dict[str, tuple[ScrapePool, Discovery]] = {}

    def labels_alive(self) -> set[Labels]:
        """All series that some target has now."""
        return labels_alive(self.pools)

    @property
    def pools(self) -> Sequence[ScrapePool]:
        """By name."""
        return [self._jobs[name][0] for name in sorted(self._jobs)]

    def apply(self, configs: Iterable[ScrapeConfig], surroundings: Surroundings) -> None:
        """These are the jobs from now on. What stays goes on as if nothing had happened."""
        wanted = {config.job_name: config for config in configs}
        for name in self._jobs.keys() - wanted.keys():
            pool, found = self._jobs.pop(name)
            found.stop()
            pool.retire()
        for name, config in wanted.items():
            if name in self._jobs:
                pool, found = self._jobs[name]
                pool.reload(config)
            else:
                pool = ScrapePool(config, surroundings)
                found = Discovery(name, self._discovery, pool.sync)
                self._jobs[name] = pool, found
            found.configure(config)

    async def stop(self, within: float) -> None:
        """Scrape every target once more, in at most so many seconds in all."""
        for _, found in self._jobs.values():
            found.stop()
        async with asyncio.TaskGroup() as tasks:
            for pool, _ in self._jobs.values():
                tasks.create_task(pool.stop(within))
