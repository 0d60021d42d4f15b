"""Deleting and measuring a volume's tree, however a container left it.

The content belongs to strangers, so both walk by directory descriptors: a symlink is an entry and never a
way, and a mount point is where they stop. What is mounted into a volume, a hostPath above all, is out of reach.
"""

import os
import random
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pillion.volumes.mounts import mount_id

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_DEPTH = 64
"""Directories nested deeper are first moved up, so that neither descriptors nor the stack run out."""


class MountInTheWayError(OSError):
    """Something is still mounted in the tree."""


@contextmanager
def _opened(name: str, parent: int | None = None) -> Iterator[int]:
    fd = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


def remove_tree(path: str) -> None:
    """Delete `path` and what is in it. Nothing there: nothing to do.

    Raises MountInTheWayError, having deleted nothing behind the mount point, and OSError as the host does.
    """
    directory, name = os.path.split(path)
    try:
        with _opened(directory) as parent:
            _Removal(parent).remove(name)
    except FileNotFoundError:
        return


class _Removal:
    def __init__(self, top: int) -> None:
        self._top = top
        self._mount = mount_id(top)
        self._raised: list[str] = []

    def remove(self, name: str) -> None:
        self._remove(name, self._top, 0)
        while self._raised:
            self._remove(self._raised.pop(), self._top, 0)

    def _remove(self, name: str, parent: int, depth: int) -> None:
        try:
            os.unlink(name, dir_fd=parent)
        except IsADirectoryError:
            pass
        else:
            return
        with _opened(name, parent) as fd:
            if mount_id(fd) != self._mount:
                raise MountInTheWayError(f"cannot delete {_path_of(fd)}: it is a mount point")
            self._empty(fd, depth)
        os.rmdir(name, dir_fd=parent)

    def _empty(self, fd: int, depth: int) -> None:
        with os.scandir(fd) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            if depth < _MAX_DEPTH:
                self._remove(name, fd, depth + 1)
            else:
                self._raise_up(name, fd)

    def _raise_up(self, name: str, parent: int) -> None:
        """Next to the volumes, which are named by DNS labels: names with two dots are ours."""
        raised = f"..removing-{random.getrandbits(64):x}"
        os.rename(name, raised, src_dir_fd=parent, dst_dir_fd=self._top)
        self._raised.append(raised)


def _path_of(fd: int) -> str:
    return str(Path(f"/proc/self/fd/{fd}").readlink())


_MAX_MEASURED_DEPTH = 256
_BLOCK = 512
"""st_blocks counts in these, whatever the filesystem's own blocks are: stat(2)."""


def disk_usage(path: str) -> int:
    """Bytes that `path` occupies: sparse files count what they hold, hard links once.

    Like the kubelet's DiskUsage (pkg/volume/util/fs/fs.go) it stays on one filesystem and bears with entries
    that vanish while it looks. Directories nested deeper than `_MAX_MEASURED_DEPTH` are not looked into.
    """
    seen: set[int] = set()
    try:
        with _opened(path) as fd:
            root = os.fstat(fd)
            return root.st_blocks * _BLOCK + _usage_below(fd, root.st_dev, seen, 0)
    except FileNotFoundError:
        return 0


def _usage_below(fd: int, device: int, seen: set[int], depth: int) -> int:
    total = 0
    with os.scandir(fd) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
                if status.st_dev != device or status.st_ino in seen:
                    continue
                if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                    seen.add(status.st_ino)
                total += status.st_blocks * _BLOCK
                if stat.S_ISDIR(status.st_mode) and depth < _MAX_MEASURED_DEPTH:
                    with _opened(entry.name, fd) as child:
                        total += _usage_below(child, device, seen, depth + 1)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone, or replaced, since the directory was read
    return total
