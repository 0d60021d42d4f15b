"""The volumes of pods on this machine: emptyDir, hostPath, configMap, secret, downwardAPI, projected.

What a volume should hold is decided first, on the caller's task and without touching the host (`payload`); a worker
thread then makes it so. Everything is found again on disk and in the mount table, so a new process carries on where
an old one died. Per pod, one thing happens at a time.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from pillion.clock import Clock
from pillion.errors import HostError
from pillion.objects.models import core_v1
from pillion.plan.containerspec import Mount
from pillion.plan.facts import NodeFacts
from pillion.plan.pods import identity_of, spec_of
from pillion.plan.references import Configs, EnvFiles
from pillion.statedir import StateDir
from pillion.units import Instant
from pillion.volumes import mounts, subpath
from pillion.volumes.atomicwriter import write_payload
from pillion.volumes.credentials import NO_CREDENTIALS, CertificateSource, CredentialBundle, Credentials
from pillion.volumes.emptydir import EmptyDir, huge_page_bytes, memory_size, set_up_empty_dir
from pillion.volumes.failure import SubPathError, VolumeError, host_reason
from pillion.volumes.hostpath import check_host_path
from pillion.volumes.ownership import apply_fs_group
from pillion.volumes.payload import Payload, build_payload, holds_payload
from pillion.volumes.removal import disk_usage, remove_tree

__all__ = [
    "NO_CREDENTIALS",
    "CertificateSource",
    "CredentialBundle",
    "Credentials",
    "Refresh",
    "SubPathError",
    "Volumes",
]

Failures = tuple[tuple[str, str], ...]
"""(volume, message); the message is what follows `MountVolume.SetUp failed for volume "v" : `."""

_T = TypeVar("_T")
_DIRECTORY_MODE = 0o750
"""Only root may look into the folder of a pod's volumes; what containers may do, the volumes say themselves."""

_SUPPORTED = frozenset(("emptyDir", "hostPath", "configMap", "secret", "downwardAPI", "projected"))


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """What an update of a pod's volumes did."""

    updated: tuple[str, ...] = ()
    """Volumes that show something new."""
    failures: Failures = ()
    """Volumes that go on showing what they showed."""


class _SetUp(msgspec.Struct, frozen=True, kw_only=True):
    """One volume, decided and not yet done."""

    name: str
    directory: EmptyDir | None = None
    payload: Payload | None = None
    host_path: core_v1.HostPathVolumeSource | None = None


