"""What a container's security settings name on this host: device nodes, seccomp and AppArmor profiles."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import msgspec

from pillion.containers.bundle import HostDevice
from pillion.errors import HostError
from pillion.plan.containerspec import Seccomp, Security

SECCOMP_PROFILES = Path("/var/lib/kubelet/seccomp")
"""The kubelet's own place for `localhostProfile` (pkg/kubelet/kubelet.go: SeccompProfileRoot)."""

_OWN = frozenset({"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console"})  # noqa: S108
"""A container has its own; its default devices (/dev/null …) come from runc."""


def all_devices() -> tuple[HostDevice, ...]:
    """Every device node of the host, for a privileged container."""
    found: list[HostDevice | None] = []
    for folder, folders, files in os.walk("/dev"):
        folders[:] = [name for name in folders if f"{folder}/{name}" not in _OWN]
        found += [_device(f"{folder}/{name}") for name in files if f"{folder}/{name}" not in _OWN]
    return tuple(device for device in found if device is not None)


def _device(path: str) -> HostDevice | None:
    """None when it is none, or none any more."""
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return None
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
    """Raises HostError in containerd's words (contrib/seccomp/seccomp.go: WithProfile)."""
    if seccomp.type != "Localhost" or seccomp.localhost_profile is None:
        return None
    path = SECCOMP_PROFILES / seccomp.localhost_profile
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        cause = f'cannot load seccomp profile "{path}": open {path}: {(error.strerror or "").lower()}'
    except msgspec.DecodeError as error:
        cause = f'decoding seccomp profile failed "{path}": {error}'
    raise HostError(f"failed to create containerd container: {cause}")


_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
_APPARMOR_PROFILES = Path("/sys/kernel/security/apparmor/profiles")
DEFAULT_APPARMOR_PROFILE = "cri-containerd.apparmor.d"
"""containerd's own (internal/cri/server/service_linux.go). pillion writes no profiles, but uses that one if it is
loaded."""
_NO_APPARMOR = "failed to get container spec opts: failed to generate apparmor spec opts"


def loaded_apparmor_profiles() -> frozenset[str] | None:
    """None: this kernel enforces no AppArmor profiles."""
    try:
        if not _APPARMOR.read_text().startswith("Y"):
            return None
        lines = _APPARMOR_PROFILES.read_text().splitlines()
    except OSError:
        return None
    return frozenset(line.rpartition(" (")[0] for line in lines)


def apparmor_profile(security: Security, loaded: frozenset[str] | None) -> str | None:
    """The profile to run under, None for none. Raises HostError.

    Which profile is meant, and what is said of one that is not there, is containerd's
    (internal/cri/sputil/apparmor_linux.go: GenerateApparmorSpecOpts).
    """
    asked = security.apparmor
    if asked == "unconfined" or (asked is None and loaded is None):
        return None
    if loaded is None:
        raise HostError(f"{_NO_APPARMOR}: AppArmor is not enabled on the host")
    if asked is not None and asked.startswith("localhost/"):
        name = asked.removeprefix("localhost/")
        if name not in loaded:
            raise HostError(f"{_NO_APPARMOR}: apparmor profile not found {name}")
        return name
    if security.privileged:
        return None
    if DEFAULT_APPARMOR_PROFILE in loaded:
        return DEFAULT_APPARMOR_PROFILE
    if asked is None:
        return None
    raise HostError(
        f"{_NO_APPARMOR}: apparmor profile not found {DEFAULT_APPARMOR_PROFILE}: pillion brings no default profile; "
        "load containerd's, or ask for Localhost or Unconfined"
    )
