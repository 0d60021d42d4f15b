"""A pod's sandbox on disk and in the kernel: namespaces pinned to files, a shared /dev/shm, and for pods with
`shareProcessNamespace` a pause process that is the namespace's process 1.

    DIR/sandboxes/UID-ATTEMPT/sandbox.json    written before anything else exists
                              net ipc uts pid bind mounts of the namespaces: they live while these do
                              shm             tmpfs, 64 MiB, every container's /dev/shm
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from pillion.containers import syscalls
from pillion.containers.durable import load, save
from pillion.plan.containerspec import SandboxSpec
from pillion.units import Instant

SHM_BYTES = 64 << 20
"""containerd's /dev/shm (internal/cri/server/sandbox_run_linux.go)."""

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
        self._pause: subprocess.Popen[bytes] | None = None

    @classmethod
    def load(cls, folder: Path) -> Sandbox | None:
        """None: the folder holds no sandbox that we could take over."""
        record = load(folder / "sandbox.json", SandboxRecord)
        return cls(folder, record) if record else None

    def namespace(self, kind: str) -> str | None:
        """Path of a pinned namespace (`net`, `ipc`, `uts`, `pid`); None when the sandbox has none."""
        path = self.folder / kind
        return str(path) if path.exists() else None

    @property
    def shm(self) -> str:
        return "/dev/shm" if self.record.host_ipc else str(self.folder / "shm")  # noqa: S108 - the host's, as hostIPC asks

    def update(self, **changes: object) -> None:
        """Change the record, on disk first."""
        record = msgspec.structs.replace(self.record, **changes)
        save(self.folder / "sandbox.json", record)
        self.record = record

    def create(self, spec: SandboxSpec) -> None:
        """Raises OSError; then `destroy` removes what exists."""
        self.folder.mkdir(parents=True, mode=0o711)
        save(self.folder / "sandbox.json", self.record)
        kinds = {"uts": syscalls.CLONE_NEWUTS}
        if not spec.host_network:
            kinds["net"] = syscalls.CLONE_NEWNET
        if not spec.host_ipc:
            kinds["ipc"] = syscalls.CLONE_NEWIPC
        in_new_namespaces(lambda: self._furnish(spec, tuple(kinds)), sum(kinds.values()))
        if not spec.host_ipc:
            shm = self.folder / "shm"
            shm.mkdir()
            flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
            syscalls.mount("shm", str(shm), "tmpfs", flags, f"mode=1777,size={SHM_BYTES}")
        if spec.share_process_namespace and not spec.host_pid:
            in_new_namespaces(self._start_pause, syscalls.CLONE_NEWPID)

    def _furnish(self, spec: SandboxSpec, kinds: tuple[str, ...]) -> None:
        """Runs in the new namespaces: name, loopback, sysctls; then pin them."""
        syscalls.set_hostname(spec.hostname)
        if "net" in kinds:
            _bring_up_loopback()
        for name, value in spec.sysctls:
            Path("/proc/sys", name.replace(".", "/")).write_text(value)
        for kind in kinds:
            pin = self.folder / kind
            pin.touch()
            syscalls.bind(f"/proc/thread-self/ns/{kind}", str(pin))

    def _start_pause(self) -> None:
        """Process 1 of the shared process namespace: it sleeps, and the kernel reaps its orphans (SIGCHLD is ignored).

        Kubernetes' pause image does the same with a SIGCHLD handler.
        """
        self._pause = subprocess.Popen(
            ("/pause", "--ignore-signal=CHLD", "sleep", "infinity"),
            executable="/usr/bin/env",
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        pin = self.folder / "pid"
        pin.touch()
        syscalls.bind(f"/proc/{self._pause.pid}/ns/pid", str(pin))
        self.update(pause_pid=self._pause.pid)

    def end_processes(self) -> None:
        """Kill the pause process, and with it everything in the shared process namespace."""
        pid = self.record.pause_pid
        pin = self.folder / "pid"
        if pid is None or not pin.exists():
            return
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            # The number may be somebody else's by now; the namespace tells.
            if Path(f"/proc/{pid}/ns/pid").stat().st_ino == pin.stat().st_ino:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass
        finally:
            os.close(pidfd)
        if self._pause:
            self._pause.wait()
            self._pause = None

    def destroy(self) -> None:
        """Let go of the namespaces and remove the folder. Idempotent."""
        self.end_processes()
        for name in ("net", "ipc", "uts", "pid", "shm"):
            syscalls.unmount(str(self.folder / name))
        shutil.rmtree(self.folder, ignore_errors=True)


def destroy_leftover(folder: Path) -> None:
    """Remove the folder of a sandbox that was never finished."""
    for name in ("net", "ipc", "uts", "pid", "shm"):
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
