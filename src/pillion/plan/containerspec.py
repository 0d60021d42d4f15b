"""Everything the runtime needs to create one container, and one sandbox: plain values, no Kubernetes names.

`resolve_container` builds a ContainerSpec just before a start, from the Pod, the image's configuration and the facts of
the moment; `pillion.containers` turns it into an OCI bundle.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pillion.plan.podplan import Role


class Propagation(StrEnum):
    PRIVATE = "rprivate"
    HOST_TO_CONTAINER = "rslave"
    BIDIRECTIONAL = "rshared"


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A bind mount of a host path into the container."""

    source: str
    destination: str
    volume: str = ""
    """The volume it belongs to, for messages; "" for the files the kubelet provides."""
    sub_path: str | None = None
    """Mount this path below `source` instead: the volumes driver makes and opens it without leaving the volume."""
    read_only: bool = False
    recursive_read_only: bool = False
    propagation: Propagation = Propagation.PRIVATE


class AddedFolder(msgspec.Struct, frozen=True, kw_only=True):
    """Empty, whatever the layers below have at its place."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


class AddedFile(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    content: bytes
    mode: int = 0o644


class AddedLink(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    target: str


Addition = AddedFolder | AddedFile | AddedLink
"""What an image needs and its layers have not: made in the layer that the container writes to, before it runs.

`path` is absolute and normalised. Folders above it that are not additions themselves look like those of the layers."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the first process is."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    """Supplemental groups, fsGroup among them, sorted, without gid."""

    @property
    def process_groups(self) -> tuple[int, ...]:
        """The supplemental groups that its process has, and its status shows.

        With the first group among them, as in containerd since CVE-2023-25173: what is denied to a group must not be
        had by a mere setgid(2).
        """
        return tuple(dict.fromkeys((self.gid, *self.groups)))


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """cgroup limits; None means no limit is written."""

    cpu_shares: int | None = None
    cpu_quota_us: int | None = None
    cpu_period_us: int = 100_000
    memory_limit_bytes: int | None = None
    pids_limit: int | None = None
    hugepage_limits: tuple[tuple[str, int], ...] = ()
    """(page size as cgroups name it: `2MB`, bytes)."""
    oom_score_adj: int = 0
    single_process_oom_kill: bool = False


class Seccomp(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "Unconfined"  # RuntimeDefault, Unconfined or Localhost
    localhost_profile: str | None = None


class Security(msgspec.Struct, frozen=True, kw_only=True):
    privileged: bool = False
    add_capabilities: tuple[str, ...] = ()  # as in the manifest: "NET_ADMIN", "ALL"
    drop_capabilities: tuple[str, ...] = ()
    no_new_privileges: bool = False
    read_only_root: bool = False
    unmasked_proc: bool = False
    seccomp: Seccomp = Seccomp()
    apparmor: str | None = None  # "runtime/default", "unconfined", "localhost/NAME"; None: not said


class SandboxSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The pod's shared namespaces and cgroup, and the files the kubelet provides."""

    pod_uid: str
    namespace: str
    pod_name: str
    attempt: int
    hostname: str
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    sysctls: tuple[tuple[str, str], ...] = ()
    resources: Resources = Resources()
    """Limits of the pod's cgroup."""
    qos_class: str = "BestEffort"
    ports: tuple[HostPort, ...] = ()


class HostPort(msgspec.Struct, frozen=True, kw_only=True):
    """`ports[].hostPort`, or `--publish`: traffic to host_ip:host_port goes to the pod's container_port."""

    host_port: int
    container_port: int
    protocol: str = "TCP"
    host_ip: str = "0.0.0.0"  # noqa: S104 - Kubernetes' default for hostPort


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    pod_uid: str
    namespace: str
    pod_name: str
    sandbox_attempt: int
    name: str
    role: Role
    attempt: int
    """restartCount of this instance; names the log file."""
    hash: str
    image: str
    """As the manifest names it."""
    image_id: str
    root_layers: tuple[str, ...]
    """Folders for overlay's lowerdir, topmost first. `("/",)` is a host image."""
    additions: tuple[Addition, ...] = ()
    """In order: what comes later may lie in what came before."""
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """The image's and the pod's; what every container gets the runtime adds."""
    cwd: str
    identity: Identity
    mounts: tuple[Mount, ...]
    resources: Resources
    security: Security
    hostname: str
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    stop_signal: str = "SIGTERM"
    termination_message_path: str = "/dev/termination-log"
    termination_message_host_path: str
    termination_message_policy: str = "File"
    log_path: str
    host_pid: bool = False
    share_process_namespace: bool = False
    target_id: str | None = None
    """The container whose process namespace it joins, instead of having one of its own."""


class PasswdEntry(msgspec.Struct, frozen=True):
    name: str
    uid: int
    gid: int
    home: str


class GroupEntry(msgspec.Struct, frozen=True):
    name: str
    gid: int
    members: tuple[str, ...]


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an image says about itself, whichever source it came from (host, archive, registry)."""

    reference: str
    """As the manifest names it, normalised (`docker.io/library/x:latest`)."""
    image_id: str
    """`sha256:…`, or `host:NAME` for a host image."""
    root_layers: tuple[str, ...]
    size_bytes: int = 0
    user: str = ""  # USER: "", "1000", "app", "app:group", "1000:1000"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = "/"
    stop_signal: str = "SIGTERM"
    mounts: tuple[Mount, ...] = ()
    """Extra folders a host image brings along."""
    additions: tuple[Addition, ...] = ()
    passwd: tuple[PasswdEntry, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    substitutes: str | None = None
    """Set when this image stands in for the one that was asked for: a sentence for people."""
