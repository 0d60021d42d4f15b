"""hostPath: is the path what the manifest says it is. Source: pkg/volume/hostpath/host_path.go (checkTypeInternal)."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from pillion.objects.models import core_v1
from pillion.volumes.failure import VolumeError, host_reason

_DIRECTORY_MODE = 0o755
_FILE_MODE = 0o644

_KINDS: dict[str, tuple[Callable[[int], bool], str]] = {
    "DirectoryOrCreate": (stat.S_ISDIR, "directory"),
    "Directory": (stat.S_ISDIR, "directory"),
    "FileOrCreate": (stat.S_ISREG, "file"),
    "File": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket file"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


def check_host_path(source: core_v1.HostPathVolumeSource) -> None:
    """Check, and create where the type says so. Nothing is mounted: containers get the path itself.

    Without a type there is no check, and a missing directory is made, as containerd does before it binds it.
    Raises VolumeError.
    """
    path = source.path
    if ".." in path.split("/"):
        raise VolumeError(f"invalid HostPath `{path}`: must not contain '..'")
    kind = source.type or ""
    if kind and kind not in _KINDS:
        raise VolumeError(f"{kind} is an invalid volume type")
    try:
        mode = _mode(path)
        if mode is None and kind in ("", "DirectoryOrCreate"):
            Path(path).mkdir(_DIRECTORY_MODE, parents=True, exist_ok=True)
        elif mode is None and kind == "FileOrCreate":
            os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))
        elif kind:
            is_kind, description = _KINDS[kind]
            if mode is None or not is_kind(mode):
                raise VolumeError(f"hostPath type check failed: {path} is not a {description}")
    except OSError as error:
        raise VolumeError(host_reason(error)) from error


def _mode(path: str) -> int | None:
    """Links are followed: the container sees what they lead to."""
    try:
        return Path(path).stat().st_mode
    except FileNotFoundError:
        return None
