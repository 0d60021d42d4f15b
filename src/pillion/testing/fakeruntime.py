"""A container runtime in memory: the same exam as runc's (tests/contract), no process, no disk.

Containers follow a `Script` by their name. Time is the loop's: a test that owns the loop owns these containers, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pillion.clock import Clock
from pillion.containers.runtime import CreateError, ExecError, ExecResult, SandboxHandle, StartError
from pillion.containers.usage import Usage
from pillion.errors import Bug
from pillion.lifecycle.observation import ContainerSeen, RuntimeState, SandboxSeen
from pillion.plan.containerspec import ContainerSpec, SandboxSpec
from pillion.streams import Session
from pillion.testing.fakesession import FakeSession

KILLED = 137


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """How one instance of a container behaves."""

    exit_after: float | None = None
    """Seconds after the start; None: it runs until it is told to end."""
    exit_code: int = 0
    """Its status when it ends by itself."""
    stop_delay: float | None = 0.0
    """Seconds from the stop signal to the end; None: it ignores the signal."""
    stop_code: int = 0
    """Its status when it ends because of the stop signal."""
    message: str = ""
    """What it leaves as its termination message."""
    oom_killed: bool = False
    create_error: str | None = None
    start_error: str | None = None


class ExecScript(msgspec.Struct, frozen=True, kw_only=True):
    """What a command in a container does."""

    exit_code: int = 0
    output: bytes = b""
    takes: float = 0.0
    """Seconds."""
    error: str | None = None
    """It cannot be run at all."""
    echo: bool = False
    """In a session, it repeats its stdin until that ends."""


class _Container:
    def __init__(self, spec: ContainerSpec, script: Script, seen: ContainerSeen) -> None:
        self.spec = spec
        self.script = script
        self.seen = seen
        self.ended = asyncio.Event()
        self.timers: list[asyncio.TimerHandle] = []
        self.start_asked = False


class FakeRuntime:
    """`scripts` by container name: one for all instances, or a sequence by instance, of which the last goes on."""

    def __init__(self, clock: Clock, scripts: Mapping[str, Script | Sequence[Script]] | None = None) -> None:
        self._clock = clock
        self.scripts: dict[str, Script | Sequence[Script]] = dict(scripts or {})
        self.exec_scripts: dict[tuple[str, ...], ExecScript | Callable[[str], ExecScript]] = {}
        """By command; a function gets the container's name. A command without a script succeeds."""
        self.calls: list[tuple[str, str]] = []
        """(verb, container name or pod UID), in order: create, start, stop, kill, remove, exec, create_sandbox, …"""
        self.usages: dict[str, Usage] = {}
        """By container ID or pod UID."""
        self._containers: dict[str, _Container] = {}  # oldest first
        self._sandboxes: dict[str, list[SandboxSeen]] = {}
        self._subscribers: list[Callable[[str], None]] = []
        self._made = 0
        self._instances_made: dict[tuple[str, str], int] = {}

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        for container in self._containers.values():
            self._cancel_timers(container)

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._subscribers.append(changed)

    def pods(self) -> frozenset[str]:
        return frozenset(self._sandboxes) | {c.spec.pod_uid for c in self._containers.values()}

    def sandboxes(self, pod_uid: str) -> tuple[SandboxSeen, ...]:
        return tuple(self._sandboxes.get(pod_uid, ()))

    def containers(self, pod_uid: str) -> tuple[ContainerSeen, ...]:
        return tuple(c.seen for c in reversed(self._of_pod(pod_uid)) if c.start_asked)

    def _of_pod(self, pod_uid: str) -> list[_Container]:
        return [c for c in self._containers.values() if c.spec.pod_uid == pod_uid]

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxHandle:
        self.calls.append(("create_sandbox", spec.pod_uid))
        known = self._sandboxes.setdefault(spec.pod_uid, [])
        if any(sandbox.attempt == spec.attempt for sandbox in known):
            raise Bug(f"sandbox {spec.attempt} of pod {spec.pod_uid} exists")
        known.insert(
            0,
            SandboxSeen(
                attempt=spec.attempt,
                is_ready=False,
                host_network=spec.host_network,
                created_at=self._clock.now(),
            ),
        )
        netns = None if spec.host_network else f"/fake/{spec.pod_uid}-{spec.attempt}/net"
        return SandboxHandle(attempt=spec.attempt, netns=netns)

    def set_addresses(self, pod_uid: str, attempt: int, ips: tuple[str, ...]) -> None:
        self._change_sandboxes(pod_uid, attempt, ips=ips, is_ready=True)

    async def stop_sandbox(self, pod_uid: str) -> None:
        self.calls.append(("stop_sandbox", pod_uid))
        self._change_sandboxes(pod_uid, None, is_ready=False)
        for container in self._of_pod(pod_uid):
            self._end(container, KILLED)

    def _change_sandboxes(self, pod_uid: str, attempt: int | None, **changes: object) -> None:
        self._sandboxes[pod_uid] = [
            msgspec.structs.replace(s, **changes) if attempt in (None, s.attempt) else s
            for s in self._sandboxes.get(pod_uid, [])
        ]
        if not self._sandboxes[pod_uid]:
            del self._sandboxes[pod_uid]

    async def create(self, spec: ContainerSpec) -> str:
        self.calls.append(("create", spec.name))
        script = self._script(spec)
        if not any(s.attempt == spec.sandbox_attempt for s in self._sandboxes.get(spec.pod_uid, ())):
            raise CreateError(f"cannot find sandbox {spec.sandbox_attempt} of pod {spec.pod_uid}")
        if script.create_error is not None:
            raise CreateError(script.create_error)
        self._made += 1
        container_id = f"{self._made:064x}"
        seen = ContainerSeen(
            id=container_id,
            name=spec.name,
            attempt=spec.attempt,
            state=RuntimeState.CREATED,
            hash=spec.hash,
            image=spec.image,
            image_id=spec.image_id,
            identity=spec.identity,
            sandbox_attempt=spec.sandbox_attempt,
            created_at=self._clock.now(),
        )
        self._containers[container_id] = _Container(spec, script, seen)
        return container_id

    def _script(self, spec: ContainerSpec) -> Script:
        scripts = self.scripts.get(spec.name, Script())
        if isinstance(scripts, Script):
            return scripts
        key = (spec.pod_uid, spec.name)
        number = self._instances_made.get(key, 0)
        self._instances_made[key] = number + 1
        return scripts[min(number, len(scripts) - 1)]

    async def start(self, container_id: str) -> None:
        container = self._containers.get(container_id)
        if container is None:
            raise StartError(f"cannot start container {container_id}: it does not exist")
        self.calls.append(("start", container.spec.name))
        if container.start_asked:
            raise Bug(f"container {container.spec.name} was started before")
        container.start_asked = True
        script = container.script
        if script.start_error is not None:
            self._change(
                container,
                state=RuntimeState.EXITED,
                finished_at=self._clock.now(),
                exit_code=128,
                reason="StartError",
                message=script.start_error,
            )
            container.ended.set()
            raise StartError(script.start_error)
        self._change(container, state=RuntimeState.RUNNING, started_at=self._clock.now())
        if script.exit_after is not None:
            self._later(script.exit_after, container, script.exit_code)

    async def stop(self, container_id: str) -> None:
        container = self._containers.get(container_id)
        if container is None or container.ended.is_set():
            return
        self.calls.append(("stop", container.spec.name))
        if container.script.stop_delay is not None:
            self._later(container.script.stop_delay, container, container.script.stop_code)

    async def kill(self, container_id: str) -> None:
        container = self._containers.get(container_id)
        if container is None or container.ended.is_set():
            return
        self.calls.append(("kill", container.spec.name))
        self._later(0, container, KILLED)

    async def remove(self, container_id: str) -> None:
        container = self._containers.get(container_id)
        if container is None:
            return
        self.calls.append(("remove", container.spec.name))
        self._end(container, KILLED)
        self._containers.pop(container_id, None)

    async def remove_pod(self, pod_uid: str) -> None:
        self.calls.append(("remove_pod", pod_uid))
        for container in self._of_pod(pod_uid):
            self._end(container, KILLED)
            del self._containers[container.seen.id]
        self._sandboxes.pop(pod_uid, None)

    async def exec(
        self,
        container_id: str,
        command: tuple[str, ...],
        *,
        timeout: float | None,
        max_output: int = 10 * 1024,
    ) -> ExecResult:
        container = self._containers.get(container_id)
        if container is None or container.seen.state is not RuntimeState.RUNNING:
            raise ExecError(f"container {container_id} is not running")
        self.calls.append(("exec", container.spec.name))
        answer = self.exec_scripts.get(command, ExecScript())
        script = answer if isinstance(answer, ExecScript) else answer(container.spec.name)
        if script.error is not None:
            raise ExecError(script.error)
        output = script.output[:max_output]
        try:
            # A command dies with its container.
            async with asyncio.timeout(script.takes if timeout is None else min(script.takes, timeout)):
                await container.ended.wait()
        except TimeoutError:
            if timeout is not None and script.takes > timeout:
                return ExecResult(exit_code=KILLED, output=output, timed_out=True)
            return ExecResult(exit_code=script.exit_code, output=output)
        return ExecResult(exit_code=KILLED, output=output)

    async def exec_session(
        self,
        container_id: str,
        command: tuple[str, ...],
        *,
        tty: bool,  # noqa: ARG002 - looks the same from here
        stdin: bool,
    ) -> Session:
        container = self._containers.get(container_id)
        if container is None or container.seen.state is not RuntimeState.RUNNING:
            raise ExecError(f"container {container_id} is not running")
        self.calls.append(("exec", container.spec.name))
        answer = self.exec_scripts.get(command, ExecScript())
        script = answer if isinstance(answer, ExecScript) else answer(container.spec.name)
        if script.error is not None:
            raise ExecError(script.error)
        return FakeSession(
            output=script.output,
            exit_code=script.exit_code,
            echo=script.echo and stdin,
            ended=container.ended if script.takes else None,
        )

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        container = self._containers.get(container_id)
        if container is None or container.seen.state is not RuntimeState.RUNNING:
            raise ExecError(f"container {container_id} is not running")
        self.calls.append(("attach", container.spec.name))
        return FakeSession(exit_code=None, echo=stdin, ended=container.ended)

    def usage(self, container_id: str) -> Usage | None:
        return self.usages.get(container_id) if container_id in self._containers else None

    def pod_usage(self, pod_uid: str) -> Usage | None:
        return self.usages.get(pod_uid) if pod_uid in self._sandboxes else None

    async def writable_bytes(self, container_id: str) -> int:  # noqa: ARG002 - nobody writes anything
        return 0

    async def reopen_log(self, container_id: str) -> None:
        self.calls.append(("reopen_log", container_id))

    def crash(self, container_id: str, exit_code: int) -> None:
        """The container ends now, by itself, with this status."""
        self._end(self._containers[container_id], exit_code)

    def _later(self, seconds: float, container: _Container, exit_code: int) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._end, container, exit_code)
        container.timers.append(timer)

    def _end(self, container: _Container, exit_code: int) -> None:
        if container.ended.is_set():
            return
        self._cancel_timers(container)
        script = container.script
        reason = "OOMKilled" if script.oom_killed else "Completed" if exit_code == 0 else "Error"
        self._change(
            container,
            state=RuntimeState.EXITED,
            finished_at=self._clock.now(),
            exit_code=exit_code,
            reason=reason,
            message=script.message,
        )
        container.ended.set()
        if container.start_asked:
            for changed in self._subscribers:
                changed(container.spec.pod_uid)

    def _change(self, container: _Container, **changes: object) -> None:
        container.seen = msgspec.structs.replace(container.seen, **changes)

    def _cancel_timers(self, container: _Container) -> None:
        for timer in container.timers:
            timer.cancel()
        container.timers.clear()
