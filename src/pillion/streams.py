"""Conversations with a pod's containers: what travels between the API server, the node and the runtime.

Values and protocols only. The API server speaks them to clients, the node decides who may have one, the runtime holds
the other end; none of the three needs to know the others for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from pillion.units import Instant

STDIN, STDOUT, STDERR = 0, 1, 2


class NodeRefusal(Exception):  # noqa: N818 - an answer, not a failure
    """The kubelet's own answer, in Kubernetes' words: an HTTP status and a message (section logs: 400 BadRequest)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ExecFailed(Exception):  # noqa: N818 - says what happened
    """The command could not be run at all. The kubelet tells it on the stream, after it has let the client in."""


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`GET …/log`. None: not asked for."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: Instant | None = None
    since_seconds: int | None = None
    """Counted back from the node's own present."""
    tail_lines: int | None = None
    limit_bytes: int | None = None
    stream: str = "All"


class Session(Protocol):
    """A running exec, or an attachment to a container's own process. Whoever got it must call `close` in the end."""

    async def write(self, data: bytes) -> None:
        """To its stdin. Waits while nobody reads there; forgets the data when nobody ever will."""

    async def close_stdin(self) -> None: ...

    async def resize(self, width: int, height: int) -> None:
        """Of its terminal; nothing without one."""

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(STDOUT or STDERR, data) until both have ended. Who does not take it stops the writer, in the end."""

    async def wait(self) -> int | None:
        """The exit code of the command; None for an attachment. To be asked after the output's end."""

    async def close(self) -> None:
        """Give up: an exec's process is ended, an attached container goes on. Idempotent."""


class Tunnel(Protocol):
    """One port-forwarded connection."""

    async def read(self) -> bytes:
        """Empty at the end. Raises OSError."""

    async def write(self, data: bytes) -> None:
        """Raises OSError."""

    async def close_write(self) -> None: ...

    async def close(self) -> None: ...
