"""One collector: from a configuration to running inputs and outputs; signals; reload; the end and its exit status.

Exit status: 0 when everything was delivered (dead letters and stated drops included), 75 (EX_TEMPFAIL) when records are
left for the next start, 1 when it could not start or an input failed, 128 + N after a second signal N.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pillion import __version__
from pillion.clock import LoopClock, process_age
from pillion.collector.allocator import give_back_when_idle, keep_buffers
from pillion.collector.buffer import DiskBuffer
from pillion.collector.configuration import Configuration, ConfigurationError
from pillion.collector.pipeline.ending import Ending
from pillion.collector.pipeline.folders import ON_LOG_VOLUME, Folders, open_folders, tails_without_db
from pillion.collector.pipeline.instances import LEVELS, LOG, Surroundings
from pillion.collector.pipeline.pipeline import Pipeline
from pillion.collector.pipeline.reloading import reload
from pillion.collector.service import messages
from pillion.collector.service.health import HealthLimits, HealthWindow
from pillion.collector.service.view import Storage
from pillion.collector.status import FilterStatus, InputStatus, Notices, OutputStatus
from pillion.errors import HostError, PillionError

LEFT = 75
"""EX_TEMPFAIL of sysexits.h: try again later."""
SAMPLES = 60
"""Of the outputs' counters within `hc_period`."""

_FIXED = (
    "log_file", "http_server", "http_listen", "http_port", "health_check", "hc_errors_count", "hc_retry_failure_count",
    "hc_period", "ready_unsent_limit", "storage_keep_rejected", "storage_rejected_path",
)  # fmt: skip
"""Keys of [SERVICE] that a reload does not change."""


def run(
    configuration: Configuration,
    *,
    folder: Path,
    environment: Mapping[str, str],
    reload: Callable[[], Configuration],
) -> int:
    """Until a signal, or the end of an input that has one. The exit status.

    `folder` is the configuration's; `reload` reads it again and raises ConfigurationError. Raises PillionError when
    the collector cannot start.
    """
    keep_buffers()
    _raise_limit_of_files()
    service = configuration.service
    handler = messages.install(LOG, level=LEVELS[service.log_level], file=service.log_file)
    try:
        with open_folders(configuration, environment) as folders:
            return asyncio.run(_Application(configuration, folder, environment, reload, folders).run())
    finally:
        messages.uninstall(LOG, handler)


