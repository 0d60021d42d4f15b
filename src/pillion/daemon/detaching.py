"""Starting the server in the background, and ending it from another process."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pillion.daemon.serving import Ending, Serving
from pillion.errors import HostError, PillionError
from pillion.statedir import StateDir

_OK = "ok "
ENDING_SIGNALS = {
    Ending.KEEP_PODS: signal.SIGUSR1,
    Ending.END_PODS: signal.SIGTERM,
    Ending.KILL_PODS: signal.SIGUSR2,
}
"""One each: two of the same, sent one after the other, may arrive as one."""


def start_detached(state: StateDir, serve: Callable[[int], None]) -> int:
    """Run `serve` in a process and a session of its own; the port, once the API answers. Raises HostError: why not.

    `serve` gets the descriptor for `report`. It runs in a fork: another interpreter would have to load everything anew
    that is here already, a tenth of a second of every start. So nothing here may have begun a thread or a loop yet.
    """
    try:
        Path(state.root).mkdir(mode=0o711, parents=True, exist_ok=True)
        # What the interpreter itself says at its end, and nothing else: the log is written by the server.
        last_words = os.open(_last_words(state), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
    except OSError as error:
        raise HostError(f"cannot start the server: {error.strerror}") from error
    if process == 0:
        _leave_terminal(writer, last_words)
        serve(writer)
        sys.exit(0)
    os.close(writer)
    os.close(last_words)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as report_file:
        told = report_file.read()
    if told.startswith(_OK):
        return int(told.removeprefix(_OK))
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    text = told or _text(_last_words(state)) or f"it ended with status {status}"
    raise HostError(text.strip().removeprefix("pillion: "))


def _leave_terminal(kept: int, output: int) -> None:
    """Nothing of who started it is left but `kept`: no session, no terminal, no pipe that somebody reads to its end."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _last_words(state: StateDir) -> Path:
    return Path(f"{state.server_log}.stderr")


@contextmanager
def report(descriptor: int) -> Iterator[Callable[[int], None]]:
    """For the server in the background: tell the port once, or why there is none."""
    is_told = False

    def tell(text: str) -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            with contextlib.suppress(BrokenPipeError):
                os.write(descriptor, text.encode())
            os.close(descriptor)

    try:
        yield lambda port: tell(f"{_OK}{port}")
    except BaseException as error:
        leaves = list(_leaves(error))
        if all(isinstance(leaf, PillionError) for leaf in leaves):
            tell("; ".join(dict.fromkeys(map(str, leaves))))
        raise
    finally:
        tell("")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def end_server(serving: Serving, ending: Ending) -> None:
    """Ask the server to end, and wait until it has. Raises HostError."""
    try:
        process = os.pidfd_open(serving.pid)
    except ProcessLookupError:
        return
    except OSError as error:
        raise HostError(f"cannot find process {serving.pid}: {error.strerror}") from error
    try:
        signal.pidfd_send_signal(process, ENDING_SIGNALS[ending])
        select.select([process], [], [])
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise HostError(f"cannot end process {serving.pid}: {error.strerror}") from error
    finally:
        os.close(process)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[-4000:]
    except OSError:
        return ""
