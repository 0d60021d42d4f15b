"""The process: two ports on one event loop, started and stopped together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import uvicorn
from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from pillion_agent.api import build_api
from pillion_agent.logs import configure_logs
from pillion_agent.model import SentimentModel
from pillion_agent.telemetry import Metrics, RecordedModel, RecordRequests

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from starlette.types import ASGIApp, Receive, Scope, Send

_log = logging.getLogger(__name__)

_DRAIN_SECONDS = 25
"""For requests that are being answered at SIGTERM: less than Kubernetes' default grace period of 30 s."""


class Settings(NamedTuple):
    host: str
    port: int
    metrics_port: int
    log_file: Path | None


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when a port or the log file cannot be opened."""
    # Before anything that takes time. As process 1 of a container there is no default action for SIGTERM; and once
    # uvicorn has finished its requests, it raises the signal again for whoever was there before it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    configure_logs(settings.log_file)
    sockets = [_listen(settings.host, port) for port in (settings.port, settings.metrics_port)]
    ports = [sock.getsockname()[1] for sock in sockets]
    config = uvicorn.Config(
        build_app(metrics_port=ports[1]),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    _log.info("listening", extra={"fields": {"port": ports[0], "metrics_port": ports[1]}})
    _PromptServer(config).run(sockets=sockets)


def build_app(*, metrics_port: int) -> ASGIApp:
    """The API, and `/metrics` on a port of its own, so that publishing the API does not publish the metrics."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    metrics = Metrics(registry)
    api = RecordRequests(build_api(RecordedModel(SentimentModel(), metrics)), metrics)
    exposition = make_asgi_app(registry)

    async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["server"][1] == metrics_port:
            await (exposition if scope["path"] == "/metrics" else _not_found)(scope, receive, send)
        else:
            await api(scope, receive, send)

    return by_port


async def _not_found(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def _listen(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


class _PromptServer(uvicorn.Server):
    """uvicorn looks every 0.1 s whether it was told to stop; this one is woken."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            ticks = group.create_task(super().main_loop())
            if not self.should_exit:
                await self._stop.wait()
            ticks.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Nothing is being served. The interpreter's own farewell would take as long as everything before it."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
