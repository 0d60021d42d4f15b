"""Mounts that travel between host and container need a mount on the host that lets them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from pillion.errors import HostError
from pillion.plan.containerspec import Mount, Propagation


def check(mounts: Iterable[Mount], mountinfo: str) -> None:
    """Raises HostError in containerd's words (internal/cri/opts/spec_linux_opts.go: ensureShared).

    Without the check such a mount would be made and nothing would ever arrive through it.
    """
    for mount in mounts:
        if mount.propagation is Propagation.PRIVATE:
            continue
        mount_point, peers = _mount_of(mount.source, mountinfo)
        if "shared" in peers or (mount.propagation is Propagation.HOST_TO_CONTAINER and "master" in peers):
            continue
        wanted = "shared" if mount.propagation is Propagation.BIDIRECTIONAL else "shared or slave"
        raise HostError(
            f'path "{mount.source}" is mounted on "{mount_point}" but it is not a {wanted} mount: '
            f"mount --make-rshared {mount_point}"
        )


def _mount_of(path: str, mountinfo: str) -> tuple[str, frozenset[str]]:
    """The mount point that holds a path, and how it propagates: `shared`, `master`."""
    found, peers = "/", frozenset[str]()
    for line in mountinfo.splitlines():
        fields = line.partition(" - ")[0].split(" ")
        if PurePosixPath(path).is_relative_to(fields[4]) and len(fields[4]) >= len(found):
            found, peers = fields[4], frozenset(field.partition(":")[0] for field in fields[6:])
    return found, peers
