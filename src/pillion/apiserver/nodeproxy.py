"""What the API server asks of the node: logs, streams into containers, statistics. The daemon plugs the node in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from pillion.streams import (
    STDERR,
    STDIN,
    STDOUT,
    ExecFailed,
    LogOptions,
    NodeRefusal,
    Session,
    Tunnel,
)

__all__ = [
    "STDERR",
    "STDIN",
    "STDOUT",
    "ExecFailed",
    "LogOptions",
    "NodeProxy",
    "NodeRefusal",
    "Session",
    "Tunnel",
]


class NodeProxy(Protocol):
    async def logs(self, pod_uid: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The log's bytes, as `kubectl logs` prints them. Raises NodeRefusal before the first byte."""

    async def exec(
        self, pod_uid: str, container: str, command: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Session:
        """Raises NodeRefusal, ExecFailed."""

    async def attach(self, pod_uid: str, container: str, *, tty: bool, stdin: bool) -> Session:
        """Raises NodeRefusal."""

    async def port_forward(self, pod_uid: str, port: int) -> Tunnel:
        """Raises NodeRefusal."""

    async def stats(self) -> dict[str, Any]:
        """The summary API's document (stats/v1alpha1 Summary)."""
