"""Control groups: one per pod with the pod's limits, and below it one per container, made by runc.

    /pillion/POD        /pillion/burstable/podUID/ID        /pillion/besteffort/podUID/ID

as the kubelet's cgroupfs driver lays them out below /kubepods (pkg/kubelet/cm/qos_container_manager_linux.go).
Version 1 has a tree per controller, version 2 one tree for all. "Hybrid" is version 1 with an empty version 2 tree
beside it, and is treated as version 1.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import msgspec

from pillion.plan.containerspec import Resources

_ROOT_NAME = "pillion"


class Version(StrEnum):
    V1 = "v1"
    V2 = "v2"


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where the trees are mounted."""

    version: Version
    trees: tuple[tuple[str, str], ...]
    """(controllers, mount point): version 1 has several (`cpu,cpuacct` …), version 2 one, without names."""

    def tree(self, controller: str) -> str | None:
        """The mount point of the tree that holds `controller`."""
        if self.version is Version.V2:
            return self.trees[0][1]
        return next((at for names, at in self.trees if controller in names.split(",")), None)


def accounts_for_swap(layout: Layout) -> bool:
    """Whether groups can be limited in what they swap: the kernel may have been built, or booted, without."""
    tree = layout.tree("memory")
    if tree is None:
        return False
    if layout.version is Version.V1:
        return Path(tree, "memory.memsw.limit_in_bytes").exists()
    return next(Path(tree).glob("*/memory.swap.max"), None) is not None  # the root group itself has no limits


def has_hugetlb(layout: Layout) -> bool:
    tree = layout.tree("hugetlb")
    if tree is None or layout.version is Version.V1:
        return tree is not None
    return "hugetlb" in Path(tree, "cgroup.controllers").read_text().split()


def detect_layout(mountinfo: str) -> Layout | None:
    """Read /proc/self/mountinfo. None when no cgroup tree is mounted."""
    v1: list[tuple[str, str]] = []
    v2: list[tuple[str, str]] = []
    for line in mountinfo.splitlines():
        fields, _, tail = line.partition(" - ")
        kind, _, rest = tail.partition(" ")
        mount_point = fields.split(" ")[4]
        if kind == "cgroup":
            options = rest.rsplit(" ", 1)[-1].split(",")
            names = [name.removeprefix("name=") for name in options if name not in _MOUNT_OPTIONS]
            v1.append((",".join(names), mount_point))
        elif kind == "cgroup2":
            v2.append(("", mount_point))
    if any("memory" in names.split(",") for names, _ in v1):
        # runc makes its groups in a hybrid machine's empty version 2 tree, too; they have to be removed there.
        return Layout(version=Version.V1, trees=(*v1, *v2))
    if v2:
        return Layout(version=Version.V2, trees=(v2[0],))
    return None


_MOUNT_OPTIONS = frozenset({"rw", "ro", "xattr", "clone_children", "noprefix", "release_agent"})


def pod_path(pod_uid: str, qos_class: str) -> str:
    """The pod's group, relative to every tree. A Guaranteed pod sits directly under the root, as with the kubelet."""
    middle = "" if qos_class == "Guaranteed" else f"/{qos_class.lower()}"
    return f"/{_ROOT_NAME}{middle}/pod{pod_uid}"


