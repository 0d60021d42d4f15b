"""Host commands: their ends, their output, and that none is left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from pillion.process import Child, CommandFailed, Completed, ProgramMissing, run, run_unchecked

T = TypeVar("T")


def do(work: Awaitable[T]) -> T:
    """Run it; afterwards no descriptor and no child may be left."""

    async def main() -> T:
        async with asyncio.timeout(10):
            return await work

    before = len(list(Path("/proc/self/fd").iterdir()))
    try:
        return asyncio.run(main())
    finally:
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


def shell(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


def test_output_and_errors_come_back_apart() -> None:
    completed = do(run(shell("echo out; echo err >&2")))
    assert (completed.status, completed.stdout, completed.stderr) == (0, b"out\n", b"err\n")


def test_a_failure_tells_command_status_and_complaint() -> None:
    with pytest.raises(CommandFailed) as failed:
        do(run(shell("echo no luck >&2; exit 3")))
    assert (failed.value.status, failed.value.stderr) == (3, "no luck")
    assert str(failed.value) == "cannot run /bin/sh -c: exit status 3: no luck"


def test_a_signal_is_a_negative_status() -> None:
    assert do(run_unchecked(shell("kill -9 $$"))).status == -9


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(ProgramMissing, match="cannot run no-such-program: it is not installed"):
        do(run(("no-such-program",)))


def test_input_of_any_size_is_fed() -> None:
    text = b"x" * 3_000_000
    assert do(run(("wc", "-c"), input=text)).stdout.strip() == b"3000000"


def test_output_beyond_the_limit_is_forgotten_and_blocks_nobody() -> None:
    completed = do(run(shell("head -c 5000000 /dev/zero"), max_output=1000))
    assert completed.stdout == b"\0" * 1000


def test_a_grandchild_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    completed = do(run(shell(f"sleep 60 & echo $! > {pid}; echo done")))
    assert completed.stdout == b"done\n"
    os.kill(int(pid.read_text()), 9)


def test_a_late_command_is_killed() -> None:
    completed = do(run_unchecked(("sleep", "60"), timeout=0.05))
    assert (completed.timed_out, completed.status) == (True, -9)
    with pytest.raises(CommandFailed, match="it did not end in time"):
        do(run(("sleep", "60"), timeout=0.05))


FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.fixture
def freezer() -> Iterator[Path]:
    """A cgroup whose frozen members do not even hear SIGKILL, as if they hung in the kernel."""
    if not os.access(FREEZER / "cgroup.procs", os.W_OK):
        pytest.skip("needs the freezer of cgroup v1, and root")
    group = FREEZER / f"pillion-test-{os.getpid()}"
    group.mkdir()
    yield group
    (group / "freezer.state").write_text("THAWED")
    group.rmdir()


@pytest.mark.host
def test_a_command_that_hangs_in_the_kernel_keeps_nobody_and_is_reaped_when_it_ends(freezer: Path) -> None:
    async def until(fact: Callable[[], object]) -> None:
        while not fact():  # noqa: ASYNC110 - nothing tells us what the kernel does
            await asyncio.sleep(0.001)

    async def hang() -> Completed:
        child = Child(shell(f"echo $$ > {freezer}/cgroup.procs; exec sleep 60"))
        await until((freezer / "cgroup.procs").read_text)
        (freezer / "freezer.state").write_text("FROZEN")
        await until(lambda: (freezer / "freezer.state").read_text() == "FROZEN\n")
        closed = child.close()
        assert (freezer / "cgroup.procs").read_text()
        (freezer / "freezer.state").write_text("THAWED")
        await until(lambda: not Path(f"/proc/self/task/{os.getpid()}/children").read_text())
        return closed

    assert do(hang()).status == -9


def test_a_cancelled_command_is_killed() -> None:
    async def cancel() -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(run(("sleep", "60")))
            await asyncio.sleep(0)
            task.cancel()

    do(cancel())


def test_many_run_at_once() -> None:
    async def many() -> list[bytes]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(("echo", str(n)))) for n in range(30)]
        return [task.result().stdout for task in tasks]

    assert do(many()) == [b"%d\n" % n for n in range(30)]
