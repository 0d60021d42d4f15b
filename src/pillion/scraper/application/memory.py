"""How this process holds memory: columns come and go by the ten thousand values, in threads too."""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8


def share_heap() -> None:
    """One heap for all threads (mallopt(3)): what a thread has freed others can use, 2 MB less with 10,000 series.

    To be called before there are threads. A C library other than glibc has no such setting. Large blocks are left to
    glibc: to give each back to the kernel would save 3 MB more, for half as much CPU again.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def tidy() -> None:
    """What was made to start stays. Later, labels come by the ten thousand, none of them in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
