"""Being told that a folder's files change, instead of looking: one inotify descriptor for all folders of a loop."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pillion.errors import HostError

_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_HEADER = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Folders:
    """Wakes whoever watches a folder when a file in it grows, appears or is renamed to."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._watches: dict[int, list[asyncio.Event]] = {}

    @contextmanager
    def watch(self, folder: Path) -> Iterator[asyncio.Event]:
        """The event is set at every change; clear it before looking. Raises HostError when the kernel refuses."""
        if self._descriptor < 0:
            self._open()
        wd: int = _libc.inotify_add_watch(
            self._descriptor, os.fsencode(folder), _MODIFY | _MOVED_TO | _CREATE
        )
        if wd < 0:
            reason = os.strerror(ctypes.get_errno())
            raise HostError(f"cannot watch {folder}: {reason}; raise fs.inotify.max_user_watches")
        event = asyncio.Event()
        self._watches.setdefault(wd, []).append(event)
        try:
            yield event
        finally:
            self._watches[wd].remove(event)
            if not self._watches[wd]:
                del self._watches[wd]
                _libc.inotify_rm_watch(self._descriptor, wd)
                if not self._watches:
                    self._close()

    def _open(self) -> None:
        self._descriptor = _libc.inotify_init1(_NONBLOCK | _CLOEXEC)
        if self._descriptor < 0:
            reason = os.strerror(ctypes.get_errno())
            raise HostError(f"cannot watch log files: {reason}; raise fs.inotify.max_user_instances")
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            wd, _, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size + length
            # wd -1 is an overflow: something changed, nobody knows where.
            affected = (
                self._watches.get(wd, [])
                if wd >= 0
                else [e for known in self._watches.values() for e in known]
            )
            for event in affected:
                event.set()
