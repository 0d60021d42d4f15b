"""The groups of one job, from all of its sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from pillion.http.failure import SettingError
from pillion.scraper.configuration import FileSdConfig, HttpSdConfig, TargetGroup
from pillion.scraper.discovery.files import FileDiscovery

if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from pillion.clock import Clock
    from pillion.scraper.configuration import ScrapeConfig
    from pillion.scraper.discovery.counters import DiscoveryCounters

Publish = Callable[[tuple[TargetGroup, ...]], None]
"""All groups of one source, as they are now."""
_Config = FileSdConfig | HttpSdConfig


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    tasks: asyncio.TaskGroup
    """Sources run in it."""
    threads: Executor
    """For what waits."""
    clock: Clock
    environment: Mapping[str, str]
    """Proxies are named there."""
    counters: DiscoveryCounters
    log: logging.Logger


class _Source(Protocol):
    def first(self) -> tuple[TargetGroup, ...]:
        """What can be known at once: a reload does not lose targets for a moment."""

    async def run(self, publish: Publish) -> None: ...


class _Running(msgspec.Struct):
    task: asyncio.Task[None] | None = None
    groups: tuple[TargetGroup, ...] = ()


class Discovery:
    """Of one job. `changed` is told all groups whenever some have changed."""

    def __init__(
        self, job: str, surroundings: Surroundings, changed: Callable[[Sequence[TargetGroup]], None]
    ) -> None:
        self._job = job
        self._surroundings = surroundings
        self._changed = changed
        self._static: tuple[TargetGroup, ...] = ()
        self._sources: dict[int, tuple[_Config, _Running]] = {}

    def configure(self, config: ScrapeConfig) -> None:
        """Start what is new, stop what is no longer named; sources whose configuration stays go on, with what they
        have found. Tells all groups."""
        before = list(self._sources.values())
        self._sources = {}
        self._static = config.static_configs
        configs: list[_Config] = [*config.file_sd_configs, *config.http_sd_configs]
        for number, each in enumerate(configs):
            known = next((source for source in before if source[0] == each), None)
            if known is not None:
                before.remove(known)
            self._sources[number] = (each, known[1] if known is not None else self._start(each))
        for _, running in before:
            self._stop(running)
        self._tell()

    def stop(self) -> None:
        for _, running in self._sources.values():
            self._stop(running)
        self._sources = {}
        self._surroundings.counters.discovered.pop(self._job, None)

    def _start(self, config: _Config) -> _Running:
        running = _Running()

        def publish(groups: tuple[TargetGroup, ...]) -> None:
            is_new, running.groups = groups != running.groups, groups
            if is_new:
                self._surroundings.counters.updates += 1
                self._tell()

        try:
            source = self._open(config)
        except SettingError as error:
            self._surroundings.log.error("cannot discover targets of %s: %s", self._job, error)
            return running
        running.groups = source.first()
        running.task = self._surroundings.tasks.create_task(source.run(publish))
        return running

    def _open(self, config: _Config) -> _Source:
        """Raises SettingError."""
        surroundings = self._surroundings
        if isinstance(config, FileSdConfig):
            return FileDiscovery(config, surroundings.counters, surroundings.log)
        from pillion.scraper.discovery.httpserver import HttpDiscovery  # a sidecar hardly ever asks a server

        return HttpDiscovery(config, surroundings, surroundings.log)

    def _stop(self, running: _Running) -> None:
        if running.task is not None:
            running.task.cancel()

    def _tell(self) -> None:
        groups = [*self._static]
        for _, running in self._sources.values():
            groups += running.groups
        self._surroundings.counters.discovered[self._job] = sum(len(group.targets) for group in groups)
        self._changed(groups)
