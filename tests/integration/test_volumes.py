"""Volumes on the real host: mounts, modes and groups, evil subPaths, and what must survive `unmount_all`."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

import pytest

from pillion.clock import LoopClock
from pillion.objects.models import core_v1, meta_v1
from pillion.plan.containerspec import Mount
from pillion.plan.facts import Allocatable, NodeFacts
from pillion.statedir import StateDir
from pillion.volumes import SubPathError, Volumes, mounts
from pillion.volumes.removal import MountInTheWayError, remove_tree

pytestmark = pytest.mark.host

UID = "0a1b2c3d"
NODE = NodeFacts(name="here", hostname="here", allocatable=Allocatable(memory_bytes=1 << 30))
T = TypeVar("T")


class Objects:
    """Objects that the test may change under the volumes."""

    def __init__(self) -> None:
        self.config: core_v1.ConfigMap | None = core_v1.ConfigMap(data={"a": "1", "b": "2"})
        self.credentials: core_v1.Secret | None = core_v1.Secret(data={"token": "czNjcjN0"})

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None:
        return self.config if name == "settings" else None

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
        return self.credentials if name == "credentials" else None


class Host:
    """One state directory and one pod; each call gets a fresh process' view of it."""

    def __init__(self, root: Path) -> None:
        self.state = StateDir(PurePosixPath(root / "state"))
        self.outside = root / "outside"
        self.outside.mkdir()
        self.objects = Objects()
        self.pod = core_v1.Pod(
            metadata=meta_v1.ObjectMeta(name="agent", namespace="team", uid=UID, labels={"app": "agent"}),
            spec=core_v1.PodSpec(containers=[core_v1.Container(name="main")]),
        )

    def group(self, group: int) -> None:
        assert self.pod.spec is not None
        self.pod.spec.securityContext = core_v1.PodSecurityContext(fsGroup=group)

    def path(self, volume: str) -> Path:
        return Path(self.state.volume(UID, volume))

    def run(self, ask: Callable[[Volumes], Awaitable[T]]) -> T:
        async def call() -> T:
            return await ask(Volumes(self.state, LoopClock()))

        return asyncio.run(call())

    def mount(
        self, *volumes: core_v1.Volume, pod_memory_bytes: int | None = None
    ) -> tuple[tuple[str, str], ...]:
        return self.run(
            lambda v: v.mount_all(self.pod, volumes, self.objects, NODE, pod_memory_bytes=pod_memory_bytes)
        )

    def sub_path(self, volume: str, sub_path: str, index: int = 0, source: Path | None = None) -> Path:
        wanted = Mount(
            source=str(source or self.path(volume)), destination="/x", volume=volume, sub_path=sub_path
        )
        return Path(self.run(lambda v: v.prepare_sub_path(UID, wanted, container="main", index=index)))

    def unmount(self) -> None:
        self.run(lambda v: v.unmount_all(UID))

    def usage(self, volume: str) -> int:
        return self.run(lambda v: v.usage(UID, volume))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    for point in mounts.mount_points_below(str(tmp_path)):
        mounts.unmount(point)


def empty_dir(name: str = "v", **source: object) -> core_v1.Volume:
    return core_v1.Volume(name=name, emptyDir=core_v1.EmptyDirVolumeSource(**source))


def config_map(name: str = "v", **source: object) -> core_v1.Volume:
    given = {"name": "settings", "defaultMode": 0o644} | source
    return core_v1.Volume(name=name, configMap=core_v1.ConfigMapVolumeSource(**given))


