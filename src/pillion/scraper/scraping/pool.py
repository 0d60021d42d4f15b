"""One job's targets: which there are, and a loop for each (scrape/scrape.go, scrapePool)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pillion.scraper.labels import Relabelling
from pillion.scraper.scraping.failures import target_limit
from pillion.scraper.scraping.loop import ScrapeLoop
from pillion.scraper.scraping.targets import Target, TargetError, discovered_labels, make_target

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence

    from pillion.scraper.configuration import ScrapeConfig, TargetGroup
    from pillion.scraper.labels import Labels
    from pillion.scraper.scraping.loop import Surroundings
    from pillion.scraper.scraping.targetseries import TargetSeries

_Key = tuple["Labels", str]


class ScrapePool:
    def __init__(self, config: ScrapeConfig, surroundings: Surroundings) -> None:
        self._config = config
        self._surroundings = surroundings
        self._relabelling = Relabelling(config.relabel_configs)
        self._groups: Sequence[TargetGroup] = ()
        self._loops: dict[_Key, ScrapeLoop] = {}
        self._running: dict[_Key, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.dropped: list[Mapping[str, str]] = []
        """The labels of those that relabelling dropped, as far as they are kept (keep_dropped_targets)."""
        self.dropped_count = 0
        surroundings.counters.pools += 1
        surroundings.counters.target_limits[config.job_name] = config.target_limit

    @property
    def job(self) -> str:
        return self._config.job_name

    @property
    def loops(self) -> Collection[ScrapeLoop]:
        return self._loops.values()

    def sync(self, groups: Sequence[TargetGroup]) -> None:
        """These are the groups from now on. Targets that stay keep their phase and what is known of their series."""
        self._groups = groups
        counters, clock = self._surroundings.counters, self._surroundings.clock
        begun = clock.now()
        targets = self._targets(groups)
        for key in [key for key in self._loops if key not in targets]:
            self._retire(key)
        for key, target in targets.items():
            loop = self._loops.get(key)
            if loop is None:
                loop = self._loops[key] = ScrapeLoop(target, self._config, self._surroundings)
                self._running[key] = self._surroundings.tasks.create_task(loop.run())
            else:
                loop.target = target  # the same, but for the labels that it was discovered with
        self._limit_targets()
        now = clock.now()
        counters.sync_lengths[self.job].observe(now - begun, now)
        counters.syncs[self.job] += 1
        counters.targets[self.job] = len(self._loops)

    def reload(self, config: ScrapeConfig) -> None:
        """Another configuration of the same job."""
        if config == self._config:
            return
        counters, clock = self._surroundings.counters, self._surroundings.clock
        begun = clock.now()
        counters.reloads += 1
        counters.target_limits[config.job_name] = config.target_limit
        self._config = config
        self._relabelling = Relabelling(config.relabel_configs)
        for loop in self._loops.values():
            ended = loop.change(config)
            if ended is not None:
                self._end_later(ended, loop.target)
        self.sync(self._groups)
        now = clock.now()
        counters.reload_lengths[config.scrape_interval].observe(now - begun, now)

    def retire(self) -> None:
        """The job is gone; its series end as those of targets that are gone."""
        for key in list(self._loops):
            self._retire(key)
        self._surroundings.counters.forget(self.job)

    async def stop(self, within: float) -> None:
        """The program ends: let scrapes that are under way be taken, then scrape every target once more, all in so many
        seconds. No markers are written: the next start continues the series."""
        for task in self._ending:
            task.cancel()
        loops, running = list(self._loops.values()), list(self._running.values())
        for loop in loops:
            loop.stop()
        deadline = asyncio.get_running_loop().time() + within
        if running:
            await asyncio.wait(running, timeout=within)
        for task in running:
            task.cancel()
        left = deadline - asyncio.get_running_loop().time()
        if left > 0:
            async with asyncio.TaskGroup() as tasks:
                for loop in loops:
                    tasks.create_task(loop.scrape_at_end(left))
        for loop in loops:
            loop.close()

    def _targets(self, groups: Sequence[TargetGroup]) -> dict[_Key, Target]:
        config, keep = self._config, self._config.keep_dropped_targets
        self.dropped, self.dropped_count = [], 0
        targets: dict[_Key, Target] = {}
        for group in groups:
            for index, address in enumerate(group.targets):
                discovered = discovered_labels(address, group, config)
                try:
                    target = make_target(discovered, self._relabelling, config)
                except TargetError as error:
                    self._surroundings.counters.sync_failures[self.job] += 1
                    where = f"instance {index} in group {group.source}"
                    self._surroundings.log.error("cannot make a target of %s: %s: %s", self.job, where, error)
                    continue
                if target is not None:
                    targets.setdefault(target.key, target)
                    continue
                self.dropped_count += 1
                if not keep or len(self.dropped) < keep:
                    self.dropped.append(discovered)
        return targets

    def _limit_targets(self) -> None:
        """All fail when there are too many, those that were there first, too."""
        limit = self._config.target_limit
        error = target_limit(len(self._loops), limit) if 0 < limit < len(self._loops) else ""
        self._surroundings.counters.exceeded_target_limit += bool(error)
        for loop in self._loops.values():
            loop.forced_error = error

    def _retire(self, key: _Key) -> None:
        loop, task = self._loops.pop(key), self._running.pop(key)
        loop.stop()
        self._spawn_ending(self._outlive(loop, task))

    async def _outlive(self, loop: ScrapeLoop, task: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait([task])
        finally:
            loop.close()
        if loop.has_scraped:
            await self._end(loop.series, loop.target)

    def _end_later(self, series: TargetSeries, target: Target) -> None:
        self._spawn_ending(self._end(series, target))

    async def _end(self, series: TargetSeries, target: Target) -> None:
        """The target may come back, perhaps from another source: its series end two intervals and a tenth later, with
        the time of what would have been the next scrape; those that live on elsewhere do not (endOfRunStaleness)."""
        interval = target.interval / 1000
        last = series.last_time
        if last is None:
            return
        clock = self._surroundings.clock
        next_scrape = max(last + target.interval, int(clock.now() * 1000))
        await asyncio.sleep(next_scrape / 1000 - clock.now() + interval + interval / 10)
        for batch in series.end(next_scrape, self._surroundings.labels_alive()):
            self._surroundings.append(batch)

    def _spawn_ending(self, ending: Coroutine[None, None, None]) -> None:
        task = self._surroundings.tasks.create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def labels_alive(pools: Iterable[ScrapePool]) -> set[Labels]:
    """All series that some target has now."""
    return {labels for pool in pools for loop in pool.loops for labels in loop.series.labels_alive}
