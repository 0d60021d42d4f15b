"""The real kubectl in conversation with a real Pod: exec, attach, cp, port-forward, logs."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.streams_lab import StreamsLab, box, streams_lab


def _minor() -> int:
    """kubectl's minor version; 0 without one."""
    if shutil.which("kubectl") is None:
        return 0
    said = subprocess.run(("kubectl", "version", "--client", "-o", "json"), capture_output=True, check=True)
    return int(re.sub(r"\D", "", json.loads(said.stdout)["clientVersion"]["minor"]))


pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(_minor() < 31, reason="needs kubectl 1.31: older ones carry streams over SPDY"),
]

MAIN = box("main", "echo hello; echo problem >&2; trap 'exit 0' TERM; sleep 1000 & wait")
ECHO = box("echo", 'while read line; do echo "<$line>"; done; sleep 1000', stdin=True)
SERVER = box("server", "mkdir /www; cd /www; echo served > file; exec python3 -m http.server 8000")

Body = Callable[[StreamsLab], Awaitable[None]]


@pytest.fixture
def with_pod(tmp_path: Path) -> Callable[..., None]:
    async def whole(body: Body, *containers: dict[str, object], **spec: object) -> None:
        async with streams_lab(tmp_path, {"containers": list(containers) or [MAIN], **spec}) as lab:
            await body(lab)

    return lambda body, *containers, **spec: asyncio.run(whole(body, *containers, **spec))