class Volumes:
    """Sets volumes up under the state directory, keeps them current, and takes them away."""

    def __init__(self, state: StateDir, clock: Clock, credentials: Credentials = NO_CREDENTIALS) -> None:
        self._state = state
        self._clock = clock
        self._credentials = credentials
        self._locks: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()

    async def mount_all(
        self,
        pod: core_v1.Pod,
        volumes: Iterable[core_v1.Volume],
        configs: Configs,
        node: NodeFacts,
        *,
        pod_memory_bytes: int | None = None,
    ) -> Failures:
        """Set up what is missing of `volumes`; nothing returned means all are ready.

        `pod_memory_bytes` is the memory limit of the pod's cgroup, an upper bound for volumes in memory.
        """
        refresh = await self._bring_about(pod, volumes, configs, node, pod_memory_bytes)
        return refresh.failures

    async def refresh(
        self,
        pod: core_v1.Pod,
        volumes: Iterable[core_v1.Volume],
        configs: Configs,
        node: NodeFacts,
        *,
        pod_memory_bytes: int | None = None,
    ) -> Refresh:
        """Let configMap, secret, downwardAPI and projected volumes follow their objects. Others are left alone."""
        following = [volume for volume in volumes if holds_payload(volume)]
        return await self._bring_about(pod, following, configs, node, pod_memory_bytes)

    async def _bring_about(
        self,
        pod: core_v1.Pod,
        volumes: Iterable[core_v1.Volume],
        configs: Configs,
        node: NodeFacts,
        pod_memory_bytes: int | None,
    ) -> Refresh:
        uid = identity_of(pod).uid
        ready: list[_SetUp] = []
        failures: list[tuple[str, str]] = []
        chosen = tuple(volumes)
        await self._prepare(pod, chosen)
        # From here to the thread nothing waits: whoever decides later also writes later.
        for volume in chosen:
            try:
                ready.append(self._decide(pod, volume, configs, node, pod_memory_bytes))
            except VolumeError as error:
                failures.append((volume.name, str(error)))
        now = self._clock.now()
        done = await self._in_thread(uid, lambda: self._set_up_all(uid, ready, now))
        return Refresh(updated=done.updated, failures=(*failures, *done.failures))

    async def _prepare(self, pod: core_v1.Pod, volumes: Iterable[core_v1.Volume]) -> None:
        certificates = self._credentials.certificates
        if certificates is not None:
            for volume in volumes:
                if volume.projected is not None:
                    await certificates.prepare(pod, volume)

    def _decide(
        self,
        pod: core_v1.Pod,
        volume: core_v1.Volume,
        configs: Configs,
        node: NodeFacts,
        pod_memory_bytes: int | None,
    ) -> _SetUp:
        path = str(self._state.volume(identity_of(pod).uid, volume.name))
        context = spec_of(pod).securityContext
        group = None if context is None else context.fsGroup
        if volume.hostPath is not None:
            return _SetUp(name=volume.name, host_path=volume.hostPath)
        if holds_payload(volume):
            # ConfigMaps lie on the disk, everything else in memory only: the kubelet wraps an emptyDir each way.
            in_memory = volume.configMap is None
            return _SetUp(
                name=volume.name,
                directory=EmptyDir(
                    path=path,
                    medium="Memory" if in_memory else "",
                    size_bytes=memory_size(None, pod_memory_bytes, node.allocatable.memory_bytes),
                    fs_group=group,
                ),
                payload=build_payload(pod, volume, configs, node.allocatable, self._credentials),
            )
        if (kind := _unsupported(volume)) is not None:
            raise VolumeError(
                f"{kind} volumes are not supported by pillion yet: "
                "use emptyDir, hostPath, configMap, secret, downwardAPI or projected"
            )
        # A volume without a source is an emptyDir: objects/defaults writes it down, the kubelet takes it so too.
        source = volume.emptyDir or core_v1.EmptyDirVolumeSource()
        medium = source.medium or ""
        limit = None if source.sizeLimit is None else str(source.sizeLimit)
        return _SetUp(
            name=volume.name,
            directory=EmptyDir(
                path=path,
                medium=medium,
                size_bytes=memory_size(limit, pod_memory_bytes, node.allocatable.memory_bytes),
                page_bytes=huge_page_bytes(pod, medium) if medium.startswith("HugePages") else None,
                fs_group=group,
            ),
        )

    def _set_up_all(self, uid: str, ready: list[_SetUp], now: Instant) -> Refresh:
        updated: list[str] = []
        failures: list[tuple[str, str]] = []
        for volume in ready:
            try:
                parent = Path(self._state.volume(uid, volume.name)).parent
                parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
                if _set_up(volume, now):
                    updated.append(volume.name)
            except VolumeError as error:
                failures.append((volume.name, str(error)))
            except OSError as error:
                failures.append((volume.name, host_reason(error)))
        return Refresh(updated=tuple(updated), failures=tuple(failures))

    async def prepare_sub_path(self, pod_uid: str, mount: Mount, *, container: str, index: int) -> str:
        """The host path to bind instead of `mount.source`, for a mount with a `sub_path`; created if need be.

        `index` is the mount's position among those of the container, the same at every start of it. Raises
        SubPathError, whose text tells the container's user nothing about this host (pkg/kubelet/kubelet_pods.go:
        makeMounts).
        """
        volume, sub_path = mount.volume, mount.sub_path or ""
        if sub_path.startswith("/"):
            raise SubPathError(f"error SubPath `{sub_path}` must not be an absolute path")
        if ".." in sub_path.split("/"):
            raise SubPathError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
        target = Path(self._state.sub_paths(pod_uid) / volume / container / str(index))
        whose = f'for volumeMount "{volume}" of container "{container}"'

        def prepare() -> str:
            try:
                subpath.make_sub_path(mount.source, sub_path)
            except OSError as error:
                raise SubPathError(f"failed to create subPath directory {whose}") from error
            try:
                subpath.bind_sub_path(mount.source, sub_path, target)
            except OSError as error:
                raise SubPathError(f"failed to prepare subPath {whose}") from error
            return str(target)

        return await self._in_thread(pod_uid, prepare)

    async def unmount_all(self, pod_uid: str) -> None:
        """Take every volume of the pod away, whoever mounted it. Idempotent.

        Deletes only what lies in the state directory itself: all mounts come off first, and the deletion stops at
        one that came back. Raises HostError when a mount or a file resists; a later call goes on from there.
        """
        await self._in_thread(pod_uid, lambda: self._take_away(pod_uid))

    def _take_away(self, pod_uid: str) -> None:
        sub_paths = Path(self._state.sub_paths(pod_uid))
        volumes = Path(self._state.pod(pod_uid) / "volumes")
        try:
            for directory in (sub_paths, volumes):
                subpath.unmount_all_below(directory)
            subpath.clean_targets(sub_paths)
            if volumes.exists():
                for volume in volumes.iterdir():
                    remove_tree(str(volume))
                volumes.rmdir()
        except OSError as error:
            raise HostError(f"cannot remove the volumes of pod {pod_uid}: {host_reason(error)}") from error

    async def usage(self, pod_uid: str, volume: str) -> int:
        """Bytes that a volume occupies: what an emptyDir's sizeLimit is compared with."""
        path = str(self._state.volume(pod_uid, volume))
        return await asyncio.to_thread(_usage, path)

    def env_files(self, pod_uid: str) -> EnvFiles:
        """The files of the pod's volumes, for `fileKeyRef`."""
        return _EnvFiles(state=self._state, pod_uid=pod_uid)

    async def _in_thread(self, pod_uid: str, work: Callable[[], _T]) -> _T:
        """One at a time per pod, also when the caller was cancelled and its thread still works."""
        lock = self._locks.setdefault(pod_uid, threading.Lock())

        def locked() -> _T:
            with lock:
                return work()

        return await asyncio.to_thread(locked)


