"""ContainerSpec → runtime spec: a base container, one small change, one expected difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.runtime_lab import container_spec, state_of

from pillion.containers.bundle import HostDevice, Surroundings, build_runtime_spec
from pillion.containers.security import DEFAULT_CAPABILITIES, capabilities, capability_names
from pillion.plan.containerspec import Identity, Mount, Propagation, Resources, Seccomp, Security

ALL = capability_names((1 << 41) - 1)


def around(**changes: Any) -> Surroundings:
    fields: dict[str, Any] = {
        "rootfs": "/c/rootfs",
        "cgroup": "/pillion/podX/ID",
        "cgroup_v2": False,
        "shm": "/s/shm",
        "net": "/s/net",
        "ipc": "/s/ipc",
        "uts": "/s/uts",
        "pid": None,
        "capabilities": ALL,
    }
    return Surroundings(**(fields | changes))


def built(changes: dict[str, Any] | None = None, **surroundings: Any) -> dict[str, Any]:
    spec = container_spec(state_of(Path("/state")), "c", "/bin/true", **(changes or {}))
    return build_runtime_spec(spec, around(**surroundings))


def at(mounts: list[dict[str, Any]], destination: str) -> list[dict[str, Any]]:
    return [mount for mount in mounts if mount["destination"] == destination]


@pytest.mark.parametrize(
    ("changes", "surroundings", "namespaces"),
    [
        ({}, {}, ["mount", "pid", "network=/s/net", "ipc=/s/ipc", "uts=/s/uts"]),
        ({}, {"net": None, "uts": None}, ["mount", "pid", "ipc=/s/ipc"]),
        ({"host_pid": True}, {"ipc": None}, ["mount", "network=/s/net", "uts=/s/uts"]),
        (
            {"share_process_namespace": True},
            {"pid": "/s/pid"},
            ["mount", "pid=/s/pid", "network=/s/net", "ipc=/s/ipc", "uts=/s/uts"],
        ),
        (
            {"target_id": "t" * 64},
            {"pid": "/proc/7/ns/pid"},
            ["mount", "pid=/proc/7/ns/pid", "network=/s/net", "ipc=/s/ipc", "uts=/s/uts"],
        ),
        ({}, {"cgroup_v2": True}, ["mount", "pid", "network=/s/net", "ipc=/s/ipc", "uts=/s/uts", "cgroup"]),
        (
            {"security": Security(privileged=True)},
            {"cgroup_v2": True},
            ["mount", "pid", "network=/s/net", "ipc=/s/ipc", "uts=/s/uts"],
        ),
    ],
)
def test_namespaces(changes, surroundings, namespaces) -> None:
    found = built(changes, **surroundings)["linux"]["namespaces"]
    assert ["=".join(filter(None, (n["type"], n.get("path")))) for n in found] == namespaces


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (Security(), set(DEFAULT_CAPABILITIES)),
        (
            Security(add_capabilities=("NET_ADMIN", "cap_sys_time")),
            {*DEFAULT_CAPABILITIES, "CAP_NET_ADMIN", "CAP_SYS_TIME"},
        ),
        (Security(drop_capabilities=("KILL",)), {*DEFAULT_CAPABILITIES} - {"CAP_KILL"}),
        (Security(drop_capabilities=("ALL",), add_capabilities=("KILL",)), {"CAP_KILL"}),
        (Security(add_capabilities=("ALL",), drop_capabilities=("KILL",)), {*ALL} - {"CAP_KILL"}),
        (Security(add_capabilities=("ALL",), drop_capabilities=("ALL",)), set()),
        (Security(privileged=True, drop_capabilities=("ALL",)), {*ALL}),
    ],
)
def test_capabilities_start_from_the_defaults(security, expected) -> None:
    assert set(capabilities(security, ALL)) == expected


def test_a_host_that_lacks_a_capability_cannot_hand_it_on() -> None:
    assert "CAP_MKNOD" not in capabilities(Security(), tuple(name for name in ALL if name != "CAP_MKNOD"))


def test_the_environment_gets_a_path_and_a_host_name_unless_it_has_them() -> None:
    assert built()["process"]["env"] == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=pod",
    ]
    own = built({"env": (("PATH", "/mine"), ("HOSTNAME", "other"), ("A", "1")), "tty": True})["process"][
        "env"
    ]
    assert own == ["PATH=/mine", "TERM=xterm", "HOSTNAME=other", "A=1"]


def test_a_mount_of_the_pod_replaces_a_default_one_and_parents_come_first() -> None:
    mounts = built(
        {
            "mounts": (
                Mount(source="/v/deep", destination="/a/b/c"),
                Mount(source="/v/shm", destination="/dev/shm"),
                Mount(source="/v/top", destination="/a"),
            )
        }
    )["mounts"]
    assert [mount["source"] for mount in at(mounts, "/dev/shm")] == ["/v/shm"]
    order = [mount["destination"] for mount in mounts]
    assert order.index("/a") < order.index("/a/b/c")


@pytest.mark.parametrize(
    ("mount", "options", "root"),
    [
        ({}, ["rbind", "rprivate", "rw"], None),
        ({"read_only": True}, ["rbind", "rprivate", "ro"], None),
        ({"read_only": True, "recursive_read_only": True}, ["rbind", "rprivate", "rro"], None),
        ({"propagation": Propagation.HOST_TO_CONTAINER}, ["rbind", "rslave", "rw"], "rslave"),
        ({"propagation": Propagation.BIDIRECTIONAL}, ["rbind", "rshared", "rw"], "rshared"),
    ],
)
def test_mount_options(mount, options, root) -> None:
    spec = built({"mounts": (Mount(source="/v", destination="/m", **mount),)})
    assert at(spec["mounts"], "/m")[0]["options"] == options
    assert spec["linux"].get("rootfsPropagation") == root


def test_the_termination_message_file_is_mounted_once() -> None:
    (mount,) = at(built()["mounts"], "/dev/termination-log")
    assert mount["options"] == ["rbind", "rprivate", "rw"]
    planned = Mount(source="/elsewhere", destination="/dev/termination-log")
    (mount,) = at(built({"mounts": (planned,)})["mounts"], "/dev/termination-log")
    assert mount["source"] == "/elsewhere"


@pytest.mark.parametrize(
    ("asked", "floor", "given"), [(-997, -1000, -997), (-997, 0, 0), (1000, 0, 1000), (3, 3, 3)]
)
def test_the_oom_score_is_clamped_to_what_the_host_permits(asked, floor, given) -> None:
    changes = {"resources": Resources(oom_score_adj=asked)}
    assert built(changes, oom_score_adj_floor=floor)["process"]["oomScoreAdj"] == given


def test_limits_are_written_only_when_set() -> None:
    assert set(built()["linux"]["resources"]) == {"devices"}
    limits = Resources(cpu_shares=512, cpu_quota_us=50_000, memory_limit_bytes=1 << 20, pids_limit=10)
    resources = built({"resources": limits})["linux"]["resources"]
    assert resources["cpu"] == {"shares": 512, "quota": 50_000, "period": 100_000}
    assert resources["memory"] == {"limit": 1 << 20}
    assert resources["pids"] == {"limit": 10}


def test_a_memory_limit_counts_for_swap_too_where_the_kernel_can() -> None:
    limits = {"resources": Resources(memory_limit_bytes=1 << 20)}
    assert built(limits, limits_swap=True)["linux"]["resources"]["memory"] == {
        "limit": 1 << 20,
        "swap": 1 << 20,
    }


def test_huge_pages_are_limited_by_size() -> None:
    limits = {"resources": Resources(hugepage_limits=(("2MB", 4 << 20),))}
    assert built(limits)["linux"]["resources"]["hugepageLimits"] == [{"pageSize": "2MB", "limit": 4 << 20}]


@pytest.mark.parametrize(
    ("identity", "groups"),
    [
        (Identity(), [0]),
        (Identity(uid=5, gid=7, groups=(8, 9)), [7, 8, 9]),
        (Identity(uid=5, gid=7, groups=(8, 7)), [7, 8]),
    ],
)
def test_the_first_group_is_among_all_groups(identity, groups) -> None:
    assert built({"identity": identity})["process"]["user"]["additionalGids"] == groups


def test_a_dev_of_the_pods_own_keeps_nothing_of_the_default_one_but_the_shared_memory() -> None:
    mounts = built({"mounts": (Mount(source="/dev", destination="/dev/"),)})["mounts"]
    inside = [m["destination"] for m in mounts if m["destination"].startswith("/dev")]
    assert inside == ["/dev/shm", "/dev/", "/dev/termination-log"]


@pytest.mark.parametrize(
    ("changes", "hidden"),
    [
        ({}, ["/state", "/etc/kubernetes"]),
        ({"root_layers": ("/l/1", "/")}, ["/state", "/etc/kubernetes"]),
        ({"root_layers": ("/l/2", "/l/1")}, []),
        ({"security": Security(privileged=True)}, ["/state", "/etc/kubernetes"]),
        ({"mounts": (Mount(source="/etc/kubernetes/pki", destination="/etc/kubernetes/pki"),)}, ["/state"]),
    ],
)
def test_a_host_image_hides_where_other_pods_secrets_lie(changes, hidden) -> None:
    masked = built(changes, hidden_folders=("/state", "/etc/kubernetes"))["linux"]["maskedPaths"]
    assert [path for path in masked if not path.startswith(("/proc", "/sys"))] == hidden


def test_on_version_2_an_oom_kill_takes_the_whole_container_unless_told_otherwise() -> None:
    assert built(cgroup_v2=True)["linux"]["resources"]["unified"] == {"memory.oom.group": "1"}
    single = {"resources": Resources(single_process_oom_kill=True)}
    assert "unified" not in built(single, cgroup_v2=True)["linux"]["resources"]


def test_a_privileged_container_sees_everything_and_all_devices() -> None:
    device = HostDevice("/dev/kvm", "c", 10, 232, 0o660, 0, 0)
    linux = built(
        {"security": Security(privileged=True, seccomp=Seccomp(type="RuntimeDefault"))},
        host_devices=(device,),
    )["linux"]
    assert (linux["maskedPaths"], linux["readonlyPaths"]) == ([], [])
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert [d["path"] for d in linux["devices"]] == ["/dev/kvm"]
    assert "seccomp" not in linux


@pytest.mark.parametrize(
    ("granted", "allowed", "refused"),
    [
        (
            (),
            {"read", "personality", "chmod"},
            {"mount", "unshare", "ptrace_", "reboot", "bpf", "io_uring_setup"},
        ),
        (("CAP_SYS_ADMIN",), {"mount", "unshare", "bpf", "setns"}, {"reboot"}),
        (("CAP_SYS_BOOT",), {"reboot"}, {"mount"}),
    ],
)
def test_the_default_seccomp_profile_opens_with_capabilities(granted, allowed, refused) -> None:
    security = Security(
        seccomp=Seccomp(type="RuntimeDefault"), drop_capabilities=("ALL",), add_capabilities=granted
    )
    profile = built({"security": security})["linux"]["seccomp"]
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    names = {n for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for n in rule["names"]}
    assert allowed <= names
    assert not refused & names
