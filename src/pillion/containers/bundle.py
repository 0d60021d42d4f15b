"""ContainerSpec → OCI runtime spec (the bundle's config.json). Pure: the host's facts come as arguments.

Mounts, devices and rules are those of a container made by containerd for the kubelet
(containerd: pkg/oci/mounts.go, internal/cri/server/container_create_linux.go).
"""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath
from typing import Any

import msgspec

from pillion.containers import seccomp
from pillion.containers.security import MASKED_PATHS, READ_ONLY_PATHS, capabilities
from pillion.plan.containerspec import ContainerSpec, Mount, Propagation, Resources

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the spec depends on beside the container itself."""

    rootfs: str
    cgroup: str
    """Absolute path within the cgroup trees."""
    cgroup_v2: bool
    shm: str
    net: str | None
    ipc: str | None
    uts: str | None
    pid: str | None
    """Namespaces to join; None means the host's, except `pid`, where the container's spec decides."""
    capabilities: tuple[str, ...]
    """What this host can hand on."""
    oom_score_adj_floor: int = -1000
    architecture: str = "x86_64"
    masked_cpu_paths: tuple[str, ...] = ()
    hidden_folders: tuple[str, ...] = ()
    """Folders of the host that no container may see when the host's filesystem is its root."""
    limits_swap: bool = False
    """Swap is accounted for here, so that a memory limit can count for both."""
    localhost_profile: dict[str, Any] | None = None
    """The decoded seccomp profile that `Localhost` names."""
    apparmor_profile: str | None = None
    host_devices: tuple[HostDevice, ...] = ()
    """All of the host's device nodes, for a privileged container."""


class HostDevice(msgspec.Struct, frozen=True):
    path: str
    kind: str  # "c" or "b"
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


def build_runtime_spec(spec: ContainerSpec, around: Surroundings) -> dict[str, Any]:
    security = spec.security
    granted = capabilities(security, around.capabilities)
    hide = not (security.privileged or security.unmasked_proc)
    linux: dict[str, Any] = {
        "cgroupsPath": around.cgroup,
        "namespaces": _namespaces(spec, around),
        "resources": _resources(spec, around),
        "maskedPaths": [
            *((*MASKED_PATHS, *around.masked_cpu_paths) if hide else ()),
            *_hidden_folders(spec, around),
        ],
        "readonlyPaths": list(READ_ONLY_PATHS) if hide else [],
        "devices": [_device(device) for device in around.host_devices],
    }
    propagation = _rootfs_propagation(spec.mounts)
    if propagation:
        linux["rootfsPropagation"] = propagation
    profile = _seccomp_profile(spec, around, granted)
    if profile is not None:
        linux["seccomp"] = profile
    process: dict[str, Any] = {
        "terminal": spec.tty,
        "user": {
            "uid": spec.identity.uid,
            "gid": spec.identity.gid,
            "additionalGids": list(spec.identity.process_groups),
        },
        "args": list(spec.argv),
        "env": _environment(spec),
        "cwd": spec.cwd or "/",
        "capabilities": {"bounding": list(granted), "effective": list(granted), "permitted": list(granted)},
        "noNewPrivileges": security.no_new_privileges,
        "oomScoreAdj": max(spec.resources.oom_score_adj, around.oom_score_adj_floor),
    }
    if around.apparmor_profile is not None:
        process["apparmorProfile"] = around.apparmor_profile
    return {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": around.rootfs, "readonly": security.read_only_root},
        "mounts": _mounts(spec, around),
        "linux": linux,
    }


def _environment(spec: ContainerSpec) -> list[str]:
    """containerd adds PATH, TERM and HOSTNAME where nobody has set them; runc adds HOME from /etc/passwd."""
    env: dict[str, str] = {"PATH": DEFAULT_PATH}
    if spec.tty:
        env["TERM"] = "xterm"
    env["HOSTNAME"] = spec.hostname
    env.update(spec.env)
    return [f"{name}={value}" for name, value in env.items()]


def _namespaces(spec: ContainerSpec, around: Surroundings) -> list[dict[str, str]]:
    namespaces = [{"type": "mount"}]
    if (spec.share_process_namespace or spec.target_id) and around.pid:
        namespaces.append({"type": "pid", "path": around.pid})
    elif not spec.host_pid:
        namespaces.append({"type": "pid"})
    for kind, path in (("network", around.net), ("ipc", around.ipc), ("uts", around.uts)):
        if path:
            namespaces.append({"type": kind, "path": path})
    if around.cgroup_v2 and not spec.security.privileged:
        namespaces.append({"type": "cgroup"})
    return namespaces


