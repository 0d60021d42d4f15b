"""Commands with a terminal or pipes, and attachments, on real containers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.runtime_lab import container_spec, open_oci_runtime, sandbox_spec, state_of

from pillion.containers import OciRuntime
from pillion.streams import STDERR, STDOUT, Session

pytestmark = pytest.mark.host

UID = str(uuid.uuid4())  # this run's own: others may test on this machine
_WAITS_FOR_SIZE = "echo on; until stty size | grep '47 101'; do sleep 0.02; done"

Body = Callable[[OciRuntime, str], Awaitable[None]]


@pytest.fixture
def in_container(tmp_path: Path) -> Callable[..., None]:
    def run(body: Body, *argv: str, **changes: object) -> None:
        async def whole() -> None:
            async with open_oci_runtime(tmp_path) as runtime, asyncio.timeout(20):
                await runtime.create_sandbox(sandbox_spec(pod_uid=UID))
                spec = container_spec(
                    state_of(tmp_path), "main", *(argv or ("/bin/sleep", "1000")), **changes, pod_uid=UID
                )
                container_id = await runtime.create(spec)
                await runtime.start(container_id)
                await body(runtime, container_id)
                left = list((tmp_path / "containers" / container_id).glob("exec-*"))
                assert left == []

        asyncio.run(whole())

    return run


async def _all(session: Session) -> dict[int, bytes]:
    said = {STDOUT: b"", STDERR: b""}
    async for stream, data in session.output():
        said[stream] += data
    return said


async def _until(output: object, text: bytes) -> bytes:
    said = b""
    while text not in said:
        said += (await anext(output))[1]  # type: ignore[call-overload]
    return said


def test_without_a_terminal_stdout_and_stderr_are_two(in_container: Callable[..., None]) -> None:
    async def body(runtime: OciRuntime, container_id: str) -> None:
        command = ("/bin/sh", "-c", "echo out; echo err >&2; tty; exit 9")
        session = await runtime.exec_session(container_id, command, tty=False, stdin=False)
        assert await _all(session) == {STDOUT: b"out\nnot a tty\n", STDERR: b"err\n"}
        assert await session.wait() == 9
        await session.close()

    in_container(body)


def test_much_data_goes_both_ways_at_the_readers_pace(in_container: Callable[..., None]) -> None:
    size = 8 << 20

    async def body(runtime: OciRuntime, container_id: str) -> None:
        session = await runtime.exec_session(container_id, ("/bin/cat",), tty=False, stdin=True)

        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(size >> 20):
                await session.write(b"x" * (1 << 20))
                written += 1 << 20
            await session.close_stdin()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            output = session.output()
            length = len((await anext(output))[1])
            assert written < size  # nobody has read it: somebody else would hold it in memory
            async for _, data in output:
                length += len(data)
        assert (length, await session.wait()) == (size, 0)
        await session.close()

    in_container(body)


def test_a_terminal_has_a_size_and_a_type_and_hears_of_changes(in_container: Callable[..., None]) -> None:
    async def body(runtime: OciRuntime, container_id: str) -> None:
        command = ("/bin/sh", "-c", f"tty; echo $TERM; {_WAITS_FOR_SIZE}; exit 4")
        session = await runtime.exec_session(container_id, command, tty=True, stdin=True)
        output = session.output()
        said = await _until(output, b"on\r\n")
        assert said.startswith(b"/dev/pts/")
        assert b"xterm" in said
        await session.resize(101, 47)
        await _until(output, b"47 101\r\n")
        assert [part async for part in output] == []
        assert await session.wait() == 4
        await session.close()

    in_container(body)


def test_a_shell_on_a_terminal_is_interrupted_by_its_key(in_container: Callable[..., None]) -> None:
    async def body(runtime: OciRuntime, container_id: str) -> None:
        command = ("/bin/sh", "-c", "trap 'echo caught; exit 7' INT; echo on; while :; do sleep 0.02; done")
        session = await runtime.exec_session(container_id, command, tty=True, stdin=True)
        output = session.output()
        await _until(output, b"on\r\n")
        await session.write(b"\x03")
        await _until(output, b"caught")
        assert [part async for part in output] in ([], [(STDOUT, b"\r\n")])
        assert await session.wait() == 7
        await session.close()

    in_container(body)


@pytest.mark.parametrize("tty", [False, True])
def test_closing_ends_the_command_and_what_it_started(
    in_container: Callable[..., None], *, tty: bool
) -> None:
    async def body(runtime: OciRuntime, container_id: str) -> None:
        command = ("/bin/sh", "-c", "sleep 987654 & echo on; sleep 987654")
        session = await runtime.exec_session(container_id, command, tty=tty, stdin=False)
        await _until(session.output(), b"on")
        await session.close()
        left = await runtime.exec(container_id, ("/bin/sh", "-c", "cat /proc/[0-9]*/cmdline"), timeout=5)
        # The one that looks has no such number in its command line.
        assert b"987654" not in left.output

    in_container(body)


def test_a_process_left_in_the_background_keeps_nobody_waiting(in_container: Callable[..., None]) -> None:
    async def body(runtime: OciRuntime, container_id: str) -> None:
        command = ("/bin/sh", "-c", "sleep 1000 & echo done")
        session = await runtime.exec_session(container_id, command, tty=False, stdin=False)
        assert (await _all(session))[STDOUT] == b"done\n"
        assert await session.wait() == 0
        await session.close()

    in_container(body)


def test_an_attachment_hears_what_is_said_from_now_on_and_leaves_the_container_alone(
    in_container: Callable[..., None],
) -> None:
    async def body(runtime: OciRuntime, container_id: str) -> None:
        session = await runtime.attach(container_id, stdin=True)
        output = session.output()
        await session.write(b"hello\n")
        assert await anext(output) == (STDOUT, b"<hello>\n")
        await session.close()
        again = await runtime.attach(container_id, stdin=True)
        await again.write(b"again\n")
        assert await anext(again.output()) == (STDERR, b"<again>\n")
        await again.close()

    script = 'read x; echo "<$x>"; read x; echo "<$x>" >&2; sleep 1000'
    in_container(body, "/bin/sh", "-c", script, stdin=True)


def test_the_end_of_stdin_is_told_to_a_container_that_takes_it_once(
    in_container: Callable[..., None],
) -> None:
    async def body(runtime: OciRuntime, container_id: str) -> None:
        session = await runtime.attach(container_id, stdin=True)
        await session.write(b"some text")
        await session.close_stdin()
        assert (await _all(session))[STDOUT] == b"9\n"
        await session.close()

    in_container(body, "/bin/sh", "-c", "wc -c; exit", stdin=True, stdin_once=True)


def test_an_attached_terminal_can_be_resized(in_container: Callable[..., None]) -> None:
    async def body(runtime: OciRuntime, container_id: str) -> None:
        session = await runtime.attach(container_id, stdin=True)
        output = session.output()
        await session.write(b"\n")
        await _until(output, b"on\r\n")
        await session.resize(101, 47)
        await _until(output, b"47 101\r\n")
        await session.close()

    in_container(body, "/bin/sh", "-c", f"read x; {_WAITS_FOR_SIZE}; sleep 1000", stdin=True, tty=True)
