"""A container's root filesystem: the image's layers below, a writable layer of its own above, joined by overlayfs.

Upper and work folder live in the container's folder, on disk like the kubelet's. `volatile` spares the container the
flush of the whole disk at unmount; what it wrote is thrown away with it, so there is nothing to keep safe.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pillion.containers import syscalls
from pillion.containers.additions import add_to_upper
from pillion.errors import HostError
from pillion.plan.containerspec import Addition

_OPTIONS_LIMIT = 4000
"""mount(2) takes one page of options."""


def mount_rootfs(folder: Path, layers: tuple[str, ...], additions: tuple[Addition, ...] = ()) -> Path:
    """Mount the root filesystem at `folder`/rootfs and return that path. Raises HostError."""
    rootfs, upper, work = folder / "rootfs", folder / "upper", folder / "work"
    for path in (rootfs, upper, work):
        path.mkdir(mode=0o755)
    add_to_upper(upper, layers, additions)
    fds: list[int] = []
    try:
        lower = ":".join(_escape(layer) for layer in layers)
        if len(lower) > _OPTIONS_LIMIT:
            fds = [os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for layer in layers]
            lower = ":".join(f"/proc/self/fd/{fd}" for fd in fds)
        options = f"lowerdir={lower},upperdir={_escape(str(upper))},workdir={_escape(str(work))}"
        try:
            syscalls.mount("overlay", str(rootfs), "overlay", data=f"{options},volatile")
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            syscalls.mount(
                "overlay", str(rootfs), "overlay", data=options
            )  # Linux before 5.10 has no `volatile`
    except OSError as error:
        raise HostError(
            f"cannot mount the root filesystem at {rootfs}: {error.strerror}. "
            "The state directory has to be on a filesystem that overlayfs accepts (ext4, xfs, btrfs, tmpfs)"
        ) from error
    finally:
        for fd in fds:
            os.close(fd)
    return rootfs


def unmount_rootfs(folder: Path) -> None:
    syscalls.unmount(str(folder / "rootfs"))


def _escape(path: str) -> str:
    """Colons and commas separate in overlay's options."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