class _EnvFiles(msgspec.Struct, frozen=True, kw_only=True):
    state: StateDir
    pod_uid: str

    def read(self, volume: str, path: str) -> str | None:
        return subpath.read_inside(str(self.state.volume(self.pod_uid, volume)), path)


def _unsupported(volume: core_v1.Volume) -> str | None:
    """The name of the volume's source, unless it is one of ours."""
    fields = (field for field in volume.__struct_fields__ if field != "name")
    given = next((field for field in fields if getattr(volume, field) is not None), "emptyDir")
    return None if given in _SUPPORTED else given


def _set_up(volume: _SetUp, now: Instant) -> bool:
    """Whether a payload was written."""
    if volume.host_path is not None:
        check_host_path(volume.host_path)
    if volume.directory is None:
        return False
    set_up_empty_dir(volume.directory)
    if volume.payload is None:
        return False
    group = volume.directory.fs_group

    def set_permissions(fresh: Path) -> None:
        if group is not None:
            apply_fs_group(str(fresh), group, read_only=True)

    return write_payload(
        Path(volume.directory.path), volume.payload, now=now, set_permissions=set_permissions
    )


def _usage(path: str) -> int:
    if mounts.is_mount_point(path):
        filesystem = os.statvfs(path)  # a filesystem of its own knows without being walked
        return (filesystem.f_blocks - filesystem.f_bfree) * filesystem.f_frsize
    return disk_usage(path)
