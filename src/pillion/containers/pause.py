"""The pause process: process 1 of the process namespace that the containers of a pod share.

When it ends, the kernel kills everything in the namespace and takes no new process: the sandbox is lost. So it is
watched, and its end is told; with a namespace per container there is none, and nothing to lose.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

_PF_EXITING = 0x4
"""include/linux/sched.h; field 9 of /proc/PID/stat."""


class Pause:
    """A pause process that was alive when we looked first."""

    def __init__(self, pid: int, pidfd: int, *, is_child: bool = False) -> None:
        self.pid = pid
        self.ended = asyncio.Event()
        self._pidfd: int | None = pidfd
        self._is_child = is_child
        self._tell: Callable[[], None] | None = None

    @classmethod
    def start(cls, pin: Path, bind: Callable[[str, str], None], oom_score_adj: int) -> Pause:
        """Start one from a thread whose children are born in a new process namespace, and pin that. Raises OSError.

        It sleeps, and the kernel reaps its orphans, because SIGCHLD is ignored; Kubernetes' pause image does the same
        with a SIGCHLD handler.
        """
        # It outlives us: no Popen, which minds that.
        pid = os.posix_spawn(
            "/usr/bin/env",
            ("/pause", "--chdir=/", "--ignore-signal=CHLD", "sleep", "infinity"),
            {"PATH": "/usr/bin:/bin"},
            file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)],
            setsid=True,
        )
        try:
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(oom_score_adj))
            pin.touch()
            bind(f"/proc/{pid}/ns/pid", str(pin))
            return cls(pid, os.pidfd_open(pid), is_child=True)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise

    @classmethod
    def find(cls, pid: int, pin: Path) -> Pause | None:
        """The one that an earlier pillion started; None when it has ended (its number may be another's by now)."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        try:
            if Path(f"/proc/{pid}/ns/pid").stat().st_ino == pin.stat().st_ino:
                return cls(pid, pidfd)
        except (FileNotFoundError, ProcessLookupError):
            pass
        os.close(pidfd)
        return None

    def watch(self, ended: Callable[[], None]) -> None:
        """`ended()` is called on the running loop when it has ended, and everything in its namespace with it."""
        self._tell = ended
        if self._pidfd is not None:
            asyncio.get_running_loop().add_reader(self._pidfd, self._has_ended)

    def unwatch(self) -> None:
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _has_ended(self) -> None:
        self.unwatch()
        if self._is_child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)  # returns at once: it is a zombie by now
        self.ended.set()
        if self._tell is not None:
            self._tell()

    def kill(self) -> None:
        """And with it everything in its namespace. No error when it has ended."""
        if self._pidfd is not None:
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                return

    @property
    def is_ending(self) -> bool:
        """It ends, or has ended. The first ends of containers are seen while it still waits for the last of them."""
        if self._pidfd is None:
            return True
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        state, *_, flags = stat.rpartition(")")[2].split()[:7]
        return state in "ZX" or bool(int(flags) & _PF_EXITING)
