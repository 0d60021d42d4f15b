"""Changes as the kernel tells them: inotify(7), by way of the C library.

Folders are watched for names that come and go, files (by their descriptors, so that names do not matter) for being
written to, renamed and deleted.
"""

from __future__ import annotations

import ctypes
import os
import struct
from enum import IntFlag
from typing import NamedTuple

_EVENT = struct.Struct("iIII")
_QUEUE_BYTES = 64 << 10
_READINGS = 4
"""Pieces of the queue that are read at once; a writer could fill it for ever."""


class Change(IntFlag):
    """What has happened, as <sys/inotify.h> counts it."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x1000000


FOLDER = (
    Change.CREATE | Change.MOVED_TO | Change.MOVED_FROM | Change.DELETE | Change.ATTRIB | Change.DELETE_SELF
    | Change.MOVE_SELF | Change.ONLYDIR
)  # fmt: skip
FILE = Change.MODIFY | Change.ATTRIB | Change.CLOSE_WRITE | Change.MOVE_SELF | Change.DELETE_SELF


class Event(NamedTuple):
    watch: int
    """-1 when the queue has overflown: anything may have happened."""
    mask: int
    cookie: int
    """Ties MOVED_FROM and MOVED_TO together."""
    name: str


class Inotify:
    """One queue of changes. Raises OSError when the kernel has none to give."""

    def __init__(self) -> None:
        self.is_empty = True
        """Nothing was left in the queue at the last reading."""
        self._library = ctypes.CDLL(None, use_errno=True)
        try:
            start = self._library.inotify_init1
        except AttributeError as error:
            raise OSError(os.strerror(38)) from error
        self.descriptor = self._checked(start(os.O_NONBLOCK | os.O_CLOEXEC))

    def watch_folder(self, path: str) -> int:
        """Raises OSError: there is no such folder, or no watch left (ENOSPC)."""
        return self._watch(os.fsencode(path), FOLDER)

    def watch_file(self, descriptor: int) -> int:
        """Raises OSError: no watch left (ENOSPC)."""
        return self._watch(f"/proc/self/fd/{descriptor}".encode(), FILE)

    def forget(self, watch: int) -> None:
        """The kernel may have forgotten it already, with its file."""
        self._library.inotify_rm_watch(self.descriptor, watch)

    def read(self) -> list[Event]:
        """What has happened since the last call."""
        pieces = [self._read_some() for _ in range(_READINGS)]
        self.is_empty = not pieces[-1]
        data = b"".join(pieces)
        events = []
        at = 0
        while at < len(data):
            watch, mask, cookie, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length
            events.append(Event(watch, mask, cookie, name))
        return events

    def _read_some(self) -> bytes:
        try:
            return os.read(self.descriptor, _QUEUE_BYTES)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self.descriptor)

    def _watch(self, path: bytes, mask: int) -> int:
        return self._checked(self._library.inotify_add_watch(self.descriptor, path, mask))

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result


_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "lustre", "afs", "virtiofs", "vboxsf"}
)


def is_remote(path: str, mounts: str) -> bool:
    """Whether the file system of `path` may change without this kernel being told. `mounts`: /proc/self/mountinfo."""
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].replace(r"\040", " ")
        if len(point) >= len(best) and (path == point or path.startswith(point.rstrip("/") + "/")):
            best, kind = point, after.split(" ")[0]
    return kind in _REMOTE or (kind.startswith("fuse") and kind not in ("fuseblk", "fuse.lxcfs"))
