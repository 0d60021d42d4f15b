"""When a file was made: statx(2), which Python 3.11 does not offer."""

from __future__ import annotations

import ctypes
import struct

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_SIZE = 256
"""Of `struct statx` (linux/stat.h): the mask at 0, the birth time's seconds and nanoseconds at 80."""


def born(descriptor: int) -> float | None:
    """Seconds since the epoch; None where the file system or the C library does not tell."""
    statx = getattr(ctypes.CDLL(None), "statx", None)
    if statx is None:
        return None
    answer = ctypes.create_string_buffer(_SIZE)
    if statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, answer) != 0:
        return None
    (mask,) = struct.unpack_from("=I", answer, 0)
    seconds, nanoseconds = struct.unpack_from("=qI", answer, 80)
    return seconds + nanoseconds / 1e9 if mask & _STATX_BTIME else None
