"""Conversations with containers: a command with its stdio in our hands, with or without a terminal, and attachments.

As for commands without a conversation (`execution`), conmon starts the command through `runc exec` and stays for its
exit status. Without a terminal the command has our pipes; with one, conmon holds the terminal and we its console.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import msgspec

from pillion import process
from pillion.containers.cgroups import Cgroups
from pillion.containers.console import Console
from pillion.containers.execution import KILL_PATIENCE, kill_session, process_spec
from pillion.containers.instance import Instance
from pillion.containers.monitor import PATH, Answer, Monitor, runtime_message
from pillion.containers.pipes import InputPipe, OutputPipes
from pillion.containers.runtime import ExecError
from pillion.errors import HostError
from pillion.streams import STDERR, STDOUT, Session

_COMPLAINT_BYTES = 64 * 1024


class ContainerExec:
    """The places and people of one command: its folder, its conmon, the way to end it."""

    def __init__(self, monitor: Monitor, cgroups: Cgroups, instance: Instance) -> None:
        self.id = secrets.token_hex(32)
        self.folder = instance.folder / f"exec-{self.id[:16]}"
        self._monitor = monitor
        self._cgroups = cgroups
        self._instance = instance
        self._conmon: process.Process | None = None
        self._answers: process.OutputReader | None = None
        self._leader: int | None = None

    def start(
        self, command: tuple[str, ...], *, terminal: bool, options: tuple[str, ...], fds: tuple[int, int, int],
        pipes: dict[str, int],
    ) -> None:  # fmt: skip
        """Start conmon. `pipes`: by environment variable, descriptors that it is to be given. Raises HostError."""
        spec = process_spec(self._instance.folder, command, terminal=terminal)
        self.folder.mkdir(mode=0o700)
        file = self.folder / "process.json"
        file.write_bytes(msgspec.json.encode(_with_terminal_type(spec) if terminal else spec))
        read, write = os.pipe2(os.O_CLOEXEC)
        self._answers = process.OutputReader(read, process.OUTPUT_LIMIT)
        try:
            stdin, stdout, stderr = fds
            self._conmon = process.Process(
                (
                    *self._monitor.exec_command(self._instance.record.id, self.folder, file),
                    *("--container-pidfile", str(self.folder / "pid")),
                    *options,
                ),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env={"PATH": PATH, "_OCI_SYNCPIPE": str(write)} | {k: str(fd) for k, fd in pipes.items()},
                pass_fds=(write, *pipes.values()),
            )
        finally:
            os.close(write)

    @property
    def pidfd(self) -> int:
        assert self._conmon is not None
        return self._conmon.pidfd

    async def started(self) -> bool:
        """Wait until runc has started the command. False when it could not."""
        assert self._answers is not None
        line = await self._answers.first_line()
        number = msgspec.json.decode(line, type=Answer).number if line else -1
        self._leader = number if number > 0 else None
        return self._leader is not None

    def complaint(self, said: bytes) -> ExecError:
        """What runc said on the way: on stderr, or through conmon's answer."""
        assert self._answers is not None
        answers = [msgspec.json.decode(line, type=Answer) for line in self._answers.finish().splitlines()]
        text = said.decode(errors="replace") or "".join(answer.message for answer in answers)
        return ExecError(
            f'failed to start exec "{self.id}": OCI runtime exec failed: {runtime_message(text)}: unknown'
        )

    async def exit_code(self) -> int:
        assert self._conmon is not None
        assert self._answers is not None
        await self._conmon.ended()
        lines = self._answers.finish().splitlines()
        # No second answer: somebody killed conmon, and the command with it.
        return msgspec.json.decode(lines[1], type=Answer).number if len(lines) > 1 else 137

    async def close(self) -> None:
        """End what still runs of it, with its children."""
        if self._conmon is not None:
            try:
                if self._leader is not None and self._conmon.is_running:
                    kill_session(self._cgroups, self._instance.record.cgroup, self._leader)
                    async with asyncio.timeout(KILL_PATIENCE):
                        await self._conmon.ended()
            except TimeoutError:
                pass
            finally:
                self._conmon.close()
                self._conmon = None
        if self._answers is not None:
            self._answers.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _with_terminal_type(spec: dict[str, object]) -> dict[str, object]:
    """containerd gives every command with a terminal this type, whatever the container's own is."""
    env = spec.get("env")
    kept = [entry for entry in env if not str(entry).startswith("TERM=")] if isinstance(env, list) else []
    return spec | {"env": [*kept, "TERM=xterm"]}


