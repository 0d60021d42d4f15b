"""What the API server asks of the node: logs, streams into containers, statistics. The daemon plugs the node in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from pillion.units import Instant

STDIN, STDOUT, STDERR = 0, 1, 2


class NodeRefusal(Exception):  # noqa: N818 - an answer, not a failure
    """The kubelet's own answer, in Kubernetes' words: an HTTP status and a message (section logs: 400 BadRequest)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`GET …/log`. None: not asked for."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: Instant | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    stream: str = "All"


class Session(Protocol):
    """A running exec, or an attachment to a container's own process."""

    async def write(self, data: bytes) -> None:
        """To its stdin."""

    async def close_stdin(self) -> None: ...

    async def resize(self, width: int, height: int) -> None: ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(STDOUT or STDERR, data) until both have ended."""

    async def wait(self) -> int | None:
        """The exit code of the command; None for an attachment."""

    async def close(self) -> None:
        """Give up: an exec's process is ended, an attached container goes on."""


class Tunnel(Protocol):
    """One port-forwarded connection."""

    async def read(self) -> bytes:
        """Empty at the end."""

    async def write(self, data: bytes) -> None: ...

    async def close_write(self) -> None: ...

    async def close(self) -> None: ...


class NodeProxy(Protocol):
    async def logs(self, pod_uid: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The log's bytes, as `kubectl logs` prints them. Raises NodeRefusal before the first byte."""

    async def exec(
        self, pod_uid: str, container: str, command: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Session:
        """Raises NodeRefusal."""

    async def attach(self, pod_uid: str, container: str, *, tty: bool, stdin: bool) -> Session:
        """Raises NodeRefusal."""

    async def port_forward(self, pod_uid: str, port: int) -> Tunnel:
        """Raises NodeRefusal."""

    async def stats(self) -> dict[str, Any]:
        """The summary API's document (stats/v1alpha1 Summary)."""
