"""The only starter of host commands. No shell, ever: an argv is a list that we built.

A command has ended when its process has ended: a grandchild that keeps the output open does not keep us waiting.
Exits are seen through pidfds on the running loop, so a child costs neither a thread nor a signal handler.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import IO

import msgspec

from pillion.errors import HostError

OUTPUT_LIMIT = 1 << 20
"""Bytes kept of each of stdout and stderr; what comes after is read and forgotten, so the command never blocks."""

DEATH_PATIENCE = 0.5
"""Seconds that we stand still for a command to die of SIGKILL: a millisecond does, unless it hangs in the kernel."""

_CHUNK = 1 << 16
_PR_SET_PDEATHSIG = 1


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    argv: tuple[str, ...]
    status: int
    """Exit status; negative: the signal that ended it, or will once the kernel lets go of it."""
    stdout: bytes
    stderr: bytes
    """Empty when the two were merged."""
    timed_out: bool = False
    """It was killed because it did not end in time."""


class CommandFailed(HostError):  # noqa: N818 - says what happened
    """A host command ended with a status other than 0, or not in time."""

    def __init__(self, completed: Completed) -> None:
        self.completed = completed
        self.argv = completed.argv
        self.status = completed.status
        self.stderr = completed.stderr.decode(errors="replace").strip()[-2000:]
        if completed.timed_out:
            cause = "it did not end in time"
        elif completed.status < 0:
            cause = f"ended by signal {-completed.status}"
        else:
            cause = f"exit status {completed.status}"
        said = f": {self.stderr}" if self.stderr else ""
        super().__init__(f"cannot run {' '.join(self.argv[:2])}: {cause}{said}")


class ProgramMissing(HostError):  # noqa: N818 - says what is wrong
    """The program of a host command is not installed."""

    def __init__(self, program: str) -> None:
        super().__init__(f"cannot run {program}: it is not installed")
        self.program = program


class OutputReader:
    """Collects what arrives at the read end of a pipe, at most `limit` bytes, until its end or `finish()`."""

    def __init__(self, fd: int, limit: int) -> None:
        self._fd = fd
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._open = True
        self._news: asyncio.Future[None] | None = None
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read_available)

    def _read_once(self) -> bool:
        """False when there is nothing more for now."""
        try:
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self.close()
            return False
        kept = chunk[: self._limit - self._size]
        if kept:
            self._parts.append(kept)
            self._size += len(kept)
        return True

    def _read_available(self) -> None:
        if self._read_once():
            self._tell()

    def _tell(self) -> None:
        if self._news and not self._news.done():
            self._news.set_result(None)

    def finish(self) -> bytes:
        """Take what is in the pipe now, and stop reading. A writer that is left gets SIGPIPE."""
        # Bounded: a background process that writes faster than we read must not keep us here.
        for _ in range(self._limit // _CHUNK + 2):
            if not self._open or not self._read_once():
                break
        self.close()
        return b"".join(self._parts)

    async def first_line(self) -> bytes:
        """What came before the first newline, or before the last writer closed."""
        while self._open and not any(b"\n" in part for part in self._parts):
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        return b"".join(self._parts).partition(b"\n")[0]

    def close(self) -> None:
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._tell()


async def pidfd_ended(pidfd: int) -> None:
    """Return when the process behind `pidfd` has ended. The descriptor stays the caller's."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(pidfd, tell)
    try:
        await ended
    finally:
        loop.remove_reader(pidfd)


def _end(popen: subprocess.Popen[bytes], pidfd: int) -> int:
    """Kill it unless it has ended, reap it, close `pidfd`. Returns its status; -9 when it resists.

    A process that hangs in the kernel is left to the loop, which reaps it should it ever end.
    """
    if popen.poll() is None:
        popen.kill()
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(DEATH_PATIENCE * 1000):
            asyncio.get_running_loop().add_reader(pidfd, _reap, popen, pidfd)
            return -signal.SIGKILL
    _reap(popen, pidfd)
    return popen.returncode


def _reap(popen: subprocess.Popen[bytes], pidfd: int) -> None:
    popen.wait()
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)


def _bound_to_parent() -> Callable[[], None]:
    """What a child does before its program begins, so that the kernel kills it when we die (prctl(2))."""
    import ctypes

    prctl, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def bind() -> None:
        # The second half: we may have died before the first.
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(127)

    return bind


