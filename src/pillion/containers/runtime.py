"""The seam to the container runtime: what the node asks, whoever answers (runc and conmon, or the fake in `testing`).

The runtime keeps what it needs on disk, so that a new process finds every sandbox and container again (`open`).
Nothing here knows Kubernetes objects, probes, restarts or order: that is `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from pillion.containers.usage import Usage
from pillion.lifecycle.observation import ContainerSeen, SandboxSeen
from pillion.plan.containerspec import ContainerSpec, SandboxSpec
from pillion.streams import Session


class CreateError(Exception):
    """The container could not be created. `reason` is a waiting reason (CreateContainerError, …)."""

    def __init__(self, message: str, reason: str = "CreateContainerError") -> None:
        super().__init__(message)
        self.reason = reason


class StartError(Exception):
    """Created, but its process could not be started (executable not found, permission denied): `RunContainerError`.

    The instance is left exited with code 128 and reason `StartError`, as containerd leaves it.
    """


class ExecError(Exception):
    """The command could not be run in the container at all (gone, not found, runtime failure)."""


class ExecResult(msgspec.Struct, frozen=True, kw_only=True):
    exit_code: int
    output: bytes
    """stdout and stderr, interleaved as they came; at most `max_output` bytes."""
    timed_out: bool = False


class SandboxHandle(msgspec.Struct, frozen=True, kw_only=True):
    """A new sandbox: its network namespace still has no address (that is `network`'s part)."""

    attempt: int
    netns: str | None
    """Path of the pinned network namespace; None with hostNetwork."""


class Runtime(Protocol):
    async def open(self) -> None:
        """Find what an earlier process left and take it over: running containers go on being watched."""

    async def close(self) -> None:
        """Stop watching. Containers go on."""

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """`changed(pod_uid)` is called on the loop after a container of the pod ended, or its sandbox was lost."""

    def pods(self) -> frozenset[str]:
        """UIDs of all pods that have a sandbox or a container here."""

    def sandboxes(self, pod_uid: str) -> tuple[SandboxSeen, ...]:
        """Newest first. From memory: costs nothing."""

    def containers(self, pod_uid: str) -> tuple[ContainerSeen, ...]:
        """Every instance except those created ahead and never started; newest first. From memory."""

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxHandle:
        """Namespaces pinned to files, and the pod's cgroup. Raises CreateError; leaves nothing behind then."""

    def set_addresses(self, pod_uid: str, attempt: int, ips: tuple[str, ...]) -> None:
        """Remember the sandbox's addresses (durable); it is ready from now on."""

    async def stop_sandbox(self, pod_uid: str) -> None:
        """End every process that is left in the pod's sandboxes and mark them not ready. Idempotent.

        Raises HostError after some seconds when a process does not die.
        """

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container without starting it (its process waits inside). Returns its ID (64 hex digits).

        Raises CreateError; leaves nothing behind then.
        """

    async def start(self, container_id: str) -> None:
        """Raises StartError."""

    async def stop(self, container_id: str) -> None:
        """Send the stop signal to the first process. No error when it has ended."""

    async def kill(self, container_id: str) -> None:
        """SIGKILL to everything in it. No error when it has ended."""

    async def remove(self, container_id: str) -> None:
        """Delete an instance, killing it if it runs. Idempotent. Raises HostError.

        Of its container's instances the newest two keep their logs, whether they are still there or not: the numbers
        go on, and the last words of what was just removed can still be read.
        """

    async def remove_pod(self, pod_uid: str) -> None:
        """Remove all containers, sandboxes and cgroups of the pod. Logs stay. Idempotent. Raises HostError."""

    async def exec(
        self,
        container_id: str,
        command: tuple[str, ...],
        *,
        timeout: float | None,
        max_output: int = 10 * 1024,
    ) -> ExecResult:
        """Run a command in the container, as the container's user and with its environment.

        After `timeout` seconds it is killed and `timed_out` set. Cancelling kills it too. Raises ExecError.
        """

    async def exec_session(
        self, container_id: str, command: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Session:
        """Start a command as `exec` does, with its stdio in the caller's hands. Raises ExecError."""

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        """To the stdio of the container's own process. `stdin` only if the container has one. Raises ExecError."""

    def usage(self, container_id: str) -> Usage | None:
        """What the container has used so far; None when nothing of it is left."""

    def pod_usage(self, pod_uid: str) -> Usage | None:
        """The same of the pod as a whole."""

    async def writable_bytes(self, container_id: str) -> int:
        """What the container has written into its root filesystem, on disk."""

    async def reopen_log(self, container_id: str) -> None:
        """The log file was moved away: write to a new one under the old name."""