def _mounts(spec: ContainerSpec, around: Surroundings) -> list[dict[str, Any]]:
    access = "rw" if spec.security.privileged else "ro"
    mounts = [
        _special("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _special("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _special(
            "/dev/pts",
            "devpts",
            "devpts",
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
        ),
        _special("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _special("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access),
        _special("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", access),
        _special("/dev/shm", "bind", around.shm, "rbind", "nosuid", "nodev", "noexec", "rw"),  # noqa: S108
    ]
    asked = list(spec.mounts)
    if not any(mount.destination == spec.termination_message_path for mount in asked):
        asked.append(
            Mount(source=spec.termination_message_host_path, destination=spec.termination_message_path)
        )
    # A pod's own mount replaces a default one at the same place, and one of /dev whatever is in there but the shared
    # memory; parents are mounted before what lies in them.
    taken = {posixpath.normpath(mount.destination) for mount in asked}
    if "/dev" in taken:
        taken |= {"/dev/pts", "/dev/mqueue"}
    mounts = [mount for mount in mounts if mount["destination"] not in taken]
    asked.sort(key=lambda mount: posixpath.normpath(mount.destination).rstrip("/").count("/"))
    return mounts + [_bind(mount) for mount in asked]


def _hidden_folders(spec: ContainerSpec, around: Surroundings) -> list[str]:
    """Only what the image shows by being the host: what the pod itself mounts there is its own affair."""
    if "/" not in spec.root_layers:
        return []
    mounted = [PurePosixPath(mount.destination) for mount in spec.mounts]
    return [folder for folder in around.hidden_folders if not any(m.is_relative_to(folder) for m in mounted)]


def _special(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _bind(mount: Mount) -> dict[str, Any]:
    options = ["rbind", mount.propagation.value]
    if mount.read_only and mount.recursive_read_only:
        options.append("rro")
    else:
        options.append("ro" if mount.read_only else "rw")
    return {"destination": mount.destination, "type": "bind", "source": mount.source, "options": options}


def _rootfs_propagation(mounts: tuple[Mount, ...]) -> str | None:
    """A mount can only receive or send what the root lets through."""
    kinds = {mount.propagation for mount in mounts}
    for kind in (Propagation.BIDIRECTIONAL, Propagation.HOST_TO_CONTAINER):
        if kind in kinds:
            return kind.value
    return None


def _device(device: HostDevice) -> dict[str, Any]:
    return {
        "path": device.path,
        "type": device.kind,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _resources(spec: ContainerSpec, around: Surroundings) -> dict[str, Any]:
    limits: Resources = spec.resources
    resources: dict[str, Any] = {"devices": [{"allow": spec.security.privileged, "access": "rwm"}]}
    cpu: dict[str, int] = {}
    if limits.cpu_shares is not None:
        cpu["shares"] = limits.cpu_shares
    if limits.cpu_quota_us is not None:
        cpu |= {"quota": limits.cpu_quota_us, "period": limits.cpu_period_us}
    if cpu:
        resources["cpu"] = cpu
    if limits.memory_limit_bytes is not None:
        resources["memory"] = {"limit": limits.memory_limit_bytes}
        if around.limits_swap:
            # As much of both as of memory alone: it does not swap, it is killed (containerd: WithResources).
            resources["memory"]["swap"] = limits.memory_limit_bytes
    if limits.hugepage_limits:
        resources["hugepageLimits"] = [{"pageSize": size, "limit": n} for size, n in limits.hugepage_limits]
    if limits.pids_limit is not None:
        resources["pids"] = {"limit": limits.pids_limit}
    if around.cgroup_v2 and not limits.single_process_oom_kill:
        resources["unified"] = {"memory.oom.group": "1"}
    return resources


def _seccomp_profile(
    spec: ContainerSpec, around: Surroundings, granted: tuple[str, ...]
) -> dict[str, Any] | None:
    if spec.security.privileged or spec.security.seccomp.type == "Unconfined":
        return None
    if spec.security.seccomp.type == "Localhost":
        return around.localhost_profile
    return seccomp.default_profile(granted, around.architecture)
