"""Reading files of an image through its layers, as a container would see them, without mounting anything.

A layer may hold any link its author liked. Each step of a path is taken by hand from an open directory, never following
a link; a link's target is walked the same way from the image's root, so nothing outside the image is ever opened.
"""

from __future__ import annotations

import contextlib
import os
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_LINKS = 40
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_in_root(layers: Sequence[str], path: str, *, max_bytes: int) -> bytes | None:
    """The first `max_bytes` of a regular file; None when there is no such file. `layers` topmost first."""
    with ExitStack() as opened:
        fd = _open(layers, path, opened)
        return None if fd is None else _read(fd, max_bytes)


def _read(fd: int, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = max_bytes
    while left > 0 and (part := os.read(fd, min(left, 1 << 16))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _open(layers: Sequence[str], path: str, opened: ExitStack) -> int | None:
    """Walk `path` over the stack of directories that make up each merged directory."""
    root = [_own(os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), opened) for layer in layers]
    trail: list[list[int]] = [root]
    todo = _steps(path)
    links = 0
    while todo:
        step = todo.pop(0)
        if step == "..":
            del trail[max(len(trail) - 1, 1) :]
            continue
        directories, other = _look_up(trail[-1], step, opened)
        if directories:
            trail.append(directories)
            continue
        if other is None:
            return None
        fd, mode = other
        if stat.S_ISLNK(mode):
            links += 1
            target = os.readlink(step, dir_fd=fd)
            if links > _MAX_LINKS:
                return None
            if target.startswith("/"):
                trail = [root]
            todo = _steps(target) + todo
            continue
        if todo or not stat.S_ISREG(mode):
            return None
        return _own(os.open(step, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd), opened)
    return None


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in ("", ".")]


def _look_up(stack: list[int], name: str, opened: ExitStack) -> tuple[list[int], tuple[int, int] | None]:
    """The directories that `name` merges, or the (parent, mode) of the one thing that it is."""
    found: list[int] = []
    for parent in stack:
        try:
            seen = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISDIR(seen.st_mode):
            is_whiteout = stat.S_ISCHR(seen.st_mode) and seen.st_rdev == 0
            return found, None if found or is_whiteout else (parent, seen.st_mode)
        directory = _own(os.open(name, _DIRECTORY, dir_fd=parent), opened)
        found.append(directory)
        if _is_opaque(directory):
            break
    return found, None


def _is_opaque(directory: int) -> bool:
    with contextlib.suppress(OSError):
        return os.getxattr(directory, "trusted.overlay.opaque") == b"y"
    return False


def _own(fd: int, opened: ExitStack) -> int:
    opened.callback(os.close, fd)
    return fd
