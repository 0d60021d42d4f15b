"""What every container runtime does: the exam of runc and conmon, and of the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.runtime_lab import UID, Waiter, container_spec, open_oci_runtime, sandbox_spec, state_of

from pillion.clock import LoopClock
from pillion.containers import CreateError, ExecError, Runtime, StartError
from pillion.lifecycle.observation import RuntimeState
from pillion.plan.containerspec import ContainerSpec, Identity
from pillion.testing.fakeruntime import ExecScript, FakeRuntime, Script

_SCRIPTS = {
    "runs": Script(stop_code=143),
    "stubborn": Script(stop_delay=None),
    "succeeds": Script(exit_after=0),
    "fails": Script(exit_after=0, exit_code=3, message="why"),
    "missing": Script(start_error='exec: "no-such-program": executable file not found in $PATH'),
}

_COMMANDS: dict[str, tuple[str, ...]] = {
    "runs": ("/bin/sh", "-c", "trap 'exit 143' TERM; sleep 1000 & wait"),
    "stubborn": ("/bin/sleep", "1000"),  # process 1 of its namespace: without a handler, no SIGTERM
    "succeeds": ("/bin/true",),
    "fails": ("/bin/sh", "-c", "printf why > /dev/termination-log; exit 3"),
    "missing": ("no-such-program",),
}

_HI = ("/bin/sh", "-c", "echo out; echo err >&2; exit 7")
_LONG = ("/bin/sh", "-c", "echo before; touch /long-runs; sleep 1000")
_LONG_RUNS = ("/bin/sh", "-c", "until test -e /long-runs; do sleep 0.01; done")
_MUCH = ("/bin/sh", "-c", "yes | head -c 100000")
_NOT_THERE = ("no-such-program",)


@asynccontextmanager
async def _fake(folder: Path) -> AsyncIterator[Runtime]:
    runtime = FakeRuntime(LoopClock(), _SCRIPTS)
    runtime.exec_scripts = {
        _HI: ExecScript(exit_code=7, output=b"out\nerr\n"),
        _LONG: ExecScript(takes=1000, output=b"before\n"),
        _MUCH: ExecScript(output=b"y\n" * 50000),
        _NOT_THERE: ExecScript(error='exec: "no-such-program": executable file not found in $PATH'),
    }
    await runtime.open()
    yield runtime
    await runtime.close()


@pytest.fixture(params=["fake", pytest.param("runc", marks=pytest.mark.host)])
def examine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    """Runs one exam on a runtime with a ready sandbox."""
    opened = _fake if request.param == "fake" else open_oci_runtime

    def run(exam: Callable[[Runtime, Waiter, Callable[..., ContainerSpec]], Awaitable[None]]) -> None:
        async def main() -> None:
            async with opened(tmp_path) as runtime:
                waiter = Waiter(runtime)
                await runtime.create_sandbox(sandbox_spec())
                runtime.set_addresses(UID, 0, ("10.0.0.1",))
                state = state_of(tmp_path)
                await exam(
                    runtime,
                    waiter,
                    lambda name, **changes: container_spec(state, name, *_COMMANDS[name], **changes),
                )

        asyncio.run(main())

    return run


def test_a_created_container_is_not_shown_before_its_start(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        identity = Identity(uid=7, gid=8, groups=(9,))
        container_id = await runtime.create(spec("runs", identity=identity))
        assert len(container_id) == 64
        assert runtime.containers(UID) == ()
        await runtime.start(container_id)
        (seen,) = runtime.containers(UID)
        assert (seen.id, seen.name, seen.state) == (container_id, "runs", RuntimeState.RUNNING)
        assert seen.started_at >= seen.created_at
        assert seen.exit_code is None
        assert seen.identity == identity

    examine(exam)


@pytest.mark.parametrize(
    ("name", "code", "reason", "message"), [("succeeds", 0, "Completed", ""), ("fails", 3, "Error", "why")]
)
def test_an_exit_is_told_with_its_status_reason_and_message(examine, name, code, reason, message) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec(name))
        await runtime.start(container_id)
        seen = await waiter.exited(container_id)
        assert (seen.exit_code, seen.reason, seen.message) == (code, reason, message)
        assert seen.finished_at is not None
        assert seen.finished_at >= seen.created_at
        await waiter.until(lambda: waiter.notices == [UID])

    examine(exam)


def test_the_stop_signal_lets_a_container_end_in_its_own_way(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("runs"))
        await runtime.start(container_id)
        result = await runtime.exec(container_id, _HI, timeout=None)  # by now the shell has set its trap
        assert result.exit_code == 7
        await runtime.stop(container_id)
        seen = await waiter.exited(container_id)
        assert (seen.exit_code, seen.reason) == (143, "Error")

    examine(exam)


def test_only_a_kill_ends_a_container_that_ignores_the_stop_signal(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("stubborn"))
        await runtime.start(container_id)
        await runtime.stop(container_id)
        assert (await runtime.exec(container_id, _HI, timeout=None)).exit_code == 7
        assert waiter.seen(container_id).state is RuntimeState.RUNNING
        await runtime.kill(container_id)
        seen = await waiter.exited(container_id)
        assert (seen.exit_code, seen.reason) == (137, "Error")

    examine(exam)


def test_stop_and_kill_say_nothing_when_it_has_ended_or_never_was(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("succeeds"))
        await runtime.start(container_id)
        before = await waiter.exited(container_id)
        for known in (container_id, "f" * 64):
            await runtime.stop(known)
            await runtime.kill(known)
        assert waiter.seen(container_id) == before

    examine(exam)


def test_a_failed_start_leaves_an_exited_instance_with_code_128(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("missing"))
        assert runtime.containers(UID) == ()
        with pytest.raises(StartError, match=r"executable file not found in \$PATH"):
            await runtime.start(container_id)
        (seen,) = runtime.containers(UID)
        assert (seen.state, seen.exit_code, seen.reason) == (RuntimeState.EXITED, 128, "StartError")
        assert "executable file not found" in seen.message
        assert seen.started_at is None

    examine(exam)


def test_a_container_needs_its_sandbox(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        with pytest.raises(CreateError):
            await runtime.create(spec("runs", sandbox_attempt=5))
        with pytest.raises(StartError):
            await runtime.start("f" * 64)

    examine(exam)


def test_a_command_runs_in_the_container(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("runs"))
        await runtime.start(container_id)
        result = await runtime.exec(container_id, _HI, timeout=5)
        assert (result.exit_code, result.output, result.timed_out) == (7, b"out\nerr\n", False)
        result = await runtime.exec(container_id, _MUCH, timeout=5, max_output=1000)
        assert (result.exit_code, result.output) == (0, b"y\n" * 500)
        with pytest.raises(ExecError, match="executable file not found"):
            await runtime.exec(container_id, _NOT_THERE, timeout=5)

    examine(exam)


def test_a_command_that_takes_too_long_is_cut_off_with_what_it_said(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("runs"))
        await runtime.start(container_id)
        result = await runtime.exec(container_id, _LONG, timeout=3.0)
        assert (result.timed_out, result.output) == (True, b"before\n")

    examine(exam)


def test_no_command_runs_where_nothing_runs(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("succeeds"))
        with pytest.raises(ExecError):
            await runtime.exec(container_id, _HI, timeout=None)
        await runtime.start(container_id)
        await waiter.exited(container_id)
        for known in (container_id, "f" * 64):
            with pytest.raises(ExecError):
                await runtime.exec(known, _HI, timeout=None)

    examine(exam)


def test_a_command_ends_with_its_container(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("runs"))
        await runtime.start(container_id)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            command = group.create_task(runtime.exec(container_id, _LONG, timeout=None))
            await runtime.exec(container_id, _LONG_RUNS, timeout=None)
            await runtime.kill(container_id)
        assert command.result().exit_code == 137

    examine(exam)


def test_removing_kills_forgets_and_may_be_repeated(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        never_started, running = await runtime.create(spec("runs")), await runtime.create(spec("stubborn"))
        await runtime.start(running)
        for container_id in (never_started, running, running, "f" * 64):
            await runtime.remove(container_id)
        assert runtime.containers(UID) == ()
        assert runtime.pods() == {UID}  # its sandbox

    examine(exam)


def test_instances_are_shown_newest_first(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        ids = []
        for attempt in range(3):
            ids.append(await runtime.create(spec("succeeds", attempt=attempt)))
            await runtime.start(ids[-1])
            await waiter.exited(ids[-1])
        assert [seen.id for seen in runtime.containers(UID)] == ids[::-1]
        assert [seen.attempt for seen in runtime.containers(UID)] == [2, 1, 0]

    examine(exam)


def test_a_sandbox_is_ready_from_its_addresses_to_its_stop(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        container_id = await runtime.create(spec("stubborn"))
        await runtime.start(container_id)
        handle = await runtime.create_sandbox(sandbox_spec(attempt=1))
        assert handle.netns is not None
        assert [(s.attempt, s.is_ready, s.ips) for s in runtime.sandboxes(UID)] == [
            (1, False, ()),
            (0, True, ("10.0.0.1",)),
        ]
        await runtime.stop_sandbox(UID)
        await runtime.stop_sandbox(UID)
        assert [s.is_ready for s in runtime.sandboxes(UID)] == [False, False]
        assert (await waiter.exited(container_id)).exit_code == 137

    examine(exam)


def test_a_removed_pod_is_gone(examine) -> None:
    async def exam(runtime, waiter, spec) -> None:
        await runtime.create(spec("runs"))
        for name in ("stubborn", "succeeds"):
            await runtime.start(await runtime.create(spec(name)))
        await runtime.remove_pod(UID)
        await runtime.remove_pod(UID)
        assert runtime.pods() == frozenset()
        assert (runtime.containers(UID), runtime.sandboxes(UID)) == ((), ())

    examine(exam)
