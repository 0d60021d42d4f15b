"""How much memory Envoy may take: what the container's limit leaves it."""

from __future__ import annotations

import contextlib
from pathlib import Path

_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Of cgroup v2 and v1, as a container sees its own."""
_UNLIMITED = 1 << 50
"""v1 says so by a number near 2^63."""
RESERVE = 48 << 20
"""Bytes for the supervisor, for the child that reads certificates, and for Envoy besides its heap."""


def container_limit(files: tuple[str, ...] = _FILES) -> int:
    """Bytes; 0: there is none."""
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # not there, or `max`
            limit = int(Path(file).read_text("ascii"))
            return limit if limit < _UNLIMITED else 0
    return 0


def heap_bytes(limit: int) -> int:
    """Of a container's limit; 0: no limit."""
    return max(limit - RESERVE, limit // 2)
