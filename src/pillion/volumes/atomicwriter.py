"""Files that change all at once: the layout of configMap, secret, downwardAPI and projected volumes.

    ..2026_01_02_15_04_05.123456789/     the files, complete and with their permissions
    ..data -> ..2026_01_02_15_04_05.123456789
    NAME -> ..data/NAME                  one link per first part of a path

A reader that opens through `..data` sees one version, because a rename replaces the link. The steps and their
order are those of pkg/volume/util/atomic_writer.go (Write). As there, nothing is synced to the disk: after a
power cut the volume is written anew. One writer per volume at a time.
"""

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pillion.units import Instant
from pillion.volumes.payload import Payload
from pillion.volumes.removal import remove_tree

_DATA = "..data"
_NEW_DATA = "..data_tmp"
_DIRECTORY_MODE = 0o755


def write_payload(
    target: Path, payload: Payload, *, now: Instant, set_permissions: Callable[[Path], None]
) -> bool:
    """Make `target` show exactly `payload`; say whether anything was written.

    Identical content is left alone, modes are not compared. `set_permissions` gets the new directory before
    anybody can see it. Raises OSError; the volume then shows the version it showed before.
    """
    data = target / _DATA
    current = target / data.readlink() if data.is_symlink() else None
    obsolete = _paths_in(current) - _with_parents(payload) if current else set()
    if current and not obsolete and _holds(current, payload):
        # The links may be missing: an earlier process died between the switch and this step.
        _link_names(target, payload)
        return False
    _discard_leftovers(target, keep=current)
    fresh = _new_directory(target, now)
    try:
        _write_files(fresh, payload)
        set_permissions(fresh)
        (target / _NEW_DATA).symlink_to(fresh.name)
        (target / _NEW_DATA).replace(data)
    except OSError:
        remove_tree(str(fresh))
        (target / _NEW_DATA).unlink(missing_ok=True)
        raise
    _link_names(target, payload)
    for path in obsolete:
        if "/" not in path:
            (target / path).unlink(missing_ok=True)
    if current:
        remove_tree(str(current))
    return True


def _paths_in(directory: Path) -> set[str]:
    """Every path below, directories too, relative."""
    found = set()
    for parent, directories, files in os.walk(directory):
        base = Path(parent).relative_to(directory)
        found |= {str(base / name) for name in (*directories, *files)}
    return found


def _with_parents(payload: Payload) -> set[str]:
    paths = {Path(path) for path in payload}
    return {str(path) for path in paths} | {str(parent) for path in paths for parent in path.parents[:-1]}


def _holds(directory: Path, payload: Payload) -> bool:
    for path, file in payload.items():
        try:
            if (directory / path).read_bytes() != file.content:
                return False
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False
    return True


def _discard_leftovers(target: Path, keep: Path | None) -> None:
    """What a process killed in the middle of an update left: everything reserved that nobody points to."""
    for entry in os.scandir(target):
        if entry.name.startswith("..") and entry.name != _DATA and (keep is None or entry.name != keep.name):
            remove_tree(entry.path)


def _new_directory(target: Path, now: Instant) -> Path:
    stamp = datetime.fromtimestamp(now, UTC).strftime("..%Y_%m_%d_%H_%M_%S.")
    while True:
        fresh = target / f"{stamp}{random.getrandbits(32)}"
        try:
            fresh.mkdir()
        except FileExistsError:
            continue
        fresh.chmod(_DIRECTORY_MODE)  # whatever the umask says
        return fresh


def _write_files(directory: Path, payload: Payload) -> None:
    for path, file in payload.items():
        parent = directory
        for part in Path(path).parts[:-1]:
            parent /= part
            if not parent.is_dir():
                parent.mkdir()
                parent.chmod(_DIRECTORY_MODE)
        # Created unreadable: a Secret's file must not be open to all until its mode is set.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(directory / path, flags, 0o600), "wb") as output:
            output.write(file.content)
            if file.owner is not None:
                os.fchown(output.fileno(), file.owner, -1)
            os.fchmod(output.fileno(), file.mode)


def _link_names(target: Path, payload: Payload) -> None:
    for name in {Path(path).parts[0] for path in payload}:
        link = target / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")
