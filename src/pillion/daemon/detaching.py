"""Starting the server in the background, and ending it from another process."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
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


def start_detached(argv: list[str], state: StateDir) -> int:
    """Start pillion in a session of its own; the port, once the API answers. Raises HostError: why it does not."""
    reader, writer = os.pipe()
    try:
        Path(state.root).mkdir(mode=0o711, parents=True, exist_ok=True)
        # What the interpreter itself says at its end, and nothing else: the log is written by the server.
        with Path(f"{state.server_log}.stderr").open("wb") as last_words:
            process = subprocess.Popen(
                [sys.executable, "-m", "pillion", *argv, "--report-fd", str(writer)],
                stdin=subprocess.DEVNULL,
                stdout=last_words,
                stderr=last_words,
                pass_fds=(writer,),
                start_new_session=True,
            )
    except OSError as error:
        os.close(reader)
        raise HostError(f"cannot start the server: {error.strerror}") from error
    finally:
        os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as report_file:
        told = report_file.read()
    if told.startswith(_OK):
        return int(told.removeprefix(_OK))
    process.wait()
    text = told or _text(Path(f"{state.server_log}.stderr")) or f"it ended with status {process.returncode}"
    raise HostError(text.strip().removeprefix("pillion: "))


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
