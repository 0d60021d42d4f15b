"""What this machine offers to containers, looked at once at start. Everything that is missing is said at once."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import msgspec

from pillion.containers.cgroups import Layout, Version, accounts_for_swap, detect_layout, has_hugetlb
from pillion.containers.security import capability_names
from pillion.errors import HostError

_CAP_SYS_RESOURCE = "CAP_SYS_RESOURCE"


class HostCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    runc: str
    conmon: str
    cgroups: Layout
    capabilities: tuple[str, ...]
    """What we may hand on to containers: our bounding set."""
    oom_score_adj_floor: int
    """No container can get less than this."""
    boot_id: str
    """Changes with every boot: what ran before does not run any more."""
    architecture: str
    cpus: int
    masked_cpu_paths: tuple[str, ...] = ()
    limits_swap: bool = False
    limits_huge_pages: bool = False
    warnings: tuple[str, ...] = ()
    """What works less well here than on a Kubernetes node; sentences for people, to be said once."""


def check_host() -> HostCapabilities:
    """Raises HostError that names everything that is missing, with the remedy."""
    problems: list[str] = []
    if os.geteuid() != 0:
        problems.append(
            "pillion has to run as root: containers need namespaces, mounts and cgroups; use sudo"
        )
    programs = {name: shutil.which(name) for name in ("runc", "conmon")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        problems.append(f"{' and '.join(missing)} not found: apt-get install {' '.join(missing)}")
    layout = detect_layout(Path("/proc/self/mountinfo").read_text())
    if layout is None:
        problems.append("no cgroups are mounted: mount -t cgroup2 none /sys/fs/cgroup")
    elif os.geteuid() == 0 and (read_only := _unwritable(layout)) is not None:
        problems.append(
            f"{read_only} cannot be written: a container has to be started with --privileged for pillion"
        )
    if "overlay" not in Path("/proc/filesystems").read_text() and not Path("/sys/module/overlay").exists():
        problems.append("overlayfs is not available: modprobe overlay")
    runc, conmon = programs["runc"], programs["conmon"]
    if problems or layout is None or runc is None or conmon is None:
        raise HostError("cannot run containers on this machine: " + "; ".join(problems))
    capabilities = _bounding_set()
    floor = -1000
    warnings: list[str] = []
    if _CAP_SYS_RESOURCE not in capabilities:
        floor = int(Path("/proc/self/oom_score_adj").read_text())
        warnings.append(
            f"oom_score_adj cannot go below {floor} here (CAP_SYS_RESOURCE is missing): when the machine runs out of "
            "memory, containers are not spared as on a node"
        )
    return HostCapabilities(
        runc=runc,
        conmon=conmon,
        cgroups=layout,
        capabilities=capabilities,
        oom_score_adj_floor=floor,
        boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        architecture=platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
        masked_cpu_paths=tuple(
            str(p) for p in sorted(Path("/sys/devices/system/cpu").glob("cpu*/thermal_throttle"))
        ),
        limits_swap=accounts_for_swap(layout),
        limits_huge_pages=has_hugetlb(layout),
        warnings=tuple(warnings),
    )


def _bounding_set() -> tuple[str, ...]:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return capability_names(int(line.split()[1], 16))
    return ()


def _unwritable(layout: Layout) -> str | None:
    """The first cgroup tree in which no group can be made."""
    if layout.version is Version.V2:
        return (
            None
            if os.access(Path(layout.trees[0][1], "cgroup.subtree_control"), os.W_OK)
            else layout.trees[0][1]
        )
    return next((tree for _, tree in layout.trees if not os.access(tree, os.W_OK)), None)
