"""Files of the host that a container's security settings name: device nodes and seccomp profiles."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import msgspec

from pillion.containers.bundle import HostDevice
from pillion.errors import HostError
from pillion.plan.containerspec import ContainerSpec, Seccomp

SECCOMP_PROFILES = Path("/var/lib/kubelet/seccomp")
"""The kubelet's own place for `localhostProfile` (pkg/kubelet/kubelet.go: SeccompProfileRoot)."""

_OWN = frozenset({"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console"})  # noqa: S108
"""A container has its own; its default devices (/dev/null …) come from runc."""


def host_devices(spec: ContainerSpec) -> tuple[HostDevice, ...]:
    """All of the host's devices for a privileged container, otherwise the ones it asks for. Raises HostError."""
    found = [_device(path) for path in spec.devices]
    if spec.security.privileged:
        for folder, folders, files in os.walk("/dev"):
            folders[:] = [name for name in folders if f"{folder}/{name}" not in _OWN]
            found += [_device(f"{folder}/{name}") for name in files if f"{folder}/{name}" not in _OWN]
    return tuple({device.path: device for device in found if device is not None}.values())


def _device(path: str) -> HostDevice | None:
    try:
        info = os.lstat(path)
    except FileNotFoundError as error:
        raise HostError(f"cannot pass in device {path}: it does not exist") from error
    if not (stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode)):
        return None
    return HostDevice(
        path,
        "c" if stat.S_ISCHR(info.st_mode) else "b",
        os.major(info.st_rdev),
        os.minor(info.st_rdev),
        stat.S_IMODE(info.st_mode),
        info.st_uid,
        info.st_gid,
    )


def localhost_profile(seccomp: Seccomp) -> dict[str, Any] | None:
    """Raises HostError."""
    if seccomp.type != "Localhost" or seccomp.localhost_profile is None:
        return None
    path = SECCOMP_PROFILES / seccomp.localhost_profile
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise HostError(f"cannot load seccomp profile {path}: {error}") from error
