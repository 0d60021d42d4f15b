"""How Envoy is called, and the process that runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from pillion.process import Process
from pillion.proxy.envoy.said import FORMAT, parse_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pillion.proxy.envoy.said import Message

_REMEMBERED = 20
"""Messages of severity that are kept for whoever has to say why something failed."""
_WARNING = 30
_FLUSH_MS = 500
"""A line of the access log waits so long for others, instead of Envoy's ten seconds: who reads it is told what happens
now, and little is lost when Envoy is killed."""
_CHUNK = 1 << 16
_MAX_LINE = 1 << 16


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What Envoy is called with, besides its bootstrap."""

    program: str
    concurrency: int = 1
    """Worker threads."""
    drain: float = 25.0
    """Seconds in which `Connection: close` and GOAWAY are sent before listeners close."""
    log_level: str = "warning"


def command_line(call: Call, bootstrap: Path) -> list[str]:
    """The supervisor replaces Envoy's own hot restart, which would need a shared memory region and a socket."""
    return [
        call.program,
        *("--config-path", str(bootstrap)),
        *("--concurrency", str(call.concurrency)),
        *("--drain-time-s", str(max(1, round(call.drain)))),
        *("--drain-strategy", "immediate"),
        *("--log-level", call.log_level),
        *("--log-format", FORMAT),
        *("--file-flush-interval-msec", str(_FLUSH_MS)),
        "--disable-hot-restart",
    ]


class EnvoyProcess:
    """A running Envoy; it dies with us. `close` must be called in the end."""

    def __init__(self, argv: Sequence[str], pass_fds: Sequence[int], hear: Callable[[Message], None]) -> None:
        """Start it; `hear` gets what it says. Raises ProgramMissing."""
        self._hear = hear
        self._severe: deque[str] = deque(maxlen=_REMEMBERED)
        self._rest = b""
        self._said, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(write_end, True)
        try:
            self._process = Process(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=write_end,
                pass_fds=pass_fds,
                dies_with_us=True,
            )
        except BaseException:
            os.close(self._said)
            raise
        finally:
            os.close(write_end)
        asyncio.get_running_loop().add_reader(self._said, self._listen)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def severe(self) -> list[str]:
        """The latest warnings and errors."""
        return list(self._severe)

    def forget_severe(self) -> None:
        self._severe.clear()

    @property
    def status(self) -> int:
        """Of one that has ended; negative: by that signal."""
        status = self._process.status
        assert status is not None
        return status

    async def ended(self) -> None:
        """Return when it has ended."""
        await self._process.ended()

    def terminate(self) -> None:
        """Ask it to end: it closes what it has open and does not wait for requests."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process.pidfd, signal.SIGTERM)

    def close(self) -> None:
        """Kill it unless it has ended, and pass on what it said last."""
        self._process.close()
        for _ in range(_MAX_LINE):
            if not self._listen():
                break
        if self._rest:
            self._pass_on(self._rest)
            self._rest = b""
        if self._said >= 0:
            asyncio.get_running_loop().remove_reader(self._said)
            os.close(self._said)
            self._said = -1

    def _listen(self) -> bool:
        """Pass on whole lines. False when there is nothing more for now."""
        if self._said < 0:
            return False
        try:
            chunk = os.read(self._said, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._said)
            os.close(self._said)
            self._said = -1
            return False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._pass_on(line)
        self._rest = self._rest[-_MAX_LINE:]
        return True

    def _pass_on(self, line: bytes) -> None:
        message = parse_line(line.decode("utf-8", "replace"))
        if message is None:
            return
        if message.level >= _WARNING:
            self._severe.append(message.text)
        self._hear(message)
