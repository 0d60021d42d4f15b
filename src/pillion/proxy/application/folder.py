"""The folder that Envoy watches: private, written file by file, removed in the end. It holds no key.

What a supervisor that was killed has left is removed by the next one: a lock tells whose owner is alive.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pillion.errors import HostError

PREFIX = "pillion-proxy-"
_FALLBACK = Path("/dev/shm")  # noqa: S108 - writable even where the root file system is not
"""Other containers of the Pod see it, so it is the second choice; keys never lie there."""


class WorkingFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: dict[str, bytes] = {}

    def write(self, files: Mapping[str, bytes]) -> list[str]:
        """Put files in their places, each at once; those that are the same are left alone. The names of the others.

        Raises HostError.
        """
        changed = [name for name, content in files.items() if self._written.get(name) != content]
        for name in changed:
            beside = self.path / f".{name}"
            try:
                beside.write_bytes(files[name])
                # Envoy follows renames into the folder, not writes (source/common/filesystem/inotify/watcher_impl.cc).
                beside.replace(self.path / name)
            except OSError as error:
                raise HostError(f"cannot write {self.path / name}: {error.strerror}") from error
            self._written[name] = files[name]
        return changed

    def keep_only(self, names: set[str]) -> None:
        """Remove other files."""
        for name in set(self._written) - names:
            (self.path / name).unlink(missing_ok=True)
            del self._written[name]


@contextlib.contextmanager
def open_folder(parent: Path | None = None) -> Iterator[WorkingFolder]:
    """A new one, below the folder for temporary files unless it is said where. Raises HostError."""
    place = parent if parent is not None else _writable_parent()
    sweep(place)
    path, descriptor = _make(place)
    try:
        yield WorkingFolder(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def sweep(parent: Path) -> None:
    """Remove the folders whose supervisors are dead."""
    for path in parent.glob(f"{PREFIX}*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # another's, or gone by now
        try:
            if os.fstat(descriptor).st_uid == os.geteuid() and _locks(descriptor):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


def _writable_parent() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        if os.access(_FALLBACK, os.W_OK):
            return _FALLBACK
        raise HostError(
            "cannot make a working folder: neither the folder for temporary files nor /dev/shm can be written; "
            "mount an emptyDir at /tmp"
        ) from error


def _make(parent: Path) -> tuple[Path, int]:
    while True:
        try:
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        except OSError as error:
            raise HostError(f"cannot make a working folder in {parent}: {error.strerror}") from error
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another one that starts took it for a dead one's, before it was locked
        if _locks(descriptor) and path.exists():
            return path, descriptor
        os.close(descriptor)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
