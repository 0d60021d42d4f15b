"""A pod's sandbox on disk and in the kernel: namespaces pinned to files, a shared /dev/shm, and for pods with
`shareProcessNamespace` a pause process that is the namespace's process 1.

    DIR/sandboxes/UID-ATTEMPT/sandbox.json    written before anything else exists
                              net ipc uts pid bind mounts of the namespaces: they live while these do
                              shm             tmpfs, 64 MiB, every container's /dev/shm
                              ends/ID/exit    tmpfs; exit statuses, which a full disk has no room for
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from pillion.containers import syscalls
from pillion.containers.durable import load, save
from pillion.containers.pause import Pause
from pillion.plan.containerspec import SandboxSpec
from pillion.units import Instant

SHM_BYTES = 64 << 20
"""containerd's /dev/shm (internal/cri/server/podsandbox/sandbox_run_linux.go)."""
ENDS_BYTES = 1 << 20
"""A page for each instance that is kept, of which there are two for each container."""
PAUSE_OOM_SCORE_ADJ = -998
"""When memory is short, all containers of the pod go before the process that holds them together (containerd:
defaultSandboxOOMAdj)."""

UNPRIVILEGED_NETWORK = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}
"""No capability is needed for ports below 1024, nor for ping, in a pod's own network (containerd 2:
enable_unprivileged_ports, enable_unprivileged_icmp)."""

_MOUNTS = ("net", "ipc", "uts", "pid", "shm", "ends")
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


class SandboxRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a sandbox."""

    pod_uid: str
    attempt: int
    boot_id: str
    created_at: Instant
    cgroup: str
    host_network: bool
    host_ipc: bool
    shares_pids: bool
    ips: tuple[str, ...] = ()
    is_ready: bool = False
    pause_pid: int | None = None


class Sandbox:
    """One sandbox's folder. Methods return at once, but `create`, which makes namespaces in a thread of its own."""

    def __init__(self, folder: Path, record: SandboxRecord) -> None:
        self.folder = folder
        self.record = record
        self.pause: Pause | None = None
        """None: its containers have process namespaces of their own, or the one they shared is lost."""

    @classmethod
    def load(cls, folder: Path) -> Sandbox | None:
        """None: the folder holds no sandbox that we could take over."""
        record = load(folder / "sandbox.json", SandboxRecord)
        if record is None:
            return None
        sandbox = cls(folder, record)
        if record.pause_pid is not None:
            sandbox.pause = Pause.find(record.pause_pid, folder / "pid")
        return sandbox

    @property
    def is_lost(self) -> bool:
        """No container can be started in it any more, whatever the record says: its process namespace is dead."""
        return self.record.pause_pid is not None and (self.pause is None or self.pause.is_ending)

    def namespace(self, kind: str) -> str | None:
        """Path of a pinned namespace (`net`, `ipc`, `uts`, `pid`); None when the sandbox has none."""
        path = self.folder / kind
        return str(path) if path.exists() else None

    @property
    def shm(self) -> str:
        return "/dev/shm" if self.record.host_ipc else str(self.folder / "shm")  # noqa: S108 - the host's, as hostIPC asks

    def update(self, **changes: object) -> None:
        """Change the record, on disk first. Raises OSError, unless it is not ready: an end counts anyway."""
        record = msgspec.structs.replace(self.record, **changes)
        try:
            save(self.folder / "sandbox.json", record)
        except OSError:
            if record.is_ready:
                raise
        self.record = record

    def create(self, spec: SandboxSpec, *, oom_score_adj_floor: int = -1000) -> None:
        """Raises OSError; then `destroy` removes what exists."""
        self.folder.mkdir(parents=True, mode=0o711)
        save(self.folder / "sandbox.json", self.record)
        kinds: dict[str, int] = {}
        if not spec.host_network:  # whoever is in the host's network bears the host's name
            kinds |= {"net": syscalls.CLONE_NEWNET, "uts": syscalls.CLONE_NEWUTS}
        if not spec.host_ipc:
            kinds["ipc"] = syscalls.CLONE_NEWIPC
        in_new_namespaces(lambda: self._furnish(spec, tuple(kinds)), sum(kinds.values()))
        if not spec.host_ipc:
            shm = self.folder / "shm"
            shm.mkdir()
            flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
            syscalls.mount("shm", str(shm), "tmpfs", flags, f"mode=1777,size={SHM_BYTES}")
        ends = self.folder / "ends"
        ends.mkdir()
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("ends", str(ends), "tmpfs", flags, f"mode=0700,size={ENDS_BYTES}")
        if spec.share_process_namespace and not spec.host_pid:
            adj = max(PAUSE_OOM_SCORE_ADJ, oom_score_adj_floor)
            in_new_namespaces(lambda: self._start_pause(adj), syscalls.CLONE_NEWPID)

    def _furnish(self, spec: SandboxSpec, kinds: tuple[str, ...]) -> None:
        """Runs in the new namespaces: name, loopback, sysctls; then pin them."""
        sysctls = dict(spec.sysctls)
        if "net" in kinds:
            syscalls.set_hostname(spec.hostname)
            _bring_up_loopback()
            sysctls = UNPRIVILEGED_NETWORK | sysctls
        for name, value in sysctls.items():
            Path("/proc/sys", name.replace(".", "/")).write_text(value)
        for kind in kinds:
            pin = self.folder / kind
            pin.touch()
            syscalls.bind(f"/proc/thread-self/ns/{kind}", str(pin))

    def _start_pause(self, oom_score_adj: int) -> None:
        self.pause = Pause.start(self.folder / "pid", syscalls.bind, oom_score_adj)
        self.update(pause_pid=self.pause.pid)

    def destroy(self) -> None:
        """Let go of the namespaces and remove the folder. Idempotent. Its processes have ended."""
        for name in _MOUNTS:
            syscalls.unmount(str(self.folder / name))
        shutil.rmtree(self.folder, ignore_errors=True)


def destroy_leftover(folder: Path) -> None:
    """Remove the folder of a sandbox that was never finished."""
    for name in _MOUNTS:
        syscalls.unmount(str(folder / name))
    shutil.rmtree(folder, ignore_errors=True)


def in_new_namespaces(work: Callable[[], None], flags: int) -> None:
    """Run `work()` in a thread with namespaces of its own, and wait for it. No pool gets that thread back.

    Raises what `work` raised.
    """
    failure: list[BaseException] = []

    def body() -> None:
        try:
            syscalls.unshare(flags)
            work()
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=body, name="new-namespaces")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(sock, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
