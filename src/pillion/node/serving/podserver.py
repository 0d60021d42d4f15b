"""What the kubelet's server answers about pods (pkg/kubelet/server/server.go), refusals in its words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from pillion.containers.inotify import Folders
from pillion.containers.logs import find_tail, follow_parts, read_parts
from pillion.containers.runtime import ExecError
from pillion.crilog import Entry
from pillion.lifecycle.observation import ContainerSeen, RuntimeState
from pillion.node.drivers import Drivers
from pillion.node.serving.endings import Endings
from pillion.node.serving.forwarding import open_tunnel
from pillion.node.serving.logchoice import choose_instance
from pillion.node.serving.logtext import LogText
from pillion.node.serving.statistics import Statistics
from pillion.node.worker import PodWorker
from pillion.plan.pods import container_named, identity_of
from pillion.status.containers import RUNTIME_NAME
from pillion.streams import ExecFailed, LogOptions, NodeRefusal, Session, Tunnel
from pillion.units import Instant, quote


class PodServer:
    """`workers`: the node's pods by UID, as they are at the moment of the question."""

    def __init__(self, drivers: Drivers, workers: Callable[[], Mapping[str, PodWorker]]) -> None:
        self._drivers = drivers
        self._workers = workers
        self._folders = Folders()
        self._endings = Endings(drivers.runtime)
        self._statistics = Statistics(drivers, workers)

    # Logs

    async def logs(self, pod_uid: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The log's bytes. Raises NodeRefusal before the first."""
        worker = self._worker(pod_uid)
        container_id, restarts = choose_instance(worker.pod, container, previous=options.previous)
        attempt = next(
            (seen.attempt for seen in self._drivers.runtime.containers(pod_uid) if seen.id == container_id),
            restarts,
        )
        state, identity = self._drivers.state, identity_of(worker.pod)
        folder = state.pod_logs(identity.namespace, identity.name, pod_uid)
        path = Path(state.container_log(folder, container, attempt))
        return self._read_log(pod_uid, container_id, path, options)

    async def _read_log(
        self, pod_uid: str, container_id: str, path: Path, options: LogOptions
    ) -> AsyncIterator[bytes]:
        text = LogText(options, self._since(options))
        try:
            start = 0 if options.tail_lines is None else find_tail(path, options.tail_lines)
            async with aclosing(self._entries(pod_uid, container_id, path, options, start)) as batches:  # type: ignore[type-var]
                async for entries in batches:
                    rendered = text.render(entries)
                    if rendered:
                        yield rendered
                    if text.is_full:
                        return
        except FileNotFoundError:
            # Too late to refuse: the kubelet, too, says so in the log's place (kuberuntime: GetContainerLogs).
            yield f"unable to retrieve container logs for {RUNTIME_NAME}://{container_id}".encode()

    async def _entries(
        self, pod_uid: str, container_id: str, path: Path, options: LogOptions, start: int
    ) -> AsyncIterator[list[Entry]]:
        """Raises FileNotFoundError."""
        if not options.follow:
            for entries in read_parts(path, start=start):
                yield entries
            return
        with self._endings.of(pod_uid, container_id) as ended:
            async with aclosing(follow_parts(path, ended, self._folders, start=start)) as batches:  # type: ignore[type-var]
                async for entries in batches:
                    yield entries

    def _since(self, options: LogOptions) -> Instant | None:
        if options.since_seconds is not None:
            return Instant(self._drivers.clock.now() - options.since_seconds)
        return options.since

    # Streams

    async def exec(
        self, pod_uid: str, container: str, command: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Session:
        """Raises NodeRefusal, ExecFailed."""
        seen = self._running(pod_uid, container)
        try:
            return await self._drivers.runtime.exec_session(seen.id, command, tty=tty, stdin=stdin)
        except ExecError as error:
            raise ExecFailed(f"failed to exec in container: {error}") from error

    async def attach(
        self,
        pod_uid: str,
        container: str,
        *,
        tty: bool,  # noqa: ARG002 - a container has a terminal or not, whatever a client says (kubelet: GetAttach)
        stdin: bool,
    ) -> Session:
        """Raises NodeRefusal."""
        seen = self._running(pod_uid, container)
        spec = container_named(self._worker(pod_uid).pod, container)
        has_stdin = bool(spec is not None and spec.stdin)
        try:
            return await self._drivers.runtime.attach(seen.id, stdin=stdin and has_stdin)
        except ExecError as error:
            raise NodeRefusal(500, str(error)) from error

    async def port_forward(self, pod_uid: str, port: int) -> Tunnel:
        """Raises NodeRefusal."""
        worker = self._worker(pod_uid)
        sandbox = next(iter(self._drivers.runtime.sandboxes(pod_uid)), None)
        if sandbox is None or not sandbox.is_ready:
            identity = identity_of(worker.pod)
            raise NodeRefusal(500, f"pod not found ({quote(f'{identity.name}_{identity.namespace}')})")
        netns = Path(self._drivers.state.sandbox(pod_uid, sandbox.attempt), "net")
        return await open_tunnel(None if sandbox.host_network else netns, port)

    async def stats(self) -> dict[str, Any]:
        """The summary API's document."""
        return await self._statistics.summary()

    def _worker(self, pod_uid: str) -> PodWorker:
        """Raises NodeRefusal."""
        worker = self._workers().get(pod_uid)
        if worker is None:
            raise NodeRefusal(404, "pod does not exist")
        return worker

    def _running(self, pod_uid: str, container: str) -> ContainerSeen:
        """Raises NodeRefusal."""
        self._worker(pod_uid)
        for seen in self._drivers.runtime.containers(pod_uid):
            if seen.name == container and seen.state is RuntimeState.RUNNING:
                return seen
        raise NodeRefusal(500, f"container not found ({quote(container)})")