def _input_file(data: bytes | None) -> int | IO[bytes]:
    """Input goes through an anonymous file: any size, and nobody has to feed a pipe."""
    if data is None:
        return subprocess.DEVNULL
    fd = os.memfd_create("input")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return os.fdopen(fd, "rb")


class Process:
    """A running command whose descriptors are the caller's. `close` must be called in the end."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        dies_with_us: bool = False,
    ) -> None:
        """Start it. Raises ProgramMissing.

        `dies_with_us`: the kernel kills it when the calling thread ends; a terminal's Ctrl-C is for us alone.
        """
        try:
            self._popen = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=env,
                pass_fds=pass_fds,
                cwd="/",
                start_new_session=dies_with_us,
                preexec_fn=_bound_to_parent() if dies_with_us else None,  # noqa: PLW1509 - two system calls
            )
        except FileNotFoundError as error:
            raise ProgramMissing(argv[0]) from error
        self.pidfd = os.pidfd_open(self._popen.pid)

    async def ended(self) -> None:
        """Return when it has ended."""
        if self._popen.poll() is None:
            await pidfd_ended(self.pidfd)
            self._popen.wait()

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """Exit status; negative: the signal that ended it; None while it runs."""
        return self._popen.poll()

    def close(self) -> None:
        """Kill it unless it has ended, and reap it."""
        _end(self._popen, self.pidfd)


class Child:
    """A running command. Whoever starts it must call `close` in the end: it kills what still runs, and reaps it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - subprocess' own word
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        merge_output: bool = False,
        max_output: int = OUTPUT_LIMIT,
    ) -> None:
        """Start it. `merge_output` puts stderr into stdout, interleaved as they come. Raises ProgramMissing."""
        self._argv = tuple(argv)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = (-1, subprocess.STDOUT) if merge_output else os.pipe2(os.O_CLOEXEC)
        stdin = _input_file(input)
        try:
            self._popen = subprocess.Popen(
                argv, stdin=stdin, stdout=out_write, stderr=err_write, env=env, pass_fds=pass_fds, cwd="/"
            )
            self._pidfd = os.pidfd_open(self._popen.pid)
        except FileNotFoundError as error:
            os.close(out_read)
            if err_read >= 0:
                os.close(err_read)
            raise ProgramMissing(argv[0]) from error
        finally:
            os.close(out_write)
            if err_write >= 0:
                os.close(err_write)
            if not isinstance(stdin, int):
                stdin.close()
        self._stdout = OutputReader(out_read, max_output)
        self._stderr = OutputReader(err_read, max_output) if err_read >= 0 else None

    async def ended(self) -> None:
        """Return when it has ended."""
        if self._popen.returncode is None:
            await pidfd_ended(self._pidfd)
            self._popen.wait()

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def close(self, *, timed_out: bool = False) -> Completed:
        """Kill it unless it has ended, reap it, and take what it has written until now."""
        return Completed(
            argv=self._argv,
            status=_end(self._popen, self._pidfd),
            stdout=self._stdout.finish(),
            stderr=self._stderr.finish() if self._stderr else b"",
            timed_out=timed_out,
        )


async def run_unchecked(
    argv: Sequence[str],
    *,
    input: bytes | None = None,  # noqa: A002 - subprocess' own word
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    max_output: int = OUTPUT_LIMIT,
) -> Completed:
    """Run a command to its end, whatever its exit status. When cancelled, or after `timeout` seconds, it is killed.

    Raises ProgramMissing.
    """
    child = Child(argv, input=input, env=env, pass_fds=pass_fds, max_output=max_output)
    try:
        async with asyncio.timeout(timeout):
            await child.ended()
    except TimeoutError:
        return child.close(timed_out=True)
    except BaseException:
        child.close()
        raise
    return child.close()


async def run(
    argv: Sequence[str],
    *,
    input: bytes | None = None,  # noqa: A002 - subprocess' own word
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    max_output: int = OUTPUT_LIMIT,
) -> Completed:
    """Run a command that must succeed. Raises CommandFailed, ProgramMissing."""
    completed = await run_unchecked(
        argv, input=input, timeout=timeout, env=env, pass_fds=pass_fds, max_output=max_output
    )
    if completed.status != 0 or completed.timed_out:
        raise CommandFailed(completed)
    return completed
