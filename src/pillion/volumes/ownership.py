"""fsGroup: the group of a volume's files and what it may do.

Source: pkg/volume/volume_linux.go (changeFilePermission).
"""

import os
import stat
from pathlib import Path

_READ_WRITE = 0o660
_READ_ONLY = 0o440
_DIRECTORY = stat.S_ISGID | 0o110


def group_mode(mode: int, *, read_only: bool) -> int:
    """`mode` (type bits included) with what the fsGroup is given on top of it; without type bits."""
    wanted = _READ_ONLY if read_only else _READ_WRITE
    if stat.S_ISDIR(mode):
        wanted |= _DIRECTORY
    return stat.S_IMODE(mode) | wanted


def apply_fs_group(root: str, group: int, *, read_only: bool) -> None:
    """Give everything from `root` down to `group`. Only for trees that no container can change.

    Raises OSError.
    """
    for directory, names, files in os.walk(root, topdown=False, onerror=_raise):
        for name in (*names, *files):
            _give(Path(directory, name), group, read_only=read_only)
    _give(Path(root), group, read_only=read_only)


def _raise(error: OSError) -> None:
    raise error


def _give(path: Path, group: int, *, read_only: bool) -> None:
    mode = path.lstat().st_mode
    os.lchown(path, -1, group)
    # The mode of a symlink means nothing; chmod would go through to its target.
    if not stat.S_ISLNK(mode):
        path.chmod(group_mode(mode, read_only=read_only))
