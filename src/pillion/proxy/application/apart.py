"""Work in a forked child, which takes along what it has loaded when it ends.

A sidecar reads its configuration and certificates when it starts and once in hours; YAML and cryptography would lie in
its memory for all the time between: 16 MB. A fork needs no second interpreter, and what it answers, keys among it, goes
through a pipe. It is safe here because there is one thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

from pillion.errors import Bug
from pillion.process import OutputReader, pidfd_ended

_LIMIT = 64 << 20
"""Bytes of an answer."""


class ApartWork:
    """A child at work, from now on. `close` must be called in the end, `answer` at most once."""

    def __init__(self, work: Callable[[], bytes]) -> None:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            _work_and_end(work, write_end)
        os.close(write_end)
        self._pidfd = os.pidfd_open(self._pid)
        self._answer = OutputReader(read_end, _LIMIT)

    async def answer(self) -> bytes:
        """Raises Bug when the work failed."""
        await pidfd_ended(self._pidfd)
        _, status = os.waitpid(self._pid, 0)  # noqa: ASYNC222 - it has ended
        self._pid = 0
        content = self._answer.finish()
        if status != 0:
            raise Bug(f"a child that reads ended with status {os.waitstatus_to_exitcode(status)}")
        return content

    def close(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        self._answer.close()
        with contextlib.suppress(OSError):
            os.close(self._pidfd)
            self._pidfd = -1


async def apart(work: Callable[[], bytes]) -> bytes:
    """What the work returns. Raises Bug when it failed."""
    child = ApartWork(work)
    try:
        return await child.answer()
    finally:
        child.close()


def _work_and_end(work: Callable[[], bytes], answer: int) -> None:
    """In the child. Never returns: the parent's loop must not see it."""
    status = 1
    try:
        # What the parent hears of a signal comes through a descriptor that we share with it.
        signal.set_wakeup_fd(-1)
        # A terminal's Ctrl-C is for the parent, which then ends us.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with os.fdopen(answer, "wb") as pipe:
            pipe.write(work())
        status = 0
    finally:
        os._exit(status)
