"""`pillion serve`: the control plane behind a socket, until it is told to end, and how."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from pillion.clock import LoopClock, process_age
from pillion.daemon import lock
from pillion.daemon.assembly import Config
from pillion.daemon.controlplane import ControlPlane
from pillion.daemon.httpserver import HOST, HttpServer, listen
from pillion.daemon.kubeconfig import build_kubeconfig, format_kubeconfig
from pillion.daemon.serving import Ending, Serving, open_state_dir
from pillion.errors import HostError
from pillion.privatefile import write_file

RENEWAL_PERIOD = 86_400.0
"""Seconds between two looks at the certificates."""
_log = logging.getLogger(__name__)


class Server:
    def __init__(self, config: Config, port: int, on_ready: Callable[[int], None]) -> None:
        """`on_ready` is told the port once the API answers."""
        self._config = config
        self._wanted_port = port
        self._on_ready = on_ready
        self._ending: Ending | None = None
        self._news = asyncio.Event()
        """Another word on how to end, or a pod that has left the node."""

    def end(self, ending: Ending) -> None:
        """From now on. More than once is fine."""
        if self._ending is None or ending > self._ending:
            self._ending = ending
            self._news.set()

    async def run(self) -> None:
        """Until `end`. Raises HostError when it cannot start."""
        state = open_state_dir(self._config.state_dir)
        with lock.hold(state):
            listener = listen(self._wanted_port)
            try:
                port = listener.getsockname()[1]
                plane = ControlPlane(self._config, LoopClock(), port)
                saved = await plane.open()
                try:
                    http = HttpServer(plane.app, listener, plane.authority.certificate, plane.authority.key)
                    async with _background() as tasks:
                        ready = asyncio.Event()
                        tasks.append(plane.run(saved, ready), "control plane")
                        await ready.wait()
                        tasks.append(_log_warnings(plane), "warnings")
                        tasks.append(_renew_daily(plane, http, port), "certificates")
                        serving = tasks.group.create_task(http.run_until_told(), name="http")
                        await http.wait_started()
                        tasks.append(_serve_pods(plane, http, port), "pods' way to the API")
                        write_kubeconfig(plane, port)
                        serving_here = msgspec.json.encode(Serving(pid=os.getpid(), port=port))
                        write_file(Path(state.server), serving_here, mode=0o644)
                        _log.info(
                            "serving on %s:%d, %.2f s after this process began; pods taken over: %d",
                            *(HOST, port, process_age(), len(saved)),
                        )
                        self._on_ready(port)
                        await self._end_pods(plane)
                        http.stop()
                        await serving
                finally:
                    Path(state.server).unlink(missing_ok=True)
                    await plane.close()
            finally:
                listener.close()

    async def _end_pods(self, plane: ControlPlane) -> None:
        """Wait for the word, then do with the pods what it says."""
        plane.on_pod_gone(self._news.set)
        while True:
            await self._news.wait()
            self._news.clear()
            ending = self._ending
            if ending is None:
                continue
            if ending is Ending.KEEP_PODS:
                return
            grace = 0 if ending is Ending.KILL_PODS else None
            for item in plane.api.store.list("pods").items:
                is_deleted = b'"deletionTimestamp"' in item.value
                if grace is not None or not is_deleted:
                    await plane.api.delete(item.key, grace_seconds=grace)
            if not plane.api.store.count("pods") and not plane.node.workers:
                return


async def _log_warnings(plane: ControlPlane) -> None:
    """Those of what was taken over, then those that come with pods: the first of them brings the bridge about."""
    await plane.node.has_network.wait()
    _log_network_warnings(plane)
    async for _ in plane.api.follow("pods"):
        _log_network_warnings(plane)


def _log_network_warnings(plane: ControlPlane) -> None:
    for warning in plane.drivers.network.warnings():
        _log.warning("%s", warning)


async def _renew_daily(plane: ControlPlane, http: HttpServer, port: int) -> None:
    while True:
        await asyncio.sleep(RENEWAL_PERIOD)
        try:
            await renew(plane, http, port)
        except (HostError, OSError) as error:
            _log.warning("cannot renew the certificate: %s", error)


async def _serve_pods(plane: ControlPlane, http: HttpServer, port: int) -> None:
    """Answer where pods call, with a certificate that names the place."""
    while True:
        listener = await plane.door.listener()
        try:
            await renew(plane, http, port)
        except (HostError, OSError) as error:
            _log.warning("cannot put the address of the pods' bridge into the certificate: %s", error)
        await http.also_serve(listener)


async def renew(plane: ControlPlane, http: HttpServer, port: int) -> None:
    """Make anew what ends soon, for connections from now on and whoever reads the kubeconfig.

    Raises HostError, OSError. A kubeconfig into which ours was merged is its owner's to merge again.
    """
    is_another = await plane.renew_authority()
    http.reload_certificate()
    if is_another:
        write_kubeconfig(plane, port)
        _log.info("the kubeconfig is another from now on: the CA or the administrator's token was made anew")


def write_kubeconfig(plane: ControlPlane, port: int) -> None:
    """Raises OSError."""
    config = build_kubeconfig(
        server=f"https://{HOST}:{port}",
        ca_pem=plane.authority.ca_pem,
        token=plane.authority.admin_token,
    )
    write_file(Path(plane.state.kubeconfig), format_kubeconfig(config).encode())


@asynccontextmanager
async def _background() -> AsyncIterator[_Tasks]:
    """Tasks that end with the block."""
    async with asyncio.TaskGroup() as group:
        tasks = _Tasks(group)
        yield tasks
        tasks.cancel()


class _Tasks:
    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.group = group
        self._tasks: list[asyncio.Task[None]] = []

    def append(self, coroutine: object, name: str) -> None:
        self._tasks.append(self.group.create_task(coroutine, name=name))  # type: ignore[arg-type]

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
