"""Where a container's files come from: its volumeMounts, the files the kubelet provides, the image's own folders.

kubelet_pods.go: makeMounts, and containerd's containerMounts for what the runtime adds.
"""

import posixpath
from collections.abc import Iterable, Mapping

from pillion.objects.models import core_v1
from pillion.plan.containerspec import Mount, Propagation
from pillion.plan.expansion import expand
from pillion.plan.pods import AnyContainer, identity_of, spec_of
from pillion.plan.references import ConfigError
from pillion.plan.volumes import is_read_only
from pillion.statedir import StateDir

_PROPAGATIONS = {
    None: Propagation.PRIVATE,
    "": Propagation.PRIVATE,
    "None": Propagation.PRIVATE,
    "HostToContainer": Propagation.HOST_TO_CONTAINER,
    "Bidirectional": Propagation.BIDIRECTIONAL,
}


def volume_mounts(
    pod: core_v1.Pod, container: AnyContainer, env: Mapping[str, str], state: StateDir
) -> tuple[Mount, ...]:
    """The container's volumeMounts, in the order of the spec. `env` is its resolved environment, for subPathExpr.

    Raises ConfigError in Kubernetes' words.
    """
    uid = identity_of(pod).uid
    volumes = {volume.name: volume for volume in spec_of(pod).volumes or ()}
    mounts = []
    for mount in container.volumeMounts or ():
        volume = volumes.get(mount.name)
        if volume is None:
            raise ConfigError(f'cannot find volume "{mount.name}" to mount into container "{container.name}"')
        mounts.append(
            Mount(
                source=_source(volume, uid, state),
                volume=volume.name,
                sub_path=_sub_path(mount, env),
                destination=_absolute(mount.mountPath),
                read_only=bool(mount.readOnly) or is_read_only(volume),
                recursive_read_only=_is_recursive_read_only(mount),
                propagation=_propagation(mount.mountPropagation),
            )
        )
    return tuple(mounts)


def provided_files(
    uid: str,
    state: StateDir,
    *,
    mounted: Iterable[Mount],
    has_hosts_file: bool,
    read_only_root: bool,
) -> tuple[Mount, ...]:
    """/etc/hosts, /etc/hostname and /etc/resolv.conf of the pod, except where the container mounts something itself.

    The hosts file stays writable even on a read-only root; the other two do not.
    """
    folder = state.pod(uid)
    candidates = [
        Mount(source=str(folder / "hostname"), destination="/etc/hostname", read_only=read_only_root),
        Mount(source=str(folder / "resolv.conf"), destination="/etc/resolv.conf", read_only=read_only_root),
    ]
    if has_hosts_file:
        candidates.insert(0, Mount(source=str(folder / "etc-hosts"), destination="/etc/hosts"))
    taken = {posixpath.normpath(mount.destination) for mount in mounted}
    return tuple(file for file in candidates if file.destination not in taken)


def arrange_mounts(image: Iterable[Mount], pod: Iterable[Mount]) -> tuple[Mount, ...]:
    """All mounts in an order in which none hides another: parents before what lies below them.

    What the pod mounts replaces what the image brings along at the same place.
    """
    of_pod = tuple(pod)
    taken = {posixpath.normpath(mount.destination) for mount in of_pod}
    kept = tuple(mount for mount in image if posixpath.normpath(mount.destination) not in taken)
    return tuple(sorted(kept + of_pod, key=lambda mount: _depth(mount.destination)))


def _source(volume: core_v1.Volume, uid: str, state: StateDir) -> str:
    if volume.hostPath is not None:
        return volume.hostPath.path
    return str(state.volume(uid, volume.name))


def _sub_path(mount: core_v1.VolumeMount, env: Mapping[str, str]) -> str | None:
    """pkg/kubelet/container/helpers.go: ExpandContainerVolumeMounts. An empty variable counts as missing."""
    path = mount.subPath
    if mount.subPathExpr:
        missing = set()

        def value_of(name: str) -> str:
            if not env.get(name):
                missing.add(name)
            return env.get(name, "")

        path = expand(mount.subPathExpr, value_of)
        if missing:
            raise ConfigError(f"missing value for {', '.join(sorted(missing))}")
    if not path:
        return None
    if path.startswith("/"):
        raise ConfigError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise ConfigError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _is_recursive_read_only(mount: core_v1.VolumeMount) -> bool:
    """kubelet_pods.go: resolveRecursiveReadOnly, for a runtime that knows how (runc does)."""
    wanted = mount.recursiveReadOnly in {"Enabled", "IfPossible"}
    return wanted and bool(mount.readOnly) and _propagation(mount.mountPropagation) is Propagation.PRIVATE


def _propagation(mode: str | None) -> Propagation:
    if mode not in _PROPAGATIONS:
        raise ConfigError(f'invalid MountPropagation mode: "{mode}"')
    return _PROPAGATIONS[mode]


def _depth(path: str) -> int:
    return len([part for part in path.split("/") if part])
