"""Making what an image needs and its layers have not, in the layer that its container writes to.

That layer is made before overlayfs joins it with those below, and its folders are what the container sees: a folder
on the way to an addition gets the mode and owner that it has below. Nobody else has written there yet; still every step
is taken from an open directory without following links, so that nothing outside the layer can ever be meant.
"""

from __future__ import annotations

import os
import posixpath
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import assert_never

from pillion.errors import HostError
from pillion.plan.containerspec import AddedFile, AddedFolder, AddedLink, Addition

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def add_to_upper(upper: Path, layers: tuple[str, ...], additions: tuple[Addition, ...]) -> None:
    """Make the additions in the still empty folder `upper`, which will lie above `layers`. Raises HostError."""
    for addition in additions:
        try:
            with ExitStack() as opened:
                parent = _open_parents(upper, layers, addition.path, opened)
                _make(parent, posixpath.basename(addition.path), addition)
        except OSError as error:
            raise HostError(f"cannot add {addition.path} to the image: {error.strerror}") from error


def _open_parents(upper: Path, layers: tuple[str, ...], path: str, opened: ExitStack) -> int:
    fd = _own(os.open(upper, _DIRECTORY), opened)
    above = ""
    for name in path.split("/")[1:-1]:
        above = f"{above}/{name}"
        try:
            child = _own(os.open(name, _DIRECTORY, dir_fd=fd), opened)
        except FileNotFoundError:
            os.mkdir(name, dir_fd=fd)
            child = _own(os.open(name, _DIRECTORY, dir_fd=fd), opened)
            _look_like_below(child, layers, above)
        fd = child
    return fd


def _look_like_below(fd: int, layers: tuple[str, ...], path: str) -> None:
    """Raises HostError where there is something else than a folder, which the new one would hide."""
    for layer in layers:
        try:
            below = os.lstat(layer + path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISDIR(below.st_mode):
            raise HostError(f"cannot add anything below {path} to the image: it is not a folder")
        _give(fd, stat.S_IMODE(below.st_mode), below.st_uid, below.st_gid)
        return
    _give(fd, 0o755, 0, 0)


def _make(parent: int, name: str, addition: Addition) -> None:
    match addition:
        case AddedFolder():
            os.mkdir(name, dir_fd=parent)
            with ExitStack() as opened:
                fd = _own(os.open(name, _DIRECTORY, dir_fd=parent), opened)
                # What a layer has at the same place is not shown (overlayfs.rst, "whiteouts and opaque directories").
                os.setxattr(fd, "trusted.overlay.opaque", b"y")
                _give(fd, addition.mode, addition.uid, addition.gid)
        case AddedFile():
            with os.fdopen(os.open(name, _NEW_FILE, dir_fd=parent), "wb") as file:
                file.write(addition.content)
                _give(file.fileno(), addition.mode, 0, 0)
        case AddedLink():
            os.symlink(addition.target, name, dir_fd=parent)
        case _:
            assert_never(addition)


def _give(fd: int, mode: int, uid: int, gid: int) -> None:
    """The owner first: changing it may take mode bits away. The mode is exact, whatever our umask is."""
    os.fchown(fd, uid, gid)
    os.fchmod(fd, mode)


def _own(fd: int, opened: ExitStack) -> int:
    opened.callback(os.close, fd)
    return fd
