"""What the C library's allocator is told at the start.

Chunks are buffers of some hundred kilobytes that live for milliseconds. Left alone, glibc gives such memory back to the
kernel at once and asks for it again, page by page: up to a third of all the CPU time there is. Another C library
(musl) has nothing to be told.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Of mallopt(3)."""
_KEPT_BYTES = 16 << 20
"""At most so much is kept at the end of the heap: what one round of chunks takes."""
_LARGEST_BYTES = 32 << 20
"""Of a buffer that comes from the heap; glibc takes no more."""

_LOOK_INTERVAL = 5.0
"""Seconds."""
_BURST_BYTES = 1 << 20


def keep_buffers() -> None:
    """Memory of buffers is used again by the next ones, in whatever thread."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_ARENA_MAX, 1)


async def give_back_when_idle(passed_bytes: Callable[[], int]) -> None:
    """After a burst, what it took goes back to the kernel. `passed_bytes` only grows. Runs until it is cancelled."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return
    given_back_at = before = passed_bytes()
    while True:
        await asyncio.sleep(_LOOK_INTERVAL)
        now = passed_bytes()
        if now == before and now - given_back_at >= _BURST_BYTES:
            trim(0)
            given_back_at = now
        before = now
