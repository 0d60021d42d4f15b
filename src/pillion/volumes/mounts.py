"""Mounts of this mount namespace: mount(2), umount2(2) and /proc/self/mountinfo.

By ctypes rather than the `mount` program: no process per mount, and nobody reads our options a second time.
"""

import ctypes
import os
import re
from functools import cache
from pathlib import Path

_MS_BIND = 0x1000
_MNT_DETACH = 0x2
_UMOUNT_NOFOLLOW = 0x8


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def mount(kind: str, target: str, options: str) -> None:
    """Mount a new filesystem (`tmpfs`, `hugetlbfs`). Raises OSError."""
    _call_mount(kind.encode(), target, kind.encode(), 0, options.encode())


def bind(source: str, target: str) -> None:
    """Show `source` at `target` too. Raises OSError."""
    _call_mount(os.fsencode(source), target, None, _MS_BIND, None)


def _call_mount(source: bytes, target: str, kind: bytes | None, flags: int, options: bytes | None) -> None:
    if _libc().mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), options) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def unmount(target: str) -> None:
    """Take the topmost mount off `target`; who still uses it keeps it until then. Raises OSError."""
    if _libc().umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def mount_points_below(directory: str) -> list[str]:
    """Mount points in `directory`, itself included, last mounted first: the order in which they come off."""
    root = os.path.realpath(directory)
    table = Path("/proc/self/mountinfo").read_bytes().splitlines()
    points = [_decode(line.split(b" ", 5)[4]) for line in table]
    return [point for point in reversed(points) if point == root or point.startswith(root + "/")]


def _decode(field: bytes) -> str:
    """The kernel writes blanks, tabs, newlines and backslashes as octal numbers."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field))


def is_mount_point(path: str) -> bool:
    """Also true for a bind mount of the same filesystem, which st_dev does not show."""
    return os.path.realpath(path) in mount_points_below(path)


def mount_id(fd: int) -> int:
    """Which mount an open file was reached through."""
    for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "mnt_id":
            return int(value)
    raise OSError(f"/proc/self/fdinfo/{fd} does not name the mount")
