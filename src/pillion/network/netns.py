"""Working in another network namespace for a moment (setns(2))."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
"""linux/sched.h"""
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(netns: int) -> Iterator[None]:
    """Run the calling thread in the network namespace behind the descriptor. Sockets opened inside stay inside.

    pyroute2 would fork a child to open a socket elsewhere; a thread that is ours alone can go there itself.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(netns)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _setns(descriptor: int) -> None:
    # os.setns exists from Python 3.12 on.
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
