"""The log streamer that stands in for Fluent Bit: every line of every file below the log folders, on stdout.

Runs by itself inside the container (`python -I -S logstreamer.py`): the standard library only, no part of pillion.
Folders come from PILLION_LOG_DIRS (separated by colons), else they are the mount points at and below /var/log.
Arguments (`-c FILE`) are passed over. On SIGTERM everything written so far is read once more, then it exits with 0.

A file is known by device and inode, so a rotation by rename neither loses nor repeats lines; files are read from
their first line. A file that got shorter is read from the start again. Compressed and hidden files are passed over.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 18
_MAX_LINE = 1 << 20
"""A longer line is passed on in pieces, so that a file without line ends cannot fill the memory."""
_HEAD = 256
"""Bytes that tell whether a file is a copy of another."""
_SWEEP_MS = 1000
"""Every folder is looked at this often even when inotify is silent: network filesystems do not report."""
_POLL_MS = 100
"""The same, when the kernel grants no inotify instance or watch."""
_COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip")

# linux/inotify.h
_IN_MODIFY, _IN_MOVED_TO, _IN_CREATE, _IN_ONLYDIR = 0x2, 0x80, 0x100, 0x01000000
_EVENTS = _IN_MODIFY | _IN_MOVED_TO | _IN_CREATE | _IN_ONLYDIR


class Followed:
    """One open file, whatever it is called now.

    A rotation by copy (logrotate's copytruncate) makes a second file that begins as the first does. Nothing is read
    from it until the first has been truncated; then it holds what was not read before that.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        self.offset = 0
        self.head = b""
        self.rest = b""
        """What follows the last line end."""
        self.generation = 0
        """How often it was truncated."""
        self.past = (b"", 0)
        """Head and offset before the last truncation."""
        self.original: tuple[Followed, int, bytes] | None = None
        """What this may be a copy of: the file, its generation then, and its head."""
        self.unlinked_sweeps = 0

    def suspect(self, other: Followed) -> None:
        """This file's name makes it a possible copy of `other`."""
        past = other.past[0]
        if past and os.pread(self.fd, len(past), 0) == past:
            self.original = (other, other.generation - 1, past)
        elif other.head:
            self.original = (other, other.generation, other.head)

    def is_readable(self) -> bool:
        if self.original is None:
            return True
        other, generation, head = self.original
        start = os.pread(self.fd, len(head), 0)
        if start != head:
            if head.startswith(start):
                return False  # not enough yet to tell
        elif other.generation == generation:
            return False
        else:
            self.offset = min(other.past[1], os.fstat(self.fd).st_size)
        self.original = None
        return True

    def acquit(self) -> None:
        """At the end: what has not proved to be a copy is none."""
        if (
            self.original is not None
            and os.pread(self.fd, _HEAD, 0)[: len(self.original[2])] != self.original[2]
        ):
            self.original = None

    def read(self) -> bytes:
        """New whole lines, out of at most one chunk."""
        if not self.is_readable():
            return b""
        if os.fstat(self.fd).st_size < self.offset:
            self.generation += 1
            self.past = (self.head, self.offset)
            self.offset, self.head = 0, b""
        part = os.pread(self.fd, _CHUNK, self.offset)
        if not part:
            return b""
        if len(self.head) < _HEAD and self.offset == len(self.head):
            self.head += part[: _HEAD - len(self.head)]
        self.offset += len(part)
        lines, end, rest = (self.rest + part).rpartition(b"\n")
        if len(rest) > _MAX_LINE:
            lines, end, rest = lines + end + rest, b"\n", b""
        self.rest = rest
        return lines + end


class Watches:
    """inotify on the folders; without it, the caller polls."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._folders: set[str] = set()
        self.are_complete = self.fd >= 0

    def add(self, folder: str) -> None:
        if self.fd < 0:
            return
        # Adding a watch again is no new watch, and finds a folder that was replaced by another of the same name.
        if self._libc.inotify_add_watch(self.fd, os.fsencode(folder), _EVENTS) < 0:
            self.are_complete = self.are_complete and not os.access(folder, os.R_OK)

    def drain(self) -> None:
        try:
            while os.read(self.fd, 1 << 16):
                pass
        except BlockingIOError:
            return


class Streamer:
    def __init__(self, folders: list[str], watches: Watches) -> None:
        self._folders = folders
        self._watches = watches
        self._files: dict[tuple[int, int], Followed] = {}
        self.write: Callable[[bytes], object] = write_all

    def sweep(self) -> None:
        """Find new files, and let go of deleted ones."""
        for folder in self._folders:
            self._walk(folder)
        for key, file in list(self._files.items()):
            gone = os.fstat(file.fd).st_nlink == 0
            file.unlinked_sweeps = file.unlinked_sweeps + 1 if gone else 0
            # Its writer may have had one more line: the second sweep comes after a read to the end.
            if file.unlinked_sweeps > 1:
                self._finish(file)
                os.close(file.fd)
                del self._files[key]

    def _walk(self, folder: str) -> None:
        # Watch first, list second: what appears in between is in the list or reported.
        self._watches.add(folder)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                self._walk(entry.path)
            elif not entry.name.endswith(_COMPRESSED):
                self._follow(entry.path, entry.inode())

    def _follow(self, path: str, inode: int) -> None:
        for (_, known), file in self._files.items():
            if known == inode and file.path == path:
                return
        try:
            # Non-blocking: opening a named pipe must not wait for its writer.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return
        seen = os.fstat(fd)
        key = (seen.st_dev, seen.st_ino)
        if key in self._files:
            self._files[key].path = path
        elif stat.S_ISREG(seen.st_mode):
            file = Followed(fd, path)
            for other in self._files.values():
                if path.startswith((other.path + ".", other.path + "-")):
                    file.suspect(other)
            self._files[key] = file
            return
        os.close(fd)

    def stream(self) -> None:
        """Write what is new, files in turn, each up to the end it has now: a busy one does not keep the others."""
        ends = {key: os.fstat(file.fd).st_size for key, file in self._files.items()}
        while ends:
            for key, end in list(ends.items()):
                file = self._files[key]
                before = (file.generation, file.offset)
                self.write(file.read())
                if (file.generation, file.offset) == before or file.offset >= end:
                    del ends[key]

    def _finish(self, file: Followed) -> None:
        if file.rest:
            self.write(file.rest + b"\n")
            file.rest = b""

    def finish(self) -> None:
        """Everything that was written so far, last lines without an end included."""
        self.sweep()
        for file in self._files.values():
            file.acquit()
        self.stream()
        for file in self._files.values():
            self._finish(file)


def write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def log_folders() -> list[str]:
    named = os.environ.get("PILLION_LOG_DIRS", "")
    if named:
        return [folder for folder in named.split(":") if folder]
    with open("/proc/self/mountinfo", "rb") as mounts:  # noqa: PTH123 - pathlib takes 10 ms to import
        points = {line.split(b" ")[4] for line in mounts}
    folders = {unescape(point) for point in points if (point + b"/").startswith(b"/var/log/")}
    # Walking a folder covers the mounts below it.
    return sorted(f for f in folders if not any(f != o and f.startswith(o + "/") for o in folders))


def unescape(point: bytes) -> str:
    for char in (b" ", b"\t", b"\n", b"\\"):
        point = point.replace(b"\\%03o" % ord(char), char)
    return os.fsdecode(point)


def main() -> int:
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    asked_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked_to_stop.append(number))
    folders = log_folders()
    if not folders:
        write_error(
            "pillion log streamer: no volume is mounted below /var/log, so there is nothing to stream"
        )
    watches = Watches()
    streamer = Streamer(folders, watches)
    poll = select.poll()
    poll.register(wake_read, select.POLLIN)
    if watches.fd >= 0:
        poll.register(watches.fd, select.POLLIN)
    while not asked_to_stop:
        streamer.sweep()
        streamer.stream()
        ready = poll.poll(_SWEEP_MS if watches.are_complete else _POLL_MS)
        if any(fd == watches.fd for fd, _ in ready):
            watches.drain()
    streamer.finish()
    return 0


def write_error(text: str) -> None:
    os.write(2, text.encode() + b"\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(1)