async def open_exec(
    monitor: Monitor,
    cgroups: Cgroups,
    instance: Instance,
    command: tuple[str, ...],
    *,
    tty: bool,
    stdin: bool,
) -> Session:
    """Raises ExecError; leaves nothing behind then, nor when cancelled."""
    running = ContainerExec(monitor, cgroups, instance)
    try:
        if tty:
            return await _open_with_terminal(running, command, stdin=stdin)
        return await _open_with_pipes(running, command, stdin=stdin)
    except (HostError, OSError) as error:
        await running.close()
        raise ExecError(f'failed to start exec "{running.id}": {error}') from error
    except BaseException:
        await running.close()
        raise


class PipedSession:
    """A command with stdin, stdout and stderr of its own."""

    def __init__(self, running: ContainerExec, stdin: InputPipe | None, outputs: OutputPipes) -> None:
        self._running = running
        self._stdin = stdin
        self._outputs = outputs
        self._is_closed = False

    async def write(self, data: bytes) -> None:
        if self._stdin is not None:
            await self._stdin.write(data)

    async def close_stdin(self) -> None:
        if self._stdin is not None:
            self._stdin.close()

    async def resize(self, width: int, height: int) -> None:  # noqa: ARG002 - it has no terminal
        return None

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        return self._outputs.chunks(self._running.pidfd)

    async def wait(self) -> int | None:
        return await self._running.exit_code()

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self._stdin is not None:
                self._stdin.close()
            self._outputs.close()
            await self._running.close()


async def _open_with_pipes(running: ContainerExec, command: tuple[str, ...], *, stdin: bool) -> Session:
    with ExitStack() as ours, ExitStack() as theirs:
        in_read, in_write = _pipe(theirs, ours) if stdin else (_devnull(theirs), -1)
        out_read, out_write = _pipe(ours, theirs)
        err_read, err_write = _pipe(ours, theirs)
        running.start(
            command,
            terminal=False,
            options=("--log-path", "passthrough"),
            fds=(in_read, out_write, err_write),
            pipes={},
        )
        theirs.close()
        has_started = await running.started()
        if not has_started:
            os.set_blocking(err_read, False)
            raise running.complaint(_said(err_read))
        ours.pop_all()  # the session owns them from now on
    return PipedSession(
        running,
        InputPipe(in_write) if stdin else None,
        OutputPipes({out_read: STDOUT, err_read: STDERR}),
    )


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


def _devnull(owner: ExitStack) -> int:
    fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    owner.callback(os.close, fd)
    return fd


def _said(fd: int) -> bytes:
    try:
        return os.read(fd, _COMPLAINT_BYTES)
    except BlockingIOError:
        return b""


class ConsoleSession:
    """A command with a terminal (`running`), or an attachment to a container's first process."""

    def __init__(self, console: Console, *, running: ContainerExec | None, stdin: bool) -> None:
        self._console = console
        self._running = running
        self._stdin = stdin
        self._is_closed = False

    async def write(self, data: bytes) -> None:
        if self._stdin:
            await self._console.write(data)

    async def close_stdin(self) -> None:
        """A terminal has no half: its reader is told by ^D, if at all (as with containerd)."""
        if self._stdin and self._running is None:
            self._console.close_write()

    async def resize(self, width: int, height: int) -> None:
        self._console.resize(width, height)

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        return self._console.output()

    async def wait(self) -> int | None:
        return None if self._running is None else await self._running.exit_code()

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._console.close()
            if self._running is not None:
                await self._running.close()


async def _open_with_terminal(running: ContainerExec, command: tuple[str, ...], *, stdin: bool) -> Session:
    """conmon waits for a word before it makes the socket, and for another one before it starts the command."""
    async with AsyncExitStack() as cleanup:
        with ExitStack() as ours, ExitStack() as theirs:
            start_read, start_write = _pipe(theirs, ours)
            attach_read, attach_write = os.pipe2(os.O_CLOEXEC)
            theirs.callback(os.close, attach_write)
            attached = process.OutputReader(attach_read, process.OUTPUT_LIMIT)
            ours.callback(attached.close)
            nothing = _devnull(theirs)
            running.start(
                command,
                terminal=True,
                options=(
                    "--log-path",
                    "off",
                    "--terminal",
                    "--exec-attach",
                    *(("--stdin",) if stdin else ()),
                ),
                fds=(nothing, nothing, nothing),
                pipes={"_OCI_ATTACHPIPE": attach_write, "_OCI_STARTPIPE": start_read},
            )
            theirs.close()
            os.write(start_write, b"0")
            await attached.first_line()
            console = Console(running.folder)
            cleanup.callback(console.close)
            os.write(start_write, b"0")
            if not await running.started():
                raise running.complaint(b"")
        cleanup.pop_all()
    return ConsoleSession(console, running=running, stdin=stdin)


def attach(folder: Path, *, stdin: bool) -> Session:
    """To the first process of the container in `folder`. Raises ExecError when it has ended."""
    try:
        return ConsoleSession(Console(folder), running=None, stdin=stdin)
    except OSError as error:
        raise ExecError(f"failed to attach: {error.strerror}") from error
