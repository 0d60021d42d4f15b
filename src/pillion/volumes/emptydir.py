"""emptyDir: a fresh directory, tmpfs or hugetlbfs that lives as long as the pod.

Source: pkg/volume/emptydir/empty_dir.go (SetUpAt, setupTmpfs, setupHugepages, calculateEmptyDirMemorySize).
A volume gets its name only when it is complete, so whatever is found under the name is finished and left
alone: an earlier process may have made it, and a container may have changed its mode since.
"""

import errno
import os
import stat
from pathlib import Path

import msgspec

from pillion.objects.models import core_v1
from pillion.plan.pods import containers_of, spec_of
from pillion.units import parse_quantity, quantity_value
from pillion.volumes.failure import VolumeError
from pillion.volumes.mounts import is_mount_point, mount
from pillion.volumes.ownership import group_mode
from pillion.volumes.removal import remove_tree

_MODE = 0o777
_TMPFS_ROOT_MODE = 0o1777
_HUGETLBFS_ROOT_MODE = 0o755


class EmptyDir(msgspec.Struct, frozen=True, kw_only=True):
    """How to make one."""

    path: str
    medium: str = ""
    """As in the manifest: "", `Memory`, `HugePages` or `HugePages-2Mi`."""
    size_bytes: int | None = None
    """Of a tmpfs."""
    page_bytes: int | None = None
    """Of a hugetlbfs."""
    fs_group: int | None = None


def set_up_empty_dir(volume: EmptyDir) -> None:
    """Idempotent. Raises VolumeError for an unknown medium, and OSError as the host does."""
    match volume.medium:
        case "":
            if not os.path.lexists(volume.path):
                _make_directory(volume)
        case "Memory":
            _mount_once(
                volume, "tmpfs", _TMPFS_ROOT_MODE, f"size={volume.size_bytes}" if volume.size_bytes else ""
            )
        case medium if medium.startswith("HugePages"):
            _mount_once(volume, "hugetlbfs", _HUGETLBFS_ROOT_MODE, f"pagesize={volume.page_bytes}")
        case medium:
            raise VolumeError(f'unknown storage medium "{medium}"')


def _make_directory(volume: EmptyDir) -> None:
    path = Path(volume.path)
    unfinished = path.with_name(f"..{path.name}")
    remove_tree(str(unfinished))
    unfinished.mkdir()
    if volume.fs_group is not None:
        os.chown(unfinished, -1, volume.fs_group)
    unfinished.chmod(_root_mode(_MODE, volume.fs_group))
    unfinished.rename(path)


def _root_mode(mode: int, fs_group: int | None) -> int:
    return mode if fs_group is None else group_mode(stat.S_IFDIR | mode, read_only=False)


def _mount_once(volume: EmptyDir, kind: str, mode: int, option: str) -> None:
    Path(volume.path).mkdir(mode=_MODE, exist_ok=True)
    if is_mount_point(volume.path):
        return
    options = [f"mode={_root_mode(mode, volume.fs_group):o}"]
    options += [option] if option else []
    options += [f"gid={volume.fs_group}"] if volume.fs_group is not None else []
    try:
        _mount_new(volume, kind, options)
    except (OSError, VolumeError):
        Path(volume.path).rmdir()
        raise


def _mount_new(volume: EmptyDir, kind: str, options: list[str]) -> None:
    # Secrets and files in memory must not reach a swap device. Linux 6.4 and later; not in a user namespace.
    if kind == "tmpfs" and _mounted(kind, volume.path, [*options, "noswap"]):
        return
    if not _mounted(kind, volume.path, options):
        raise VolumeError(f"cannot mount {kind} at {volume.path}: this kernel refuses {','.join(options)}")


def _mounted(kind: str, path: str, options: list[str]) -> bool:
    """False when the kernel does not know one of the options, or has no such page size."""
    try:
        mount(kind, path, ",".join(options))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


def memory_size(size_limit: str | None, pod_limit_bytes: int | None, node_bytes: int) -> int:
    """Bytes of a tmpfs: the smallest of node memory, the pod's limit and sizeLimit; zero is no limit."""
    limits = (node_bytes, pod_limit_bytes, size_limit and quantity_value(size_limit))
    return min(int(limit) for limit in limits if limit)


def huge_page_bytes(pod: core_v1.Pod, medium: str) -> int:
    """The page size of a `HugePages` or `HugePages-SIZE` medium, which a container must have requested.

    Raises VolumeError as empty_dir.go (getPageSizeMountOption) does.
    """
    wanted = parse_quantity(medium.partition("-")[2]) if "-" in medium else None
    resources = [spec_of(pod).resources, *(container.resources for _, container in containers_of(pod))]
    requested = {
        parse_quantity(name.removeprefix("hugepages-"))
        for own in resources
        for name in (own and own.requests) or {}
        if name.startswith("hugepages-")
    }
    matching = requested if wanted is None else requested & {wanted}
    if len(matching) > 1:
        raise VolumeError(f"medium: {medium} can't be used if container requests multiple huge page sizes")
    if not matching:
        raise VolumeError(
            f"medium {medium}: hugePages storage requested, but there is no resource request for huge pages"
        )
    return int(matching.pop())
