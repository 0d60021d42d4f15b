"""Cgroup trees as they are found, and the limits of a pod in either version."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillion.containers.cgroups import Cgroups, Layout, Version, cpu_weight, detect_layout, pod_path
from pillion.plan.containerspec import Resources

V1 = """\
30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd
"""
UNIFIED = "34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
V2 = "31 30 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

V1_TREES = (
    ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct"),
    ("memory", "/sys/fs/cgroup/memory"),
    ("systemd", "/sys/fs/cgroup/systemd"),
)


@pytest.mark.parametrize(
    ("mountinfo", "layout"),
    [
        (V1, Layout(version=Version.V1, trees=V1_TREES)),
        (V1 + UNIFIED, Layout(version=Version.V1, trees=(*V1_TREES, ("", "/sys/fs/cgroup/unified")))),
        (V2, Layout(version=Version.V2, trees=(("", "/sys/fs/cgroup"),))),
        ("22 1 0:20 / /proc rw - proc proc rw\n", None),
    ],
)
def test_the_layout_is_read_from_mountinfo(mountinfo, layout) -> None:
    assert detect_layout(mountinfo) == layout


@pytest.mark.parametrize(
    ("qos", "path"),
    [
        ("Guaranteed", "/pillion/podU"),
        ("Burstable", "/pillion/burstable/podU"),
        ("BestEffort", "/pillion/besteffort/podU"),
    ],
)
def test_a_pods_group_is_where_the_kubelet_would_have_it(qos, path) -> None:
    assert pod_path("U", qos) == path


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000), (0, 1), (10**9, 10000)])
def test_shares_become_a_weight(shares, weight) -> None:
    assert cpu_weight(shares) == weight


LIMITS = Resources(cpu_shares=1024, cpu_quota_us=50_000, memory_limit_bytes=64 << 20, pids_limit=100)


def test_version_1_limits_go_to_each_controllers_tree(tmp_path: Path) -> None:
    trees = tuple((name, str(tmp_path / name)) for name in ("cpu", "memory", "pids"))
    cgroups = Cgroups(Layout(version=Version.V1, trees=trees))
    cgroups.create_pod("/pillion/podU", LIMITS)
    written = {p.name: p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    assert written == {
        "cpu.shares": "1024",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
        "memory.limit_in_bytes": str(64 << 20),
        "pids.max": "100",
    }


def test_version_2_hands_controllers_down_to_the_pod(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    cgroups = Cgroups(Layout(version=Version.V2, trees=(("", str(tmp_path)),)))
    cgroups.create_pod("/pillion/burstable/podU", LIMITS)
    handed = {
        p.parent.relative_to(tmp_path).as_posix(): p.read_text() for p in tmp_path.rglob("*subtree_control")
    }
    assert handed == dict.fromkeys(
        (".", "pillion", "pillion/burstable", "pillion/burstable/podU"),
        "+cpu +cpuset +hugetlb +io +memory +pids",
    )
    pod = tmp_path / "pillion/burstable/podU"
    assert {p.name: p.read_text() for p in pod.iterdir() if p.name != "cgroup.subtree_control"} == {
        "cpu.weight": "39",
        "cpu.max": "50000 100000",
        "memory.max": str(64 << 20),
        "pids.max": "100",
    }


@pytest.mark.parametrize(
    ("version", "file", "text", "kills"),
    [
        (Version.V1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
        (Version.V1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", 0),
        (Version.V2, "memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 1\n", 1),
        (Version.V2, "memory.events", None, 0),
    ],
)
def test_oom_kills_are_counted(tmp_path: Path, version, file, text, kills) -> None:
    group = tmp_path / "g"
    if text is not None:
        group.mkdir()
        (group / file).write_text(text)
    name = "memory" if version is Version.V1 else ""
    assert Cgroups(Layout(version=version, trees=((name, str(tmp_path)),))).oom_kills("/g") == kills
