"""Jobs in virtual time: targets answer what a test says, and everything that is appended is kept."""

from __future__ import annotations

import asyncio
import logging
import selectors
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.unit.scraper.scraping.pages import Sample, samples_of

from pillion.scraper import discovery
from pillion.scraper.configuration import ScrapeConfig, TargetGroup
from pillion.scraper.discovery import DiscoveryCounters
from pillion.scraper.samples import Batch
from pillion.scraper.scraping.counters import ScrapeCounters
from pillion.scraper.scraping.failurelogs import FailureLogs
from pillion.scraper.scraping.failures import ScrapeError
from pillion.scraper.scraping.fetching import Body
from pillion.scraper.scraping.jobs import Jobs
from pillion.scraper.scraping.loop import Features, Surroundings
from pillion.scraper.scraping.targets import Target
from pillion.units import Instant

BEGIN = 1_000_000_000.0
LOG = logging.getLogger("tests.scraper")
TEXT = "text/plain; version=0.0.4"


class _Jump(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only by being waited for."""

    def __init__(self) -> None:
        self.jump = _Jump()
        super().__init__(self.jump)

    def time(self) -> float:
        return self.jump.now


class _FakeFetch:
    def __init__(self, lab: Lab, target: Target) -> None:
        self._lab = lab
        self._target = target

    async def fetch(self, within: float | None = None) -> Body:
        address = dict(self._target.labels)["__address__"]
        self._lab.asked.append((address, self._lab.elapsed))
        answer = self._lab.answers.get(address)
        if answer is None:
            raise ScrapeError("connection refused")
        content = await answer() if callable(answer) else answer
        return Body(content=content.encode(), content_type=TEXT)

    def close(self) -> None:
        """Nothing is open."""


class Lab:
    def __init__(self, tasks: asyncio.TaskGroup, **features: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self.answers: dict[str, str | Callable[[], Awaitable[str]]] = {}
        self.asked: list[tuple[str, float]] = []
        self.batches: list[Batch] = []
        self.counters = ScrapeCounters()
        self.failures = FailureLogs(LOG)
        self.jobs = Jobs(
            discovery.Surroundings(
                tasks=tasks,
                threads=ThreadPoolExecutor(1),
                clock=self,
                environment={},
                counters=DiscoveryCounters(),
                log=LOG,
            )
        )
        self.surroundings = Surroundings(
            tasks=tasks,
            clock=self,
            open_fetch=lambda target, _: _FakeFetch(self, target),
            seed=0,
            appenders=(self,),
            counters=self.counters,
            log=LOG,
            failures=self.failures,
            features=Features(**features),
            labels_alive=self.jobs.labels_alive,
        )

    def append(self, batch: Batch) -> None:
        self.batches.append(batch)

    def apply(self, *configs: ScrapeConfig) -> None:
        self.jobs.apply(configs, self.surroundings)

    @property
    def samples(self) -> list[Sample]:
        return samples_of(*self.batches)

    def named(self, name: str) -> list[tuple[float | str, float]]:
        """(value, seconds since the begin) of all series with the name."""
        return [
            (value, time / 1000 - BEGIN)
            for labels, value, time in self.samples
            if dict(labels)["__name__"] == name
        ]

    @property
    def elapsed(self) -> float:
        return self._loop.time()

    def now(self) -> Instant:
        return Instant(BEGIN + self._loop.time())


def run(scenario: Callable[[Lab], Awaitable[None]], **features: Any) -> Lab:
    """The scenario in virtual time; what is still running then is cancelled."""

    async def main() -> Lab:
        async with asyncio.TaskGroup() as tasks:
            lab = Lab(tasks, **features)
            await scenario(lab)
            lab.apply()
            await lab.jobs.stop(0)
            lab.failures.close()
            for task in tasks._tasks:  # type: ignore[attr-defined]
                task.cancel()
        return lab

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def job(*addresses: str, name: str = "j", interval: int = 10_000, **keys: Any) -> ScrapeConfig:
    timeout = min(interval, 5_000)
    return ScrapeConfig(
        job_name=name,
        scrape_interval=interval,  # type: ignore[arg-type]
        scrape_timeout=timeout,  # type: ignore[arg-type]
        static_configs=(TargetGroup(targets=addresses, source="0"),),
        **keys,
    )
