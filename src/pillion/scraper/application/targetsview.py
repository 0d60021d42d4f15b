"""The targets, as the web server shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.scraper.web.view import ActiveTarget, DroppedTarget, Health

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pillion.scraper.scraping.jobs import Jobs
    from pillion.scraper.scraping.loop import ScrapeLoop


class Targets:
    """A `TargetsView`."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def pools(self) -> Sequence[str]:
        return [pool.job for pool in self._jobs.pools]

    def active(self) -> Sequence[ActiveTarget]:
        return [_shown(pool.job, loop) for pool in self._jobs.pools for loop in pool.loops]

    def dropped(self) -> Sequence[DroppedTarget]:
        return [
            DroppedTarget(pool=pool.job, discovered=labels)
            for pool in self._jobs.pools
            for labels in pool.dropped
        ]

    def dropped_counts(self) -> Mapping[str, int]:
        return {pool.job: pool.dropped_count for pool in self._jobs.pools}


def _shown(job: str, loop: ScrapeLoop) -> ActiveTarget:
    target = loop.target
    scraped = Health.DOWN if loop.last_error else Health.UP
    return ActiveTarget(
        pool=job,
        discovered=target.discovered,
        labels=target.public,
        url=target.url,
        health=Health.UNKNOWN if loop.last_scrape is None else scraped,
        last_error=loop.last_error,
        last_scrape=loop.last_scrape or 0.0,
        last_duration=loop.last_duration,
        interval=target.interval,
        timeout=target.timeout,
        metadata=tuple(loop.metadata),
    )
