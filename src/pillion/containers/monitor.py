"""conmon, the monitor of one container: it keeps the output, the log and the exit status when nobody else is there.

We start it; it forks away, has runc create the container, and answers on the sync pipe: `{"pid": N}`, or a negative
number with what runc said. From then on it ends exactly when the container's first process has ended, after it has
written the log's last line and the exit file.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from pillion import process
from pillion.errors import HostError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

CREATE_PATIENCE = 120.0
"""Seconds that runc may take to create a container: the kubelet's runtimeRequestTimeout."""

REOPEN_LOG = b"2 0 0\n"
"""Control message: close the log file and open it again by name (conmon: src/ctrl.c, REOPEN_LOGS_EVENT)."""


class RuntimeFailed(Exception):  # noqa: N818 - says what happened
    """runc could not do it. The text is runc's own."""


class Answer(msgspec.Struct):
    pid: int | None = None
    data: int | None = None
    message: str = ""

    @property
    def number(self) -> int:
        return self.pid if self.pid is not None else self.data if self.data is not None else -1


class Monitored(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    """The container's first process, as the host numbers it."""
    monitor_pid: int


class RunningExec:
    """A command in a container, with the conmon that waits for it. `close` must be called in the end."""

    def __init__(self, child: process.Child, answers: process.OutputReader) -> None:
        self._child = child
        self._answers = answers

    async def ended(self) -> None:
        await self._child.ended()

    @property
    def is_running(self) -> bool:
        return self._child.is_running

    async def pid(self) -> int | None:
        """The command's process, once runc has started it; None when it could not be started."""
        line = await self._answers.first_line()
        return msgspec.json.decode(line, type=Answer).number if line else None

    def close(self) -> tuple[int | None, bytes]:
        """(exit status, output). Without a status the command did not run; the output is runc's complaint."""
        output = self._child.close().stdout
        answers = [msgspec.json.decode(line, type=Answer) for line in self._answers.finish().splitlines()]
        return (answers[1].number if len(answers) > 1 else None), output


class Monitor:
    """Starts conmon with our runc and its state folder."""

    def __init__(self, conmon: str, runc: str, runc_root: str, exits: str) -> None:
        self._base = (conmon, "--runtime", runc, f"--runtime-arg=--root={runc_root}")
        self._exits = exits

    async def create(
        self, container_id: str, bundle: Path, log: Path, ends: Path, *, options: tuple[str, ...] = ()
    ) -> Monitored:
        """Create a container from its bundle. Raises RuntimeFailed, HostError.

        `ends` is an existing folder: its exit status is written there first, and then among the others.
        """
        argv = (
            *self._base,
            *("--cid", container_id, "--cuuid", container_id, "--name", container_id),
            *("--bundle", str(bundle), "--full-attach", "--exit-dir", self._exits),
            *("--persist-dir", str(ends)),
            *("--container-pidfile", str(bundle / "pid"), "--conmon-pidfile", str(bundle / "conmon.pid")),
            *("--log-path", f"k8s-file:{log}", "--no-sync-log"),
            *options,
        )
        read, write = os.pipe2(os.O_CLOEXEC)
        answer = process.OutputReader(read, process.OUTPUT_LIMIT)
        try:
            try:
                await process.run(argv, env={"PATH": PATH, "_OCI_SYNCPIPE": str(write)}, pass_fds=(write,))
            finally:
                os.close(write)
                # Also when cancelled: the forked conmon goes on, and the caller can only tidy up after its answer.
                line = await _first_line(answer)
        finally:
            answer.close()
        return self._created(line, bundle)

    def start_exec(self, container_id: str, bundle: Path, process_spec: Path, max_output: int) -> RunningExec:
        """Run one more process in the container, described by an OCI process file. Raises HostError.

        Without an exit folder: conmon would put the command's status under the container's name.
        """
        read, write = os.pipe2(os.O_CLOEXEC)
        argv = (
            *self.exec_command(container_id, bundle, process_spec),
            *("--log-path", "passthrough"),
            *("--container-pidfile", str(process_spec.with_suffix(".pid"))),
        )
        try:
            child = process.Child(
                argv,
                env={"PATH": PATH, "_OCI_SYNCPIPE": str(write)},
                pass_fds=(write,),
                merge_output=True,
                max_output=max_output,
            )
        except HostError:
            os.close(read)
            raise
        finally:
            os.close(write)
        return RunningExec(child, process.OutputReader(read, process.OUTPUT_LIMIT))

    def exec_command(self, container_id: str, bundle: Path, process_spec: Path) -> tuple[str, ...]:
        """What every command in a container is started with. conmon keeps its fifos and its socket in `bundle`."""
        return (
            *self._base,
            *("--api-version", "1", "--exec", "--exec-process-spec", str(process_spec), "--sync"),
            *("--cid", container_id, "--cuuid", process_spec.stem, "--name", container_id),
            *("--bundle", str(bundle), "--full-attach"),
        )

    def _created(self, line: bytes, bundle: Path) -> Monitored:
        if not line:
            raise HostError("cannot create a container: conmon ended without an answer")
        answer = msgspec.json.decode(line, type=Answer)
        if answer.number <= 0:
            raise RuntimeFailed(runtime_message(answer.message))
        return Monitored(pid=answer.number, monitor_pid=int((bundle / "conmon.pid").read_text()))


async def _first_line(answer: process.OutputReader) -> bytes:
    try:
        async with asyncio.timeout(CREATE_PATIENCE):
            return await answer.first_line()
    except TimeoutError as error:
        raise HostError(
            f"cannot create a container: runc has not answered for {CREATE_PATIENCE:.0f} s; a mount may hang"
        ) from error


def reopen_log(bundle: Path) -> bool:
    """Ask the running monitor to open its log file anew. False when it has ended."""
    try:
        ctl = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # ENOENT or ENXIO: nobody listens any more
        return False
    try:
        os.write(ctl, REOPEN_LOG)
    finally:
        os.close(ctl)
    return True


def runtime_message(text: str) -> str:
    """The last `msg="…"` of runc's log lines, unquoted; the text itself when it has another form."""
    marker = 'msg="'
    start = text.rfind(marker)
    if start < 0:
        return text.strip()
    quoted = text[start + len(marker) :].strip().removesuffix('"')
    return quoted.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\").strip()
