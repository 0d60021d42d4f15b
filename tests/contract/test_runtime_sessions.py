"""What every container runtime's conversations do: runc's with conmon, and the fake's."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.runtime_lab import Waiter, container_spec, open_oci_runtime, sandbox_spec, state_of

from pillion.clock import LoopClock
from pillion.containers import ExecError, Runtime
from pillion.streams import Session
from pillion.testing.fakeruntime import ExecScript, FakeRuntime

UID = str(uuid.uuid4())  # this run's own: others may test on this machine
SLEEPS = ("/bin/sleep", "1000")
HI = ("/bin/sh", "-c", "echo hi; exit 3")
CAT = ("/bin/cat",)
NOT_THERE = ("no-such-program",)
FOREVER = ("/bin/sh", "-c", "echo on; sleep 1000")

Exam = Callable[[Runtime, str], Awaitable[None]]


@pytest.fixture(params=["fake", pytest.param("runc", marks=pytest.mark.host)])
def examine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Exam], None]:
    """Runs one exam on a runtime with a running container."""

    async def run(runtime: Runtime, exam: Exam) -> None:
        spec = container_spec(state_of(tmp_path), "main", *SLEEPS, pod_uid=UID)
        await runtime.create_sandbox(sandbox_spec(pod_uid=UID))
        container_id = await runtime.create(spec)
        await runtime.start(container_id)
        async with asyncio.timeout(10):
            await exam(runtime, container_id)

    async def fake(exam: Exam) -> None:
        runtime = FakeRuntime(LoopClock())
        runtime.exec_scripts = {
            HI: ExecScript(output=b"hi\n", exit_code=3),
            CAT: ExecScript(echo=True),
            NOT_THERE: ExecScript(error='exec: "no-such-program": executable file not found in $PATH'),
            FOREVER: ExecScript(output=b"on\n", takes=1000),
        }
        await run(runtime, exam)

    async def real(exam: Exam) -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            await run(runtime, exam)

    return lambda exam: asyncio.run(fake(exam) if request.param == "fake" else real(exam))


async def _all(session: Session) -> bytes:
    return b"".join([data async for _, data in session.output()])


def test_a_command_says_its_output_and_its_status(examine: Callable[[Exam], None]) -> None:
    async def exam(runtime: Runtime, container_id: str) -> None:
        session = await runtime.exec_session(container_id, HI, tty=False, stdin=False)
        assert (await _all(session), await session.wait()) == (b"hi\n", 3)
        await session.close()

    examine(exam)


def test_a_command_reads_its_stdin_until_that_is_closed(examine: Callable[[Exam], None]) -> None:
    async def exam(runtime: Runtime, container_id: str) -> None:
        session = await runtime.exec_session(container_id, CAT, tty=False, stdin=True)
        await session.write(b"one ")
        await session.write(b"two")
        await session.close_stdin()
        assert (await _all(session), await session.wait()) == (b"one two", 0)
        await session.close()

    examine(exam)


@pytest.mark.parametrize("tty", [False, True])
def test_a_command_that_is_not_there_is_refused_with_the_reason(
    examine: Callable[[Exam], None], *, tty: bool
) -> None:
    async def exam(runtime: Runtime, container_id: str) -> None:
        with pytest.raises(ExecError, match='exec: "no-such-program": executable file not found'):
            await runtime.exec_session(container_id, NOT_THERE, tty=tty, stdin=False)

    examine(exam)


def test_a_container_that_does_not_run_takes_no_commands(examine: Callable[[Exam], None]) -> None:
    async def exam(runtime: Runtime, container_id: str) -> None:
        waiter = Waiter(runtime)
        await runtime.kill(container_id)
        await waiter.exited(container_id, UID)
        with pytest.raises(ExecError, match="is not running"):
            await runtime.exec_session(container_id, HI, tty=False, stdin=False)
        with pytest.raises(ExecError, match="is not running"):
            await runtime.attach(container_id, stdin=False)

    examine(exam)


def test_a_conversation_ends_with_its_container(examine: Callable[[Exam], None]) -> None:
    async def exam(runtime: Runtime, container_id: str) -> None:
        command = await runtime.exec_session(container_id, FOREVER, tty=False, stdin=False)
        attachment = await runtime.attach(container_id, stdin=False)
        output = command.output()
        assert (await anext(output))[1] == b"on\n"
        await runtime.kill(container_id)
        assert [part async for part in output] == []
        assert await _all(attachment) == b""
        assert await attachment.wait() is None
        await command.close()
        await attachment.close()

    examine(exam)
