"""`Runtime` over runc and conmon.

What exists is remembered on disk before it is made (`instance`, `sandbox`), so that a process which finds the folders
of one that was killed can take over or tidy up every step (`adoption`). An exit is seen as the end of the container's
conmon, which ends after it has written the exit file and the log's last line; nothing is polled.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from pillion import process
from pillion.clock import Clock
from pillion.containers import adoption, sessions, targets, termination
from pillion.containers.cgroups import Cgroups
from pillion.containers.conclusion import conclude, ends_of
from pillion.containers.execution import execute
from pillion.containers.host import HostCapabilities
from pillion.containers.instance import Instance, InstanceRecord, Progress, record_of, signal_number
from pillion.containers.monitor import Monitor, RuntimeFailed, reopen_log
from pillion.containers.preparation import write_bundle
from pillion.containers.removal import destroy_container, end_creation, patience
from pillion.containers.rotation import KEPT_INSTANCES, LogRotation, remove_older
from pillion.containers.runtime import CreateError, ExecError, ExecResult, SandboxHandle, StartError
from pillion.containers.sandboxes import Sandboxes
from pillion.containers.usage import Usage, read_usage, tree_bytes
from pillion.errors import HostError
from pillion.lifecycle.observation import ContainerSeen, RuntimeState, SandboxSeen
from pillion.plan.containerspec import ContainerSpec, SandboxSpec
from pillion.statedir import StateDir
from pillion.streams import Session


class OciRuntime:
    def __init__(self, state: StateDir, clock: Clock, host: HostCapabilities) -> None:
        self._state = state
        self._clock = clock
        self._host = host
        self._cgroups = Cgroups(host.cgroups)
        self._monitor = Monitor(host.conmon, host.runc, str(state.runc), str(state.exits))
        self._instances: dict[str, Instance] = {}
        self._by_pod: dict[str, list[Instance]] = {}  # newest first
        self._sandboxes = Sandboxes(state, clock, host, self._cgroups, lost=self._tell)
        self._subscribers: list[Callable[[str], None]] = []
        # More runc processes at a time only make each of them slower.
        self._creating = asyncio.Semaphore(host.cpus + 1)
        self._rotation = LogRotation(clock, self._running)

    # Taking over and letting go

    async def open(self) -> None:
        for folder in (self._state.sandboxes, self._state.containers, self._state.exits, self._state.runc):
            Path(folder).mkdir(parents=True, exist_ok=True, mode=0o711)
        found = adoption.survey(self._state, self._host.boot_id)
        for sandbox in found.sandboxes:
            self._sandboxes.take_over(sandbox)
        for leftover in found.leftovers:
            await self._discard(leftover)
        for instance in found.instances:
            self._remember(instance)
            if instance.monitor is not None:
                self._watch(instance)
            elif instance.state is not RuntimeState.EXITED:
                self._conclude(instance)
            else:
                instance.ended.set()
        self._rotation.wake()

    async def close(self) -> None:
        for instance in self._instances.values():
            self._unwatch(instance)
        self._sandboxes.unwatch()
        await self._rotation.close()

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._subscribers.append(changed)

    # Looking, from memory

    def pods(self) -> frozenset[str]:
        return frozenset(self._by_pod) | self._sandboxes.pods()

    def sandboxes(self, pod_uid: str) -> tuple[SandboxSeen, ...]:
        return self._sandboxes.seen(pod_uid)

    def containers(self, pod_uid: str) -> tuple[ContainerSeen, ...]:
        return tuple(
            instance.seen() for instance in self._by_pod.get(pod_uid, ()) if instance.progress.start_asked
        )

    # Sandboxes

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxHandle:
        return self._sandboxes.create(spec)

    def set_addresses(self, pod_uid: str, attempt: int, ips: tuple[str, ...]) -> None:
        self._sandboxes.find(pod_uid, attempt).update(ips=ips, is_ready=True)

    async def stop_sandbox(self, pod_uid: str) -> None:
        self._sandboxes.mark_not_ready(pod_uid)
        running = [instance for instance in self._by_pod.get(pod_uid, ()) if not instance.ended.is_set()]
        for instance in running:
            self._kill(instance)
        await self._sandboxes.end(pod_uid, [instance.ended for instance in running])

    def _tell(self, pod_uid: str) -> None:
        for changed in self._subscribers:
            changed(pod_uid)

    # Containers

    async def create(self, spec: ContainerSpec) -> str:
        sandbox = self._sandboxes.find(spec.pod_uid, spec.sandbox_attempt)
        container_id = secrets.token_hex(32)
        folder = Path(self._state.container(container_id))
        record = record_of(
            spec,
            container_id=container_id,
            boot_id=self._host.boot_id,
            created_at=self._clock.now(),
            cgroup=f"{sandbox.record.cgroup}/{container_id}",
        )
        instance = Instance(folder, record, Progress())
        try:
            async with self._creating:
                folder.mkdir(mode=0o700)
                instance.save_record()
                with targets.open_pid_namespace(spec, container_id, self._instances) as target:
                    write_bundle(instance, spec, sandbox, self._state, self._host, pid_namespace=target)
                    await self._create_in_runtime(instance, spec)
        except CreateError:
            await self._discard(instance)
            raise
        except (OSError, HostError) as error:
            await self._discard(instance)
            raise CreateError(str(error)) from error
        except asyncio.CancelledError:
            await self._discard(instance)
            raise
        self._remember(instance)
        return container_id

    async def _create_in_runtime(self, instance: Instance, spec: ContainerSpec) -> None:
        """On success its process waits for the start; what runc refuses is kept for `start` to tell."""
        options = tuple(
            flag
            for flag, asked in (
                ("--terminal", spec.tty),
                ("--stdin", spec.stdin),
                ("--leave-stdin-open", spec.stdin and not spec.stdin_once),
            )
            if asked
        )
        ends = ends_of(self._state, instance.record)
        ends.mkdir(parents=True, exist_ok=True)
        try:
            monitored = await self._monitor.create(
                instance.record.id, instance.folder, Path(spec.log_path), ends, options=options
            )
        except RuntimeFailed as error:
            instance.advance(failure=str(error))
            instance.ended.set()
            return
        instance.advance(pid=monitored.pid)
        instance.monitor = adoption.open_monitor(monitored.monitor_pid, instance.record.id)
        if instance.monitor is None:
            self._conclude(instance)
        else:
            self._watch(instance)

    async def start(self, container_id: str) -> None:
        instance = self._instances.get(container_id)
        if instance is None:
            raise StartError(f"cannot start container {container_id}: it does not exist")
        failure = instance.progress.failure
        if failure is None:
            instance.advance(start_asked=True, started_at=self._clock.now())
            try:
                await process.run(self._runc("start", container_id))
            except HostError as error:
                said = error.stderr if isinstance(error, process.CommandFailed) else str(error)
                failure = said
                await self._end(instance)
        if failure is None:
            self._rotation.wake()
            return
        message = termination.start_failure(failure)
        instance.advance(
            start_asked=True,
            started_at=None,
            finished_at=self._clock.now(),
            exit_code=termination.START_FAILED_STATUS,
            reason="StartError",
            message=message,
        )
        raise StartError(message)

    async def stop(self, container_id: str) -> None:
        instance = self._instances.get(container_id)
        if instance is not None:
            instance.signal(signal_number(instance.record.stop_signal))

    async def kill(self, container_id: str) -> None:
        instance = self._instances.get(container_id)
        if instance is not None and not instance.ended.is_set():
            self._kill(instance)

    def _kill(self, instance: Instance) -> None:
        instance.signal(signal.SIGKILL)
        if not instance.record.owns_pids:
            # Nothing ends with its first process there; the group has them all.
            self._cgroups.kill(instance.record.cgroup)

    async def remove(self, container_id: str) -> None:
        instance = self._instances.get(container_id)
        if instance is not None:
            await self._remove(instance)
            self._remove_old_files(instance.record)

    async def _remove(self, instance: Instance) -> None:
        container_id = instance.record.id
        async with instance.removal:
            if container_id not in self._instances:
                return
            await self._end(instance)
            await self._destroy(instance)
            self._forget(instance)

    def _remove_old_files(self, record: InstanceRecord) -> None:
        for file in (record.log_path, record.termination_message_host_path):
            remove_older(Path(file).parent, KEPT_INSTANCES)

    async def remove_pod(self, pod_uid: str) -> None:
        await self.stop_sandbox(pod_uid)
        refusals: list[HostError] = []

        async def remove(instance: Instance) -> None:
            try:
                await self._remove(instance)
            except HostError as error:
                refusals.append(error)

        async with asyncio.TaskGroup() as group:
            for instance in self._by_pod.get(pod_uid, ()):
                group.create_task(remove(instance))
        if refusals:
            raise refusals[0]
        await self._sandboxes.remove(pod_uid)

    async def _end(self, instance: Instance) -> None:
        """Kill what runs of it. Raises HostError when it does not die."""
        if not instance.ended.is_set():
            self._kill(instance)
            async with patience(f"container {instance.record.name}", self._cgroups, instance.record.cgroup):
                await instance.ended.wait()

    async def _destroy(self, instance: Instance) -> None:
        """Raises HostError."""
        await destroy_container(instance, self._state, self._host, self._cgroups)

    async def _discard(self, instance: Instance) -> None:
        """Destroy what nobody will ask for. If it resists, it stays known, so that `remove_pod` tries again."""
        try:
            await end_creation(instance.record.id)
            await self._destroy(instance)
        except HostError:
            instance.ended.set()
            self._remember(instance)

    def _runc(self, *arguments: str) -> tuple[str, ...]:
        return (self._host.runc, "--root", str(self._state.runc), *arguments)

    # Exits

    def _watch(self, instance: Instance) -> None:
        assert instance.monitor is not None
        asyncio.get_running_loop().add_reader(instance.monitor, self._monitor_ended, instance)

    def _unwatch(self, instance: Instance) -> None:
        if instance.monitor is not None:
            asyncio.get_running_loop().remove_reader(instance.monitor)
            os.close(instance.monitor)
            instance.monitor = None

    def _monitor_ended(self, instance: Instance) -> None:
        self._unwatch(instance)
        self._conclude(instance)
        if not instance.record.owns_pids:
            # Whoever learns of this end must not start its successor in a process namespace that is about to be dead.
            self._sandboxes.tell_if_lost(instance.record.pod_uid)
        if instance.progress.start_asked:
            self._tell(instance.record.pod_uid)

    def _conclude(self, instance: Instance) -> None:
        conclude(instance, self._state, self._cgroups, self._clock.now())

    # Commands and logs

    async def exec(
        self,
        container_id: str,
        command: tuple[str, ...],
        *,
        timeout: float | None,
        max_output: int = 10 * 1024,
    ) -> ExecResult:
        instance = self._of_running(container_id)
        return await execute(
            self._monitor, self._cgroups, instance, command, timeout=timeout, max_output=max_output
        )

    async def exec_session(
        self, container_id: str, command: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Session:
        instance = self._of_running(container_id)
        return await sessions.open_exec(self._monitor, self._cgroups, instance, command, tty=tty, stdin=stdin)

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        return sessions.attach(self._of_running(container_id).folder, stdin=stdin)

    def _of_running(self, container_id: str) -> Instance:
        instance = self._instances.get(container_id)
        if instance is None or instance.state is not RuntimeState.RUNNING:
            raise ExecError(f"container {container_id} is not running")
        return instance

    def usage(self, container_id: str) -> Usage | None:
        instance = self._instances.get(container_id)
        return None if instance is None else read_usage(self._host.cgroups, instance.record.cgroup)

    def pod_usage(self, pod_uid: str) -> Usage | None:
        instance = next(iter(self._by_pod.get(pod_uid, ())), None)
        if instance is None:
            return None
        return read_usage(self._host.cgroups, instance.record.cgroup.rpartition("/")[0])

    async def writable_bytes(self, container_id: str) -> int:
        instance = self._instances.get(container_id)
        return 0 if instance is None else await asyncio.to_thread(tree_bytes, instance.folder / "upper")

    async def reopen_log(self, container_id: str) -> None:
        instance = self._instances.get(container_id)
        if instance is not None:
            reopen_log(instance.folder)

    def dropped_log_bytes(self, container_id: str) -> int:
        """How much of the container's log rotation has dropped so far."""
        return self._rotation.dropped_bytes(container_id)

    def _running(self) -> Iterator[Instance]:
        return (i for i in self._instances.values() if i.state is RuntimeState.RUNNING)

    # Who is there

    def _remember(self, instance: Instance) -> None:
        self._instances[instance.record.id] = instance
        self._by_pod.setdefault(instance.record.pod_uid, []).insert(0, instance)

    def _forget(self, instance: Instance) -> None:
        del self._instances[instance.record.id]
        self._rotation.forget(instance.record.id)
        left = [other for other in self._by_pod[instance.record.pod_uid] if other is not instance]
        if left:
            self._by_pod[instance.record.pod_uid] = left
        else:
            del self._by_pod[instance.record.pod_uid]
