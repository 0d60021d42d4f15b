"""The running sidecar, put together; its signals, its second hand and its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from typing import TYPE_CHECKING

from pillion.clock import process_age
from pillion.http.server import serve
from pillion.proxy.application import draining, ports
from pillion.proxy.application.accesslog import LogKeeper
from pillion.proxy.application.delivery import Delivery
from pillion.proxy.application.draining import Step
from pillion.proxy.application.events import Events
from pillion.proxy.application.folder import open_folder
from pillion.proxy.application.incluster import api_server
from pillion.proxy.application.messages import ENVOY_LEVELS, LOG, pass_on
from pillion.proxy.application.preparation import check_access_log, prepare
from pillion.proxy.application.racing import first_of
from pillion.proxy.application.reloading import Running, Updates
from pillion.proxy.application.state import Outcome, State
from pillion.proxy.application.web import Web
from pillion.proxy.envoy.admin import Admin, AdminError
from pillion.proxy.envoy.launch import Call, EnvoyProcess, command_line
from pillion.proxy.envoy.program import find_program
from pillion.proxy.envoy.validation import EnvoyRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pillion.clock import Clock
    from pillion.proxy.application.options import Options
    from pillion.proxy.application.preparation import Prepared
    from pillion.proxy.application.reading import Reading
    from pillion.proxy.configuration.values import Configuration

EXIT_ENVOY_ENDED = 1
SETTLING = 0.2
"""Seconds until files that have changed are looked at again: only what has come to rest is read."""
_DRAIN_INTERVAL = 0.1
_END_PATIENCE = 5.0
"""Seconds for Envoy to end once it was told to; it takes some milliseconds."""


class Sidecar:
    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._log = logging.getLogger(LOG)
        self._signals: list[int] = []
        self._ending = asyncio.Event()
        self._ending_now = asyncio.Event()
        self._reload_wanted = asyncio.Event()

    async def run(self, reading: Reading) -> int:
        """The exit status. Raises PillionError when it cannot start."""
        with self._hearing_signals():
            prepared = await self._prepare(reading)
            async with self._open(prepared):
                status = await self._live()
        return 128 + self._signals[-1] if self._ending_now.is_set() else status

    # ── start ────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _prepare(self, reading: Reading) -> Prepared:
        """All that can be found wrong before Envoy runs. Raises PillionError."""
        program = find_program(self._options.envoy)
        read = await reading.result()
        configuration = read.configuration
        for warning in configuration.warnings:
            self._log.warning("%s", warning)
        check_access_log(configuration)
        ports.check_free(configuration.file, ports.all_places(configuration))
        self._signatures = read.signatures
        prepared = prepare(configuration, read.found)
        for material in prepared.materials.values():
            for warning in material.warnings:
                self._log.warning("%s", warning)
        self._call = Call(
            program=program,
            concurrency=configuration.concurrency,
            drain=configuration.drain,
            log_level=ENVOY_LEVELS[self._options.log_level],
        )
        return prepared

    @contextlib.asynccontextmanager
    async def _open(self, prepared: Prepared) -> AsyncIterator[None]:
        """Both ports, the files and Envoy; on leaving, nothing of them is left. Raises HostError."""
        configuration, now = prepared.configuration, self._clock.now()
        self._state = State(started=now, serving=configuration, configuration=Outcome(successful_at=now))
        self._admin = Admin(configuration.ports.admin)
        web = Web(self._state, self._admin)
        log = logging.getLogger(f"{LOG}.web")
        log.setLevel(logging.WARNING)
        async with contextlib.AsyncExitStack() as stack:
            for host, port, respond in (
                ("0.0.0.0", configuration.ports.health, web.respond_health),  # noqa: S104 - the kubelet asks
                ("127.0.0.1", configuration.ports.metrics, web.respond_metrics),
            ):
                await stack.enter_async_context(
                    serve(host, port, respond, log, keys=f"ports in {configuration.file}")
                )
            folder = stack.enter_context(open_folder())
            self._delivery = Delivery(self._call, folder, self._admin)
            stack.callback(self._delivery.close)
            self._delivery.write_first(configuration, prepared.snapshot)
            argv = command_line(self._call, self._delivery.bootstrap)
            self._envoy = EnvoyProcess(argv, self._delivery.keys.descriptors, pass_on)
            stack.callback(self._envoy.close)
            web.envoy_pid = self._envoy.pid
            self._events = Events(api_server(self._options.environment), self._state.events, self._clock)
            running = Running(
                call=self._call, delivery=self._delivery, envoy=self._envoy, tell=self._events.tell
            )
            self._updates = Updates(prepared, self._signatures, running, self._state, self._clock)
            yield

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _live(self) -> int:
        """The exit status. Raises EnvoyRefusedError when it does not take its first configuration."""
        taken = await first_of(
            self._envoy.ended(), self._ending.wait(), self._delivery.until_taken(self._envoy)
        )
        if taken == 0:
            words = (
                "; ".join(self._envoy.severe) or f"it ended with status {self._envoy.status} and no reason"
            )
            raise EnvoyRefusedError(f"Envoy does not take the configuration: {words}")
        if taken == 1:
            return 0
        self._state.has_started = True
        _tidy_memory()
        self._log.info("ready after %.2f s: %s", process_age(), _listeners(self._state.serving))
        envoy, events = self._envoy, self._events
        if await first_of(envoy.ended(), self._ending.wait(), self._look_after(), events.run()) == 0:
            return self._say_how_envoy_ended()
        if await first_of(envoy.ended(), self._ending_now.wait(), self._drain(), events.run()) == 0:
            return self._say_how_envoy_ended()
        await self._end_envoy()
        return 0

    def _say_how_envoy_ended(self) -> int:
        status = self._envoy.status
        how = (
            f"by signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"with status {status}"
        )
        self._log.error("Envoy ended %s; the proxy ends, and the kubelet starts its container anew", how)
        return EXIT_ENVOY_ENDED

    async def _look_after(self) -> None:
        """For ever: at each interval, and at SIGHUP."""
        interval = self._options.look_interval
        log = LogKeeper(self._state, self._admin, self._log)
        await log.look()
        is_changing = False
        while True:
            try:
                async with asyncio.timeout(min(SETTLING, interval) if is_changing else interval):
                    await self._reload_wanted.wait()
            except TimeoutError:
                is_changing = await self._updates.look()
                await log.look()
            else:
                self._reload_wanted.clear()
                await self._updates.take_configuration()

    # ── end ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _drain(self) -> None:
        """Return when nobody is left, or when time is up. Envoy then still runs."""
        loop = asyncio.get_running_loop()
        budget, began = self._state.serving.drain, loop.time()
        self._state.is_draining = True
        closed_at = None
        try:
            await self._admin.fail_health()
            await self._admin.drain_gracefully()
            first = draining.in_flight(await self._admin.stats(draining.PATTERN))
            while True:
                seen = draining.in_flight(await self._admin.stats(draining.PATTERN))
                elapsed = loop.time() - began
                match draining.next_step(
                    seen, first=first, elapsed=elapsed, budget=budget, closed_at=closed_at
                ):
                    case Step.CLOSE_LISTENERS:
                        await self._admin.close_listeners()
                        closed_at = elapsed
                    case Step.WAIT:
                        await asyncio.sleep(_DRAIN_INTERVAL)
                    case Step.END:
                        break
        except AdminError as error:
            self._log.warning("cannot follow the drain: %s", error)
            return
        if seen.requests:
            self._log.warning("%d requests did not end within %g s and are cut off", seen.requests, budget)
        else:
            self._log.info("drained after %.1f s", elapsed)

    async def _end_envoy(self) -> None:
        self._envoy.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_PATIENCE):
                await self._envoy.ended()

    # ── signals ──────────────────────────────────────────────────────────────────────────────────────────────────────
    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._hear, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _hear(self, number: int) -> None:
        self._signals.append(number)
        self._log.info("caught %s", signal.Signals(number).name)
        self._ending.set()
        if len(self._signals) > 1:
            self._ending_now.set()


def _listeners(configuration: Configuration) -> str:
    inbound = [f"{one.name} on {one.port}" for one in configuration.inbound]
    return ", ".join(inbound + [f"{one.name} on localhost:{one.port}" for one in configuration.outbound])


def _tidy_memory() -> None:
    """What was made to start stays; what is read later is rare."""
    gc.collect()
    gc.freeze()
