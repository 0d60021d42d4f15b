"""Laying out a container on disk before runc sees it: root filesystem, files the container writes to, bundle."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pillion.containers import devices, overlay, propagation
from pillion.containers.bundle import Surroundings, build_runtime_spec
from pillion.containers.cgroups import Version
from pillion.containers.host import HostCapabilities
from pillion.containers.instance import Instance
from pillion.containers.sandbox import Sandbox
from pillion.containers.security import HIDDEN_FOLDERS
from pillion.errors import HostError
from pillion.plan.containerspec import ContainerSpec, Propagation
from pillion.statedir import StateDir


def write_bundle(
    instance: Instance,
    spec: ContainerSpec,
    sandbox: Sandbox,
    state: StateDir,
    host: HostCapabilities,
    *,
    pid_namespace: str | None = None,
) -> None:
    """The instance's folder exists. `pid_namespace` is that of the container's target, if it has one.

    Raises OSError, and HostError for what this host cannot honour.
    """
    if spec.resources.hugepage_limits and not host.limits_huge_pages:
        raise HostError("huge pages limits are specified but hugetlb cgroup controller is missing")
    if any(mount.propagation is not Propagation.PRIVATE for mount in spec.mounts):
        propagation.check(spec.mounts, Path("/proc/self/mountinfo").read_text())
    rootfs = overlay.mount_rootfs(instance.folder, spec.root_layers, spec.additions)
    message_file = Path(spec.termination_message_host_path)
    message_file.parent.mkdir(parents=True, exist_ok=True)
    message_file.touch()
    message_file.chmod(0o666)  # any user of the container may write it
    Path(spec.log_path).parent.mkdir(parents=True, exist_ok=True)
    bundle = build_runtime_spec(
        spec,
        Surroundings(
            rootfs=str(rootfs),
            cgroup=instance.record.cgroup,
            cgroup_v2=host.cgroups.version is Version.V2,
            shm=sandbox.shm,
            net=sandbox.namespace("net"),
            ipc=sandbox.namespace("ipc"),
            uts=sandbox.namespace("uts"),
            pid=pid_namespace or sandbox.namespace("pid"),
            capabilities=host.capabilities,
            oom_score_adj_floor=host.oom_score_adj_floor,
            architecture=host.architecture,
            masked_cpu_paths=host.masked_cpu_paths,
            hidden_folders=(str(state.root), *HIDDEN_FOLDERS),
            limits_swap=host.limits_swap,
            localhost_profile=devices.localhost_profile(spec.security.seccomp),
            apparmor_profile=devices.apparmor_profile(spec.security, devices.loaded_apparmor_profiles()),
            host_devices=devices.all_devices() if spec.security.privileged else (),
        ),
    )
    (instance.folder / "config.json").write_bytes(msgspec.json.encode(bundle))
