"""The sidecar's own two ports: health for the kubelet, metrics for who scrapes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from http import HTTPStatus
from pathlib import Path

import msgspec

from pillion.http.server import Asked, Response
from pillion.proxy.application import health
from pillion.proxy.application.ownmetrics import ProcessFigures, write_page
from pillion.proxy.application.state import State
from pillion.proxy.envoy.admin import Admin, AdminError

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ACTIVE = "listener_manager.total_listeners_active"
_LOOPBACK = "127."
"""The health port is IPv4's."""
_LOCAL_PATIENCE = 1.0
"""Seconds for a port of this Pod to take a connection."""
_NOT_FOUND = Response(status=HTTPStatus.NOT_FOUND, body=b"not found\n")


class _UpstreamReport(msgspec.Struct, kw_only=True):
    healthy: bool
    upstreams: list[health.Upstream]


class _UpstreamCounts(msgspec.Struct, kw_only=True):
    """For strangers: the port is open to the network, and whom an agent calls is nobody's business there."""

    healthy: bool
    total: int
    unhealthy: int


class Web:
    def __init__(self, state: State, admin: Admin) -> None:
        self._state = state
        self._admin = admin
        self.envoy_pid: int | None = None

    # ── health ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def respond_health(self, asked: Asked) -> Response:
        match asked.target.partition("?")[0]:
            case "/healthz/ready":
                reason = await self._unreadiness()
                return _verdict(reason, "ready", "not ready")
            case "/healthz/live":
                return _verdict(await self._lifelessness(), "live", "not live")
            case "/healthz/upstream":
                return await self._upstreams(is_local=asked.peer.startswith(_LOOPBACK))
            case _:
                return _NOT_FOUND

    async def _unreadiness(self) -> str:
        configuration = self._state.serving
        seen = health.Serving(
            has_started=self._state.has_started,
            is_draining=self._state.is_draining,
            is_live=False,
            active=0,
            wanted=len(configuration.inbound) + len(configuration.outbound),
        )
        if not seen.has_started or seen.is_draining:
            return health.unreadiness(seen)
        try:
            is_live = await self._admin.is_live()
            active = (await self._admin.stats(f"^{_ACTIVE}$")).get(_ACTIVE, 0)
        except AdminError as error:
            return str(error)
        return health.unreadiness(msgspec.structs.replace(seen, is_live=is_live, active=int(active)))

    async def _lifelessness(self) -> str:
        """An Envoy whose main thread hangs does not answer; one that starts or drains is alive."""
        if not self._state.has_started:
            return ""
        try:
            await self._admin.is_live()
        except AdminError as error:
            return str(error)
        return ""

    async def _upstreams(self, *, is_local: bool) -> Response:
        configuration = self._state.serving
        try:
            hosts = await self._admin.hosts() if configuration.outbound else {}
        except AdminError as error:
            return _verdict(str(error), "", "unknown")
        found = [
            health.local_upstream(name, port, await _refusal(port))
            for name, port in health.local_ports(configuration)
        ]
        found += health.remote_upstreams(configuration.outbound, hosts)
        unhealthy = sum(not one.healthy for one in found)
        report: _UpstreamReport | _UpstreamCounts
        if is_local:
            report = _UpstreamReport(healthy=not unhealthy, upstreams=found)
        else:
            report = _UpstreamCounts(healthy=not unhealthy, total=len(found), unhealthy=unhealthy)
        return Response(
            status=HTTPStatus.OK if report.healthy else HTTPStatus.SERVICE_UNAVAILABLE,
            type="application/json",
            body=msgspec.json.encode(report) + b"\n",
        )

    # ── metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def respond_metrics(self, asked: Asked) -> Response:
        if asked.target.partition("?")[0] != "/metrics":
            return _NOT_FOUND
        pids = {"supervisor": os.getpid(), "envoy": self.envoy_pid}
        figures = {
            name: found for name, pid in pids.items() if pid is not None and (found := process_figures(pid))
        }
        page = write_page(self._state, figures)
        # While Envoy cannot answer, what we know is all the more wanted.
        with contextlib.suppress(AdminError):
            page = await self._admin.prometheus() + page
        return Response(type=METRICS_TYPE, body=page)


def process_figures(pid: int) -> ProcessFigures | None:
    """What the kernel says; None when the process is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        # The name, in parentheses, may hold blanks (proc_pid_stat(5)).
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return ProcessFigures(
        resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    )


async def _refusal(port: int) -> str:
    """Why nobody takes a connection; nothing: somebody does."""
    try:
        async with asyncio.timeout(_LOCAL_PATIENCE):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except TimeoutError:
        return f"no connection within {_LOCAL_PATIENCE:g} s"
    except OSError as error:
        # asyncio's own text names the address, which is said beside it.
        return os.strerror(error.errno).lower() if error.errno else str(error)
    writer.close()
    return ""


def _verdict(reason: str, good: str, bad: str) -> Response:
    if not reason:
        return Response(body=f"{good}\n".encode())
    return Response(status=HTTPStatus.SERVICE_UNAVAILABLE, body=f"{bad}: {reason}\n".encode())
