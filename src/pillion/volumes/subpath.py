"""subPath: a path inside a volume, created and held fast so that nobody can lead it outside meanwhile.

Containers write to their volumes while we look, so names are not to be trusted between two steps. The path is
opened part by part without following links, and what is handed on is a bind mount of the very file that was opened.
Source: pkg/volume/util/subpath/subpath_linux.go (SafeMakeDir, doBindSubPath).
"""

import os
import stat
from pathlib import Path

from pillion.volumes import mounts

_PART = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class EscapeError(OSError):
    """The path leads out of its volume."""


def make_sub_path(volume: str, sub_path: str) -> None:
    """Create `sub_path` in `volume` unless something is there.

    New directories get the mode of the volume's root. Raises OSError.
    """
    try:
        if _exists(str(Path(volume, sub_path))):
            return
    except OSError:
        return  # it cannot be told, so nothing is created; opening it will say why
    base = os.path.realpath(volume)
    mode = stat.S_IMODE(Path(base).stat().st_mode)
    parts = [part for part in sub_path.split("/") if part not in ("", ".")]
    there = base
    while parts and _exists(f"{there}/{parts[0]}"):
        there = f"{there}/{parts.pop(0)}"
    fd = open_inside(base, there)
    try:
        for part in parts:
            os.mkdir(part, mode, dir_fd=fd)  # a dangling link in the way fails here
            child = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            os.close(fd)
            fd = child
            os.fchmod(fd, mode)  # whatever the umask says
    finally:
        os.close(fd)


def _exists(path: str) -> bool:
    try:
        Path(path).stat()
    except FileNotFoundError:
        return False
    return True


def open_inside(volume: str, path: str) -> int:
    """A descriptor (O_PATH) of `path`, whose links are resolved once and must not lead out of `volume`.

    Raises EscapeError, and OSError when a part is missing or has become a link in between.
    """
    base = os.path.realpath(volume)
    real = os.path.realpath(path, strict=True)
    if real != base and not real.startswith(base.rstrip("/") + "/"):
        raise EscapeError(f"{path} leads out of {volume}")
    fd = os.open(base, _PART)
    try:
        for part in os.path.relpath(real, base).split("/"):
            child = os.open(part, _PART, dir_fd=fd)
            os.close(fd)
            fd = child
            if stat.S_ISLNK(os.fstat(fd).st_mode):
                raise EscapeError(f"{path} has become a link")
    except OSError:
        os.close(fd)
        raise
    return fd


def bind_sub_path(volume: str, sub_path: str, target: Path) -> None:
    """Bind mount `sub_path` of `volume` at `target`, unless exactly that is mounted there. Raises OSError."""
    fd = open_inside(volume, str(Path(volume, sub_path)))
    try:
        source = os.fstat(fd)
        if mounts.is_mount_point(str(target)):
            if os.path.samestat(source, target.stat()):
                return
            # The file was replaced since the last start of the container, as an update of a ConfigMap does.
            clean_target(target)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        _make_target(target, is_directory=stat.S_ISDIR(source.st_mode))
        mounts.bind(f"/proc/self/fd/{fd}", str(target))
    finally:
        os.close(fd)


def _make_target(target: Path, *, is_directory: bool) -> None:
    """An empty directory or file to mount upon; what an earlier start left may be of the other kind."""
    if target.exists() and target.is_dir() != is_directory:
        clean_target(target)
    if is_directory:
        target.mkdir(mode=0o750, exist_ok=True)
    else:
        target.touch(mode=0o640)


def clean_target(target: Path) -> None:
    """Take off what is mounted at `target` and delete the empty thing below; never anything with content."""
    unmount_all_below(target)
    _delete(target)


def unmount_all_below(directory: Path) -> None:
    """Take every mount at and below `directory` off. Raises OSError."""
    for point in mounts.mount_points_below(str(directory)):
        mounts.unmount(point)


def clean_targets(directory: Path) -> None:
    """Delete the `VOLUME/CONTAINER/INDEX` tree of targets, whose mounts have been taken off before.

    Three levels by name and never a recursion: should a mount have come back, the host refuses to delete its target
    and what is mounted there stays untouched.
    """
    if not directory.exists():
        return
    for volume in directory.iterdir():
        for container in volume.iterdir():
            for target in container.iterdir():
                _delete(target)
            container.rmdir()
        volume.rmdir()
    directory.rmdir()


def _delete(target: Path) -> None:
    if target.is_dir():
        target.rmdir()
    else:
        target.unlink(missing_ok=True)


def read_inside(volume: str, path: str) -> str | None:
    """The text of a file in `volume`, found without leaving it; None when there is no such regular file.

    Raises OSError and UnicodeDecodeError.
    """
    try:
        fd = open_inside(volume, str(Path(volume, path)))
    except (FileNotFoundError, NotADirectoryError, EscapeError):
        return None
    try:
        # A pipe would make the reader wait for whoever writes.
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        return Path(f"/proc/self/fd/{fd}").read_text(encoding="utf-8")
    finally:
        os.close(fd)
