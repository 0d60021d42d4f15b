"""What cannot be had back: a process namespace whose first process died, and processes that do not die of SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.runtime_lab import (
    UID,
    Waiter,
    container_spec,
    open_oci_runtime,
    sandbox_spec,
    state_of,
    what_is_left,
)

from pillion.clock import LoopClock
from pillion.containers import CreateError, OciRuntime, check_host
from pillion.containers.cgroups import Version
from pillion.containers.durable import load
from pillion.containers.monitor import CREATE_PATIENCE
from pillion.containers.removal import PATIENCE
from pillion.containers.sandbox import SandboxRecord
from pillion.errors import HostError
from pillion.lifecycle.observation import RuntimeState

pytestmark = pytest.mark.host


@asynccontextmanager
async def shared_process_namespace(folder: Path) -> AsyncIterator[tuple[OciRuntime, Waiter, str]]:
    """A pod whose containers share a process namespace, with one of them running."""
    async with open_oci_runtime(folder) as runtime:
        waiter = Waiter(runtime)
        await runtime.create_sandbox(sandbox_spec(share_process_namespace=True))
        runtime.set_addresses(UID, 0, ("10.0.0.1",))
        container_id = await runtime.create(sleeper(folder))
        await runtime.start(container_id)
        yield runtime, waiter, container_id


def sleeper(folder: Path, name: str = "sleeper", **changes: object):
    return container_spec(
        state_of(folder), name, "/bin/sleep", "1000", share_process_namespace=True, **changes
    )


def pause_of(folder: Path) -> int:
    record = load(Path(state_of(folder).sandbox(UID, 0)) / "sandbox.json", SandboxRecord)
    assert record is not None
    assert record.pause_pid is not None
    return record.pause_pid


def test_a_sandbox_whose_pause_process_dies_is_not_ready_before_anybody_learns_of_the_dead_containers(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with shared_process_namespace(tmp_path) as (runtime, waiter, container_id):
            ready_when_told: list[bool] = []
            runtime.subscribe(lambda uid: ready_when_told.append(runtime.sandboxes(uid)[0].is_ready))
            os.kill(pause_of(tmp_path), signal.SIGKILL)
            assert (await waiter.exited(container_id)).exit_code == 137
            assert set(ready_when_told) == {False}
            # What the node does then: the old sandbox is stopped, and a new one takes containers.
            await runtime.stop_sandbox(UID)
            await runtime.create_sandbox(sandbox_spec(attempt=1, share_process_namespace=True))
            runtime.set_addresses(UID, 1, ("10.0.0.2",))
            assert [(box.attempt, box.is_ready) for box in runtime.sandboxes(UID)] == [(1, True), (0, False)]
            again = await runtime.create(sleeper(tmp_path, attempt=1, sandbox_attempt=1))
            await runtime.start(again)
            assert waiter.seen(again).state is RuntimeState.RUNNING

    asyncio.run(main())


def test_the_loss_of_a_sandbox_without_containers_is_told_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            waiter = Waiter(runtime)
            await runtime.create_sandbox(sandbox_spec(share_process_namespace=True))
            runtime.set_addresses(UID, 0, ("10.0.0.1",))
            os.kill(pause_of(tmp_path), signal.SIGKILL)
            await waiter.until(lambda: waiter.notices)
            assert not runtime.sandboxes(UID)[0].is_ready

    asyncio.run(main())


def test_a_sandbox_that_was_lost_while_nobody_looked_is_found_not_ready(tmp_path: Path) -> None:
    async def main() -> None:
        first = OciRuntime(state_of(tmp_path), LoopClock(), check_host())
        await first.open()
        await first.create_sandbox(sandbox_spec(share_process_namespace=True))
        first.set_addresses(UID, 0, ("10.0.0.1",))
        await first.close()
        pause = pause_of(tmp_path)
        os.kill(pause, signal.SIGKILL)
        os.waitpid(pause, 0)  # noqa: ASYNC222 - both lives are lived in this process: it is a child, and dead
        async with open_oci_runtime(tmp_path) as second:
            assert [box.is_ready for box in second.sandboxes(UID)] == [False]

    asyncio.run(main())


def test_out_of_memory_kills_containers_before_the_pause_process(tmp_path: Path) -> None:
    async def main() -> None:
        async with shared_process_namespace(tmp_path):
            score = int(Path(f"/proc/{pause_of(tmp_path)}/oom_score_adj").read_text())
            assert score == max(-998, check_host().oom_score_adj_floor)

    asyncio.run(main())


@pytest.mark.skipif(
    not Path("/sys/fs/cgroup/freezer").exists(),
    reason="only version 1 of the freezer holds processes so fast that SIGKILL does not end them",
)
@pytest.mark.parametrize("verb", ["remove", "stop_sandbox", "remove_pod"])
def test_a_process_that_hangs_keeps_nobody_waiting_for_ever(tmp_path: Path, verb: str) -> None:
    async def main() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            await runtime.create_sandbox(sandbox_spec())
            runtime.set_addresses(UID, 0, ("10.0.0.1",))
            container_id = await runtime.create(container_spec(state_of(tmp_path), "c", "/bin/sleep", "1000"))
            await runtime.start(container_id)
            pid = int((Path(state_of(tmp_path).container(container_id)) / "pid").read_text())
            freezer = Path(f"/sys/fs/cgroup/freezer/pillion/besteffort/pod{UID}/freezer.state")
            freezer.write_text("FROZEN")
            try:
                end = asyncio.ensure_future(
                    runtime.remove(container_id) if verb == "remove" else getattr(runtime, verb)(UID)
                )
                loop = asyncio.get_running_loop()
                now = loop.time
                while not is_killed(pid):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0)
                loop.time = lambda: now() + PATIENCE  # type: ignore[method-assign]
                with pytest.raises(HostError, match=r"cannot end .* 10 s after SIGKILL: process \d+ \("):
                    await end
            finally:
                freezer.write_text("THAWED")
            await runtime.remove_pod(UID)
            assert runtime.pods() == frozenset()

    assert check_host().cgroups.version is Version.V1
    asyncio.run(main())


def test_a_creation_that_hangs_fails_and_leaves_nothing(tmp_path: Path) -> None:
    """As when the kernel waits for a network file system that is to be mounted into the container."""
    hanging = tmp_path / "hanging-runc"
    hanging.write_text(
        f"#!{sys.executable}\nimport pathlib, time\npathlib.Path('{tmp_path}/here').touch()\ntime.sleep(1000)\n"
    )
    hanging.chmod(0o755)

    async def main() -> None:
        host = msgspec.structs.replace(check_host(), runc=str(hanging))
        runtime = OciRuntime(state_of(tmp_path), LoopClock(), host)
        await runtime.open()
        await runtime.create_sandbox(sandbox_spec())
        loop = asyncio.get_running_loop()
        now = loop.time
        creation = asyncio.ensure_future(runtime.create(container_spec(state_of(tmp_path), "c", "/bin/true")))
        while not (tmp_path / "here").exists():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        loop.time = lambda: now() + CREATE_PATIENCE  # type: ignore[method-assign]
        with pytest.raises(CreateError, match="runc has not answered for 120 s"):
            await creation
        await runtime.remove_pod(UID)
        await runtime.close()
        assert what_is_left(tmp_path) == []

    asyncio.run(main())


def is_killed(pid: int) -> bool:
    """Whether SIGKILL waits for the process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending)