class _Application:
    """The view that the service shows, too."""

    def __init__(
        self,
        configuration: Configuration,
        folder: Path,
        environment: Mapping[str, str],
        read_again: Callable[[], Configuration],
        folders: Folders,
    ) -> None:
        self._configuration = configuration
        self._folder = folder
        self._environment = environment
        self._read_again = read_again
        self._folders = folders
        self._log = logging.getLogger(f"{LOG}.engine")
        self._notices = Notices(self._log)
        self._signals: list[int] = []
        self._reload_wanted = asyncio.Event()
        self._is_reloading = False
        self._reloads = 0

    def _say_where_checkpoints_are(self) -> None:
        if not tails_without_db(self._configuration):
            return
        if self._folders.checkpoints is None:
            self._notices.raise_(
                "checkpoints",
                "checkpoints cannot be kept by default: no folder can be written to, or another collector with this "
                "configuration runs; give tail a db on a volume, or [SERVICE] a storage.path",
            )
        elif self._folders.end_with_container:
            self._notices.raise_(
                "checkpoints",
                "checkpoints end with this container: the next one reads files again or passes over what was written "
                f"meanwhile; let {ON_LOG_VOLUME} be written beside the logs, mount a volume at "
                "/var/lib/pillion-collector, or give [SERVICE] a storage.path on one",
            )
        else:
            self._log.debug("checkpoints are in %s", self._folders.checkpoints)

    async def run(self) -> int:
        self._clock = LoopClock()
        self._started = self._clock.now()
        self._began = self._started - process_age()
        self._say_warnings(self._configuration)
        self._say_where_checkpoints_are()
        disk = None
        if self._folders.chunks is not None:
            disk = DiskBuffer(
                self._folders.chunks, log=logging.getLogger(f"{LOG}.storage"), notices=self._notices
            )
        self._pipeline = Pipeline(
            self._configuration,
            self._surroundings(self._configuration),
            disk=disk,
            rejected_folder=self._folders.rejected,
            random=random.random,
        )
        with self._hearing_signals():
            async with self._serving(), asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(self._obey_reloads()),
                    tasks.create_task(give_back_when_idle(self._passed_bytes)),
                ]
                _tidy_memory()
                ending = await self._pipeline.run()
                for task in beside:
                    task.cancel()
        return self._status_of(ending)

    def _passed_bytes(self) -> int:
        return sum(status.bytes for status in self._pipeline.input_statuses)

    def _status_of(self, ending: Ending) -> int:
        if len(self._signals) > 1:
            return 128 + self._signals[-1]
        if ending.failure:
            return 1
        return LEFT if ending.left else 0

    def _surroundings(self, configuration: Configuration) -> Surroundings:
        return Surroundings(
            configuration,
            clock=self._clock,
            environment=self._environment,
            folder=self._folder,
            notices=self._notices,
            checkpoint_folder=self._folders.checkpoints,
            began=self._began,
        )

    def _say_warnings(self, configuration: Configuration) -> None:
        for warning in configuration.warnings:
            self._log.warning("%s", warning)

    # ── signals ──────────────────────────────────────────────────────────────────────────────────────────────────────
    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        self._signals.append(number)
        self._log.info("caught %s", signal.Signals(number).name)
        if len(self._signals) == 1:
            self._pipeline.stop()
        else:
            self._pipeline.stop_now()

    # ── reload ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _obey_reloads(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            if self.may_reload:
                await self.reload()
            else:
                self._log.warning("SIGHUP does nothing: hot_reload is off")

    async def reload(self) -> str:
        if self._is_reloading:
            return "a reload is in progress"
        self._is_reloading = True
        try:
            configuration = await asyncio.to_thread(self._read_again)
            self._say_warnings(configuration)
            if configuration.service.storage_path != self._configuration.service.storage_path:
                raise ConfigurationError("storage.path cannot change while the collector runs: restart it")
            await reload(self._pipeline, configuration, self._surroundings(configuration))
        except PillionError as error:
            self._notices.raise_("reload", f"the new configuration is not used: {error}")
            return str(error)
        finally:
            self._is_reloading = False
        self._take_over(configuration)
        self._reloads += 1
        self._notices.clear("reload")
        self._log.info("the configuration was read again (%d)", self._reloads)
        return ""

    def _take_over(self, configuration: Configuration) -> None:
        old, new = self._configuration.service, configuration.service
        logging.getLogger(LOG).setLevel(LEVELS[new.log_level])
        for name in _FIXED:
            if getattr(old, name) != getattr(new, name):
                self._log.warning("%s changes with the next start, not with a reload", name)
        self._configuration = configuration

    # ── the HTTP port ────────────────────────────────────────────────────────────────────────────────────────────────
    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        """Fluent Bit starts without its port when that is taken; so do we, and say it for as long as it lasts."""
        service = self._configuration.service
        if not service.http_server:
            yield
            return
        from pillion.collector.service.endpoints import Endpoints
        from pillion.http.server import serve

        window = None
        if service.health_check:
            limits = HealthLimits(
                errors=service.hc_errors_count,
                retry_failures=service.hc_retry_failure_count,
                period=service.hc_period,
            )
            window = HealthWindow(limits)
        endpoints = Endpoints(
            self,
            hostname=socket.gethostname(),
            version=__version__,
            health=window,
            ready_limit=service.ready_unsent_limit,
        )
        log = logging.getLogger(f"{LOG}.http_server")
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(
                    serve(
                        service.http_listen,
                        service.http_port,
                        endpoints.respond,
                        log,
                        keys="http_listen and http_port",
                    )
                )
            except HostError as error:
                self._notices.raise_("http_server", str(error))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            sampling = tasks.create_task(self._sample(window)) if window is not None else None
            try:
                yield
            finally:
                if sampling is not None:
                    sampling.cancel()

    async def _sample(self, window: HealthWindow) -> None:
        while True:
            window.sample(self.outputs, self.now)
            await asyncio.sleep(max(1.0, window.limits.period / SAMPLES))

    # ── what the service shows ───────────────────────────────────────────────────────────────────────────────────────
    @property
    def inputs(self) -> Sequence[InputStatus]:
        return self._pipeline.input_statuses

    @property
    def filters(self) -> Sequence[FilterStatus]:
        return self._pipeline.filter_statuses

    @property
    def outputs(self) -> Sequence[OutputStatus]:
        return self._pipeline.output_statuses

    @property
    def notices(self) -> dict[str, str]:
        return self._notices.current

    @property
    def storage(self) -> Storage:
        disk = self._pipeline.disk
        if disk is None:
            return Storage()
        return Storage(chunks=disk.chunks, bytes=sum(disk.pending_bytes.values()))

    @property
    def unrouted(self) -> int:
        return self._pipeline.road.unrouted

    @property
    def started(self) -> float:
        return self._started

    @property
    def now(self) -> float:
        return self._clock.now()

    @property
    def is_stopping(self) -> bool:
        return self._pipeline.is_stopping

    @property
    def reloads(self) -> int:
        return self._reloads

    @property
    def is_reloading(self) -> bool:
        return self._is_reloading

    @property
    def may_reload(self) -> bool:
        return self._configuration.service.hot_reload


def _raise_limit_of_files() -> None:
    """What is followed is held open; the usual limit (1024) is for programs that use select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tidy_memory() -> None:
    """What was made to start stays; chunks of decoded records are many short-lived objects, none of them in cycles."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
