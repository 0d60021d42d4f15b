"""One pillion per state directory: two would stop each other's containers."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pillion.errors import HostError
from pillion.statedir import StateDir


@contextmanager
def hold(state: StateDir) -> Iterator[None]:
    """Own the state directory while the block runs; the kernel lets go of it when the process dies.

    Raises HostError when another process owns it, or when it cannot be written.
    """
    path = Path(state.lock)
    try:
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(
            f"cannot use the state directory {state.root}: {error.strerror}; choose another with --state-dir"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise HostError(
                f"cannot use the state directory {state.root}: another pillion (process {owner}) works in it; "
                "wait for its end, or choose another with --state-dir"
            ) from None
        with contextlib.suppress(OSError):  # whose process it is, is only a courtesy: the disk may be full
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
