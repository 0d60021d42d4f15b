"""Where a file has gone that was rotated between two looks. Pure.

Two ways to know. The kernel tells of every renaming in a watched folder: `Moves` follows a name that the patterns mean
through any number of them. Where nobody told us (the queue overflowed, there is no inotify, the collector was away) the
neighbours of a path are compared with what we knew: `is_derived` says whether a name is what rotation makes of a path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from pillion.collector.inputs.tail.watching import Change, Event

_SUFFIX = r"(?:[.\-_@]\d[\dTZ:.\-_]*|\.old|\.bak)"
_INFIX = r"(?:\.\d[\dTZ:.\-_]*|[\-_@](?=(?:\D*\d){6})\d[\dTZ:.\-_]*)"
"""Inside a name, a short number behind a dash is no rotation's: `worker.log` and `worker-1.log` are two workers'."""
_REMEMBERED = 1024


class Moves:
    """Names that were a followed path and are another one now, in the order of their first renaming."""

    def __init__(self, means: Callable[[str], bool]) -> None:
        self._means = means
        self._leaving: dict[int, tuple[str, str]] = {}
        self._landed: dict[str, str] = {}

    def see(self, event: Event, path: str) -> None:
        """One event of a folder; `path` is the entry it is about."""
        if event.mask & Change.MOVED_FROM:
            origin = self._landed.pop(path, path if self._means(path) else "")
            if origin:
                if len(self._leaving) >= _REMEMBERED:  # left for folders that nobody watches
                    self._leaving.pop(next(iter(self._leaving)))
                self._leaving[event.cookie] = (origin, path)
        elif event.mask & Change.MOVED_TO:
            self._landed.pop(path, None)  # what had this name is gone
            left = self._leaving.pop(event.cookie, None)
            if left is not None:
                self._landed[path] = left[0]
        elif event.mask & Change.DELETE:
            self._landed.pop(path, None)

    def landed(self) -> dict[str, str]:
        """The path a file has now → the followed path that it had. Each is told once."""
        found, self._landed = self._landed, {}
        return found


def is_derived(name: str, base: str) -> bool:
    """Whether rotation makes `name` of a file called `base`: logrotate's `app.log.1` and `app.log-20260101`, Python's
    `app.log.2026-01-01_10`, the kubelet's `0.log.20260101-101010`, lumberjack's `app-2026-01-01T10-00-00.000.log`."""
    stem, suffix = PurePosixPath(base).stem, PurePosixPath(base).suffix
    return name != base and bool(
        re.fullmatch(re.escape(base) + _SUFFIX, name)
        or (suffix and re.fullmatch(re.escape(stem) + _INFIX + re.escape(suffix), name))
    )


def origins(name: str) -> list[str]:
    """The names that a file may have had before rotation made `name` of it, the longest first."""
    found = {name[: at.start()] for at in re.finditer(r"[.\-_@]\d|\.old\Z|\.bak\Z", name)}
    suffix = PurePosixPath(name).suffix
    if suffix:
        found |= {part + suffix for part in found if part}
    return sorted((base for base in found if base and is_derived(name, base)), key=len, reverse=True)