class Cgroups:
    """Makes, kills, reads and removes groups. Paths are as in `pod_path`: absolute within a tree."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def create_pod(self, path: str, resources: Resources) -> None:
        """Raises OSError."""
        if self._layout.version is Version.V2:
            self._create_v2(path)
        for controller, file, value in _limits(self._layout.version, resources):
            tree = self._layout.tree(controller)
            if tree is None:
                continue
            group = Path(tree + path)
            group.mkdir(parents=True, exist_ok=True)
            (group / file).write_text(value)

    def _create_v2(self, path: str) -> None:
        """Controllers have to be handed down level by level, from the root to the pod itself."""
        group = Path(self._layout.trees[0][1])
        available = (group / "cgroup.controllers").read_text().split()
        wanted = " ".join(
            f"+{name}" for name in ("cpu", "cpuset", "hugetlb", "io", "memory", "pids") if name in available
        )
        for part in path.strip("/").split("/"):
            (group / "cgroup.subtree_control").write_text(wanted)
            group = group / part
            group.mkdir(exist_ok=True)
        (group / "cgroup.subtree_control").write_text(wanted)

    def kill(self, path: str) -> None:
        """SIGKILL to every process in the group and below. No error when it is empty or gone."""
        if self._layout.version is Version.V2:
            switch = Path(self._layout.trees[0][1] + path, "cgroup.kill")
            try:
                switch.write_text("1")
            except FileNotFoundError:
                if switch.parent.exists():  # Linux before 5.14
                    _kill_one_by_one(switch.parent)
            return
        tree = self._layout.tree("freezer") or self._layout.tree("pids") or self._layout.trees[0][1]
        _kill_one_by_one(Path(tree + path))

    def processes(self, path: str) -> frozenset[int]:
        """Process IDs in the group and below."""
        tree = self._layout.tree("pids") or self._layout.trees[0][1]
        return frozenset(pid for folder, _, _ in os.walk(tree + path) for pid in _read_pids(Path(folder)))

    def oom_kills(self, path: str) -> int:
        """How many processes of the group the kernel has killed for want of memory; 0 when the group is gone.

        Whoever of its processes it was: containerd reports OOMKilled for any of them, too.
        """
        tree = self._layout.tree("memory")
        if tree is None:
            return 0
        file = "memory.events" if self._layout.version is Version.V2 else "memory.oom_control"
        try:
            text = Path(tree + path, file).read_text()
        except FileNotFoundError:
            return 0
        return next(
            (int(v) for k, _, v in (line.partition(" ") for line in text.splitlines()) if k == "oom_kill"), 0
        )

    def remove_container(self, path: str) -> None:
        """Remove a container's group in every tree. Nothing may run in it any more. Raises OSError."""
        for _, tree in self._layout.trees:
            _remove_tree(Path(tree + path))

    def remove_pod(self, path: str) -> None:
        """Remove the pod's group and what is below it, in every tree, then every parent of ours that is now empty.

        Nothing may run in it any more. Raises OSError.
        """
        for _, tree in self._layout.trees:
            _remove_tree(Path(tree + path))
            parent = Path(tree + path).parent
            while parent != Path(tree):
                try:
                    parent.rmdir()
                except OSError:  # another pod is in there
                    break
                parent = parent.parent


def _limits(version: Version, limits: Resources) -> Iterable[tuple[str, str, str]]:
    """(controller, file, value) for the pod's group, as runc's cgroup managers write them."""
    if version is Version.V1:
        yield "pids", "pids.max", "max" if limits.pids_limit is None else str(limits.pids_limit)
        if limits.cpu_shares is not None:
            yield "cpu", "cpu.shares", str(limits.cpu_shares)
        if limits.cpu_quota_us is not None:
            yield "cpu", "cpu.cfs_period_us", str(limits.cpu_period_us)
            yield "cpu", "cpu.cfs_quota_us", str(limits.cpu_quota_us)
        if limits.memory_limit_bytes is not None:
            yield "memory", "memory.limit_in_bytes", str(limits.memory_limit_bytes)
        return
    if limits.pids_limit is not None:
        yield "pids", "pids.max", str(limits.pids_limit)
    if limits.cpu_shares is not None:
        yield "cpu", "cpu.weight", str(cpu_weight(limits.cpu_shares))
    if limits.cpu_quota_us is not None:
        yield "cpu", "cpu.max", f"{limits.cpu_quota_us} {limits.cpu_period_us}"
    if limits.memory_limit_bytes is not None:
        yield "memory", "memory.max", str(limits.memory_limit_bytes)


def cpu_weight(shares: int) -> int:
    """Version 1's shares [2, 262144] on version 2's scale [1, 10000] (KEP-2254)."""
    return 1 + ((max(2, min(shares, 262144)) - 2) * 9999) // 262142


def _read_pids(group: Path) -> list[int]:
    try:
        return [int(line) for line in (group / "cgroup.procs").read_text().split()]
    except FileNotFoundError:
        return []


def _kill_one_by_one(group: Path) -> None:
    """Kill what is in the group and below while it is frozen: otherwise a fork could slip through."""
    groups = [Path(folder) for folder, _, _ in os.walk(group)]
    freezer = group / "freezer.state"
    frozen = _write_if_there(freezer, "FROZEN")
    try:
        for member in groups:
            for pid in _read_pids(member):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
    finally:
        if frozen:
            _write_if_there(freezer, "THAWED")


def _write_if_there(file: Path, value: str) -> bool:
    try:
        file.write_text(value)
    except FileNotFoundError:
        return False
    return True


def _remove_tree(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