def secret(name: str = "v", **source: object) -> core_v1.Volume:
    given = {"secretName": "credentials", "defaultMode": 0o644} | source
    return core_v1.Volume(name=name, secret=core_v1.SecretVolumeSource(**given))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def owner_group(path: Path) -> int:
    return path.lstat().st_gid


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_an_empty_dir_is_open_to_everybody_whatever_the_umask(host: Host, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert host.mount(empty_dir()) == ()
    finally:
        os.umask(before)
    assert mode(host.path("v")) == 0o777


def test_setting_up_again_leaves_what_containers_made_of_a_volume(host: Host) -> None:
    host.mount(empty_dir(), empty_dir("mem", medium="Memory"))
    for name in ("v", "mem"):
        (host.path(name) / "data").write_text("kept")
        host.path(name).chmod(0o700)
    assert host.mount(empty_dir(), empty_dir("mem", medium="Memory")) == ()
    for name in ("v", "mem"):
        assert (host.path(name) / "data").read_text() == "kept"
        assert mode(host.path(name)) == 0o700
    assert len(mounts.mount_points_below(str(host.state.root))) == 1


@pytest.mark.parametrize(
    ("size_limit", "pod_limit", "size"),
    [(None, None, 1 << 30), ("8Mi", None, 8 << 20), ("8Mi", 4 << 20, 4 << 20), ("2Gi", None, 1 << 30)],
)
def test_an_empty_dir_in_memory_is_a_tmpfs_of_the_smallest_limit(
    host: Host, size_limit: str | None, pod_limit: int | None, size: int
) -> None:
    assert host.mount(empty_dir(medium="Memory", sizeLimit=size_limit), pod_memory_bytes=pod_limit) == ()
    filesystem = os.statvfs(host.path("v"))
    assert filesystem.f_blocks * filesystem.f_frsize == size
    assert mode(host.path("v")) == 0o1777


def test_an_unknown_medium_and_huge_pages_the_kernel_lacks_fail_and_leave_nothing(host: Host) -> None:
    assert host.pod.spec is not None
    host.pod.spec.containers[0].resources = core_v1.ResourceRequirements(requests={"hugepages-3Mi": "3Mi"})
    failures = dict(host.mount(empty_dir("odd", medium="Tape"), empty_dir("huge", medium="HugePages-3Mi")))
    assert failures["odd"] == 'unknown storage medium "Tape"'
    assert failures["huge"].startswith("cannot mount hugetlbfs at ")
    assert list(Path(host.state.volume(UID, "x")).parent.iterdir()) == []


@pytest.mark.parametrize(
    ("volume", "root", "file", "directory"),
    [
        (empty_dir(), 0o2777, None, None),
        (empty_dir(medium="Memory"), 0o3777, None, None),
        (config_map(), 0o2777, 0o644, 0o2755),
        (config_map(defaultMode=0o400), 0o2777, 0o440, 0o2755),
        (secret(), 0o3777, 0o644, 0o2755),
        (secret(defaultMode=0o600), 0o3777, 0o640, 0o2755),
    ],
)
def test_an_fs_group_owns_the_volume(
    host: Host, volume: core_v1.Volume, root: int, file: int | None, directory: int | None
) -> None:
    host.group(4321)
    assert host.mount(volume) == ()
    assert (mode(host.path("v")), owner_group(host.path("v"))) == (root, 4321)
    if file is not None:
        written = next((host.path("v") / "..data/").iterdir())
        assert (mode(written), owner_group(written)) == (file, 4321)
        assert (mode(written.parent), owner_group(written.parent)) == (directory, 4321)


def test_secrets_lie_in_memory_and_config_maps_on_the_disk(host: Host) -> None:
    assert host.mount(secret("s"), config_map("c")) == ()
    assert (host.path("s") / "token").read_text() == "s3cr3t"
    assert mounts.mount_points_below(str(host.state.root)) == [str(host.path("s"))]


UNSUPPORTED = (
    "{} volumes are not supported by pillion yet: "
    "use emptyDir, hostPath, configMap, secret, downwardAPI or projected"
)


def test_only_what_is_missing_fails_and_a_later_call_completes_it(host: Host) -> None:
    config, host.objects.config = host.objects.config, None
    volumes = (
        empty_dir("data"),
        config_map("conf"),
        core_v1.Volume(name="net", nfs=core_v1.NFSVolumeSource("/", "s")),
    )
    assert host.mount(*volumes) == (
        ("conf", 'configmap "settings" not found'),
        (
            "net",
            UNSUPPORTED.format("nfs"),
        ),
    )
    assert host.path("data").is_dir()
    assert not host.path("conf").exists()
    host.objects.config = config
    assert host.mount(*volumes[:2]) == ()
    assert (host.path("conf") / "a").read_text() == "1"


def test_a_refresh_follows_the_object_and_says_what_changed(host: Host) -> None:
    volumes = (config_map("conf"), secret("cred"), empty_dir("data"))
    host.mount(*volumes)

    def refresh() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        done = host.run(lambda v: v.refresh(host.pod, volumes, host.objects, NODE))
        return done.updated, done.failures

    assert refresh() == ((), ())
    host.objects.config = core_v1.ConfigMap(data={"b": "3"})
    assert refresh() == (("conf",), ())
    assert sorted(path.name for path in host.path("conf").iterdir() if not path.name.startswith("..")) == [
        "b"
    ]
    host.objects.config = None
    assert refresh() == ((), (("conf", 'configmap "settings" not found'),))
    assert (host.path("conf") / "b").read_text() == "3"


def test_a_full_volume_keeps_its_version_and_no_rest_of_the_new_one(host: Host) -> None:
    volume = secret()
    host.mount(volume, pod_memory_bytes=64 << 10)
    host.objects.credentials = core_v1.Secret(data={"token": "QUFB" * (1 << 16)})
    ((name, message),) = host.mount(volume, pod_memory_bytes=64 << 10)
    assert (name, message.rpartition(": ")[2]) == ("v", "no space left on device")
    assert (host.path("v") / "token").read_text() == "s3cr3t"
    assert len([path for path in host.path("v").iterdir() if path.name.startswith("..")]) == 2


@pytest.mark.parametrize("medium", ["", "Memory"])
def test_usage_is_what_the_volume_occupies(host: Host, medium: str) -> None:
    host.mount(empty_dir(medium=medium))
    empty = host.usage("v")
    (host.path("v") / "full").write_bytes(b"x" * 1_000_000)
    os.sync()
    assert 1_000_000 <= host.usage("v") - empty <= 1_100_000


def test_a_sub_path_is_created_with_the_mode_of_the_volume(host: Host) -> None:
    host.group(4321)
    host.mount(empty_dir())
    bound = host.sub_path("v", "logs/agent")
    assert bound == Path(host.state.sub_paths(UID) / "v/main/0")
    assert mounts.is_mount_point(str(bound))
    for directory in ("logs", "logs/agent"):
        assert mode(host.path("v") / directory) == 0o2777
        assert owner_group(host.path("v") / directory) == 4321
    (bound / "line").write_text("x")
    assert (host.path("v") / "logs/agent/line").read_text() == "x"


def test_a_sub_path_can_be_a_file_and_a_link_that_stays_inside(host: Host) -> None:
    host.mount(config_map())
    assert host.sub_path("v", "a").read_text() == "1"
    (host.outside / "releases/5").mkdir(parents=True)
    (host.outside / "current").symlink_to(host.outside / "releases/5")
    bound = host.sub_path("h", "current", 1, source=host.outside)
    assert bound.samefile(host.outside / "releases/5")


def test_a_restarted_container_gets_the_new_file_of_an_updated_config_map(host: Host) -> None:
    host.mount(config_map())
    first = host.sub_path("v", "a")
    assert host.sub_path("v", "a") == first
    assert len(mounts.mount_points_below(str(host.state.root))) == 1
    host.objects.config = core_v1.ConfigMap(data={"a": "new"})
    host.mount(config_map())
    assert first.read_text() == "1"  # a running container keeps what it has
    assert host.sub_path("v", "a").read_text() == "new"
    assert len(mounts.mount_points_below(str(host.state.root))) == 1


CREATE = 'failed to create subPath directory for volumeMount "v" of container "main"'
PREPARE = 'failed to prepare subPath for volumeMount "v" of container "main"'


@pytest.mark.parametrize(
    ("sub_path", "message"),
    [
        ("to-outside", PREPARE),
        ("to-outside/secret", PREPARE),
        ("to-outside/new", CREATE),
        ("relative", PREPARE),
        ("dangling", CREATE),
        ("dangling/new", CREATE),
        ("loop", PREPARE),
        ("file/below", PREPARE),
        ("/etc", "error SubPath `/etc` must not be an absolute path"),
        ("a/../../x", "unable to provision SubPath `a/../../x`: must not contain '..'"),
    ],
)
def test_a_sub_path_that_leads_elsewhere_is_refused(host: Host, sub_path: str, message: str) -> None:
    host.mount(empty_dir())
    volume = host.path("v")
    (host.outside / "secret").write_text("host's own")
    (volume / "to-outside").symlink_to(host.outside)
    (volume / "relative").symlink_to("../../../../../outside")
    (volume / "dangling").symlink_to(host.outside / "missing")
    (volume / "loop").symlink_to("loop")
    (volume / "file").write_text("x")
    with pytest.raises(SubPathError) as refused:
        host.sub_path("v", sub_path)
    assert str(refused.value) == message
    assert [path.name for path in host.outside.iterdir()] == ["secret"]
    assert mounts.mount_points_below(str(host.state.root)) == []


def test_unmounting_never_touches_what_a_host_path_or_a_link_leads_to(host: Host) -> None:
    (host.outside / "data").mkdir()
    (host.outside / "data/precious").write_text("kept")
    source = core_v1.HostPathVolumeSource(path=str(host.outside), type="Directory")
    volumes = (
        core_v1.Volume(name="h", hostPath=source),
        empty_dir("v"),
        empty_dir("mem", medium="Memory"),
        config_map("conf"),
        secret("cred"),
    )
    assert host.mount(*volumes) == ()
    host.sub_path("h", "data", source=host.outside)
    host.sub_path("h", "data/precious", 1, source=host.outside)
    host.sub_path("v", "deep/er", 2)
    # what a privileged container's Bidirectional mount leaves in a volume, stacked
    inner = host.path("v") / "inner"
    inner.mkdir()
    mounts.bind(str(host.outside), str(inner))
    mounts.bind(str(host.outside / "data"), str(inner))
    (host.path("v") / "link").symlink_to(host.outside)
    host.unmount()
    assert (host.outside / "data/precious").read_text() == "kept"
    assert list(Path(host.state.pod(UID)).iterdir()) == []
    assert mounts.mount_points_below(str(host.state.root)) == []
    host.unmount()


def test_a_mount_that_came_back_stops_the_deletion(host: Host) -> None:
    """As if somebody mounted between taking the mounts off and deleting: the walk itself must stop there."""
    host.mount(empty_dir())
    (host.outside / "precious").write_text("kept")
    inner = host.path("v") / "inner"
    inner.mkdir()
    mounts.bind(str(host.outside), str(inner))
    with pytest.raises(MountInTheWayError, match="is a mount point"):
        remove_tree(str(host.path("v")))
    assert (host.outside / "precious").read_text() == "kept"


def test_a_new_process_adopts_and_removes_what_an_old_one_mounted(host: Host) -> None:
    """Every call above runs on a new Volumes, so this is about an unfinished one."""
    host.mount(empty_dir("v"))
    unfinished = host.path("w").with_name("..w")
    unfinished.mkdir()
    (unfinished / "rest").write_text("x")
    assert host.mount(empty_dir("w")) == ()
    assert list(host.path("w").iterdir()) == []
    host.unmount()
    assert list(Path(host.state.pod(UID)).iterdir()) == []


def test_a_cancelled_mount_does_not_race_with_the_unmount(host: Host) -> None:
    volumes = [empty_dir(f"v{number}", medium="Memory") for number in range(20)]

    async def cancel_at_once() -> None:
        driver = Volumes(host.state, LoopClock())
        async with asyncio.TaskGroup() as group:
            mounting = group.create_task(driver.mount_all(host.pod, volumes, host.objects, NODE))
            await asyncio.sleep(0)
            mounting.cancel()
        await driver.unmount_all(UID)

    asyncio.run(cancel_at_once())
    assert mounts.mount_points_below(str(host.state.root)) == []
