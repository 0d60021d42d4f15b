"""What Envoy is asked over its admin port, on this machine only.

Source: Envoy's documentation, "Administration interface".
"""

from __future__ import annotations

import asyncio
import os
from typing import Any
from urllib.parse import quote

import h11
import msgspec

from pillion.errors import PeerError

PATIENCE = 5.0
"""Seconds for an answer: the main thread may be busy with thousands of statistics."""
_LIVE = b"LIVE"
_CHUNK = 1 << 16


class AdminError(PeerError):
    """Envoy did not answer, or not with what was asked for."""


class _Stat(msgspec.Struct):
    name: str = ""
    value: int | str | None = None


class _Stats(msgspec.Struct):
    stats: list[_Stat]


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One address of an Envoy cluster."""

    address: str
    is_healthy: bool


class Admin:
    """One request, one connection. All methods raise AdminError."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._host = host
        self._port = port

    async def is_live(self) -> bool:
        """Serving, and neither starting nor told that it is not healthy."""
        status, body = await self._ask("GET", "/ready")
        return status == 200 and body.strip() == _LIVE

    async def stats(self, pattern: str) -> dict[str, int | str]:
        """Counters, gauges and texts whose names the regex finds."""
        body = await self._get(f"/stats?format=json&filter={quote(pattern, safe='')}")
        try:
            found = msgspec.json.decode(body, type=_Stats).stats
        except msgspec.DecodeError as error:
            raise AdminError(f"cannot read Envoy's statistics: {error}") from error
        return {stat.name: stat.value for stat in found if stat.value is not None}

    async def prometheus(self) -> bytes:
        """All statistics that were ever used, as a Prometheus page."""
        return await self._get("/stats/prometheus?usedonly")

    async def hosts(self) -> dict[str, tuple[HostStatus, ...]]:
        """The addresses of each cluster."""
        body = await self._get("/clusters?format=json")
        try:
            listed: dict[str, Any] = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise AdminError(f"cannot read Envoy's clusters: {error}") from error
        return {
            cluster["name"]: tuple(map(_host, cluster.get("host_statuses", ())))
            for cluster in listed.get("cluster_statuses", ())
        }

    async def fail_health(self) -> None:
        """Answers say `Connection: close`, health checks through a listener fail."""
        await self._post("/healthcheck/fail")

    async def drain_gracefully(self) -> None:
        """Tell clients to go for as long as `--drain-time-s`, then close the listeners. Does not end Envoy."""
        await self._post("/drain_listeners?graceful&skip_exit")

    async def close_listeners(self) -> None:
        """Take no more connections; those that are there go on."""
        await self._post("/drain_listeners")

    async def reopen_logs(self) -> None:
        await self._post("/reopen_logs")

    async def _get(self, target: str) -> bytes:
        status, body = await self._ask("GET", target)
        if status != 200:
            raise AdminError(
                f"Envoy refuses {target}: {status} {body.decode('utf-8', 'replace').strip()[:200]}"
            )
        return body

    async def _post(self, target: str) -> None:
        status, body = await self._ask("POST", target)
        if status != 200:
            raise AdminError(
                f"Envoy refuses {target}: {status} {body.decode('utf-8', 'replace').strip()[:200]}"
            )

    async def _ask(self, method: str, target: str) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    return await _exchange(reader, writer, method, target)
                finally:
                    writer.close()
        except TimeoutError:
            raise AdminError(
                f"Envoy's admin port {self._host}:{self._port} does not answer within {PATIENCE:g} s"
            ) from None
        except OSError as error:
            cause = os.strerror(error.errno).lower() if error.errno else str(error)
            raise AdminError(f"cannot ask Envoy on {self._host}:{self._port}: {cause}") from error
        except h11.RemoteProtocolError as error:
            raise AdminError(f"cannot ask Envoy on {self._host}:{self._port}: {error}") from error


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, target: str
) -> tuple[int, bytes]:
    connection = h11.Connection(h11.CLIENT)
    headers = [("host", "localhost"), ("content-length", "0"), ("connection", "close")]
    writer.write(connection.send(h11.Request(method=method, target=target, headers=headers)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    status, parts = 0, []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return status, b"".join(parts)
        elif isinstance(event, h11.ConnectionClosed):
            raise AdminError(f"cannot ask Envoy for {target}: it closed the connection")


def _host(status: dict[str, Any]) -> HostStatus:
    place = status.get("address", {}).get("socket_address", {})
    health = status.get("health_status", {})
    # Each kind of bad health is a key of its own, besides the one of EDS (envoy.admin.v3.HostHealthStatus).
    failing = any(value is True for value in health.values())
    return HostStatus(
        address=f"{place.get('address', '?')}:{place.get('port_value', '?')}",
        is_healthy=not failing and health.get("eds_health_status", "HEALTHY") == "HEALTHY",
    )