def test_exec_says_what_the_command_says(with_pod: Callable[..., None]) -> None:
    async def body(lab: StreamsLab) -> None:
        said = await lab.kubectl("exec", "pod", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
        assert said == (3, "out\n", "err\ncommand terminated with exit code 3\n")
        assert await lab.kubectl("exec", "-i", "pod", "--", "wc", "-c", stdin=b"x" * 1_000_000) == (
            0,
            "1000000\n",
            "",
        )
        code, out, err = await lab.kubectl("exec", "pod", "--", "nope")
        assert (code, out) == (1, "")
        assert err.startswith(
            "error: Internal error occurred: error executing command in container: failed to exec"
        )
        assert err.endswith('exec: "nope": executable file not found in $PATH: unknown\n')
        refused = (1, "", "Error from server (BadRequest): container nope is not valid for pod pod\n")
        assert await lab.kubectl("exec", "pod", "-c", "nope", "--", "true") == refused

    with_pod(body)


def test_a_shell_on_a_terminal(with_pod: Callable[..., None]) -> None:
    async def body(lab: StreamsLab) -> None:
        async with _on_terminal(lab, "exec", "-it", "pod", "--", "sh") as terminal:
            await terminal.until(b"# ")
            terminal.type(b"stty size; tty; echo $TERM\n")
            said = await terminal.until(b"xterm")
            assert b"40 120\r\n/dev/pts/" in said
            terminal.type(b"sh -c 'echo r''un; exec sleep 1000'\n")
            await terminal.until(b"run\r\n")
            terminal.type(b"\x03")
            await terminal.until(b"# ")
            terminal.resize(50, 100)
            terminal.type(b"until stty size | grep '50 100'; do sleep 0.05; done; exit 7\n")
            await terminal.until(b"50 100\r\n")
            assert await terminal.process.wait() == 7

    with_pod(body)


def test_attach_talks_to_the_first_process(with_pod: Callable[..., None]) -> None:
    async def body(lab: StreamsLab) -> None:
        async with _on_terminal(lab, "attach", "-i", "pod") as terminal:
            await terminal.until(b"try pressing enter.")
            terminal.type(b"one\n")
            await terminal.until(b"<one>")
            terminal.process.terminate()
            await terminal.process.wait()
        code, out, _ = await lab.kubectl("logs", "pod")
        assert (code, out) == (0, "<one>\n")

    with_pod(body, ECHO)


def test_cp_carries_files_both_ways(with_pod: Callable[..., None], tmp_path: Path) -> None:
    content = os.urandom(20 << 20)
    (tmp_path / "there").write_bytes(content)

    async def body(lab: StreamsLab) -> None:
        there, back = str(tmp_path / "there"), str(tmp_path / "back")
        assert (await lab.kubectl("cp", there, "pod:/root/carried"))[0] == 0
        assert (await lab.kubectl("cp", "pod:/root/carried", back))[0] == 0
        assert Path(back).read_bytes() == content

    with_pod(body)


def test_port_forward_reaches_localhost_of_the_pod(with_pod: Callable[..., None]) -> None:
    async def body(lab: StreamsLab) -> None:
        async with _port_forward(lab, ":8000", ":9") as (said, ports):
            answers = await asyncio.gather(*(_http_get(ports[0], "/file") for _ in range(10)))
            assert {answer.partition(b"\r\n\r\n")[2] for answer in answers} == {b"served\n"}
            assert await _http_get(ports[1], "/") == b""
            refused = await said(b"connection refused")
            assert b"error forwarding port 9 to pod" in refused

    async def when_served(lab: StreamsLab) -> None:
        script = "until wget -qO- localhost:8000/file || curl -s localhost:8000/file; do sleep 0.05; done"
        await lab.kubectl("exec", "pod", "--", "sh", "-c", script)
        await body(lab)

    with_pod(when_served, SERVER)


def test_logs_in_all_their_forms(with_pod: Callable[..., None]) -> None:
    async def body(lab: StreamsLab) -> None:
        code, out, _ = await lab.kubectl("logs", "pod")
        assert (code, sorted(out.splitlines())) == (0, ["hello", "problem"])
        code, out, _ = await lab.kubectl("logs", "pod", "--timestamps", "--tail=1")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (hello|problem)\n", out)
        assert (await lab.kubectl("logs", "pod", "--limit-bytes=3"))[1] in ("hel", "pro")
        assert await lab.kubectl("logs", "pod", "--since-time=2100-01-01T00:00:00Z") == (0, "", "")
        refused = (
            'Error from server (BadRequest): previous terminated container "main" in pod "pod" not found\n'
        )
        assert await lab.kubectl("logs", "pod", "-p") == (1, "", refused)

    with_pod(body)


def test_following_ends_with_the_container(with_pod: Callable[..., None]) -> None:
    async def body(lab: StreamsLab) -> None:
        following = asyncio.ensure_future(lab.kubectl("logs", "-f", "pod"))
        await lab.kubectl("exec", "pod", "--", "sh", "-c", "echo go > /go")
        assert await following == (0, "first\nlast\n", "")

    script = "echo first; until test -e /go; do sleep 0.02; done; echo last"
    with_pod(body, box("main", script), restartPolicy="Never")


class _Terminal:
    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self._master = master
        self._said = b""

    async def until(self, text: bytes) -> bytes:
        """What was said since the last time, up to this."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            while text not in self._said:
                readable: asyncio.Future[None] = loop.create_future()
                loop.add_reader(self._master, readable.set_result, None)
                try:
                    await readable
                finally:
                    loop.remove_reader(self._master)
                self._said += os.read(self._master, 4096)
        said, self._said = self._said, self._said.partition(text)[2]
        return said

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(
            28
        )  # SIGWINCH; the kernel's own goes to the terminal's foreground group only


@asynccontextmanager
async def _on_terminal(lab: StreamsLab, *words: str) -> AsyncIterator[_Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = await asyncio.create_subprocess_exec(
        "kubectl",
        f"--server={lab.url}",
        *words,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield _Terminal(process, master)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(master)


Said = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def _port_forward(lab: StreamsLab, *ports: str) -> AsyncIterator[tuple[Said, list[int]]]:
    process = await asyncio.create_subprocess_exec(
        *("kubectl", f"--server={lab.url}", "port-forward", "--address=127.0.0.1", "pod/pod", *ports),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    stdout = process.stdout

    async def said(text: bytes) -> bytes:
        async with asyncio.timeout(10):
            while text not in (line := await stdout.readline()):
                assert line, f"kubectl ended without saying {text!r}"
        return line

    try:
        chosen = [int((await said(b"Forwarding from")).split(b":")[1].split()[0]) for _ in ports]
        yield said, chosen
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _http_get(port: int, path: str) -> bytes:
    """Empty when the connection ends without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
