"""The files beside a followed one: what rotation has made of it while nobody looked, and copies of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import msgspec

from pillion.collector.inputs.tail.identity import HEAD_BYTES, MARKER_BYTES, FileId, Position
from pillion.collector.inputs.tail.rotation import is_derived


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    id: FileId
    size: int
    modified: float
    """Seconds since the epoch."""

    @property
    def name(self) -> str:
        return os.path.basename(self.path)  # noqa: PTH119


def neighbours(path: str) -> list[Neighbour]:
    """The regular files beside `path` (where it leads, when it is a link) whose names rotation may have made of its
    name, the oldest first."""
    folder, base = os.path.split(os.path.realpath(path))
    return regular_files(folder, lambda name: is_derived(name, base))


def regular_files(folder: str, wanted: Callable[[str], bool] = bool) -> list[Neighbour]:
    """Those of a folder whose names are `wanted`, the oldest first."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            if wanted(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    seen = entry.stat(follow_symlinks=False)
                    found.append(
                        Neighbour(
                            path=entry.path,
                            id=FileId(seen.st_dev, seen.st_ino),
                            size=seen.st_size,
                            modified=seen.st_mtime,
                        )
                    )
    return sorted(found, key=lambda one: one.modified)


def whereabouts(folder: str) -> dict[FileId, str]:
    """The regular files of a folder by what they are."""
    found = {}
    with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file():
                    seen = entry.stat()
                    found[FileId(seen.st_dev, seen.st_ino)] = entry.path
    return found


@contextlib.contextmanager
def opened(path: str) -> Iterator[int | None]:
    """A descriptor for reading; None when there is none to be had."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def still_holds(descriptor: int, position: Position) -> bool:
    """Whether the file has what was read of it: the same head, and the same bytes before the offset."""
    return position.holds(
        size=os.fstat(descriptor).st_size,
        head=os.pread(descriptor, HEAD_BYTES, 0),
        marker=os.pread(descriptor, len(position.marker), position.marker_at()),
    )


def is_copy(copy: int, original: int) -> bool:
    """Whether one file holds what the other does, as far as both go: both descriptors' heads, and what they have where
    the shorter one ends."""
    size = min(os.fstat(copy).st_size, os.fstat(original).st_size)
    if not size:
        return False
    head = min(size, HEAD_BYTES)
    end = max(0, size - MARKER_BYTES)
    return (
        os.pread(copy, head, 0) == os.pread(original, head, 0)
        and os.pread(copy, MARKER_BYTES, end)[: size - end]
        == os.pread(original, MARKER_BYTES, end)[: size - end]
    )
